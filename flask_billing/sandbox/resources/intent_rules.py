"""What payment intents and setup intents have in common: who may use a card, and what to refuse."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid

_NAMES = {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}


def name_of(intent: Body) -> str:
    """What errors call the intent."""
    return _NAMES[intent["object"]]


def unexpected_state(account: Account, intent: Body, message: str) -> ApiError:
    """The refusal of a step that the intent's status does not allow; it shows the intent."""
    kind = intent["object"]
    return ApiError(
        400, message, code=f"{kind}_unexpected_state", more={kind: account.show(intent)}
    )


def check_owner(intent: Body, method: Body) -> None:
    """A payment method that belongs to a customer serves that customer only."""
    owner = method["customer"]
    if owner is None and method["_"].get("detached"):
        raise invalid(
            f"The provided PaymentMethod was previously used with a {name_of(intent)} without "
            "Customer attachment, shared with a connected account without Customer attachment, or "
            "was detached from a Customer. It may not be used again. To use a PaymentMethod "
            "multiple times, you must attach it to a Customer first."
        )
    if owner is None or owner == intent["customer"]:
        return
    if intent["customer"] is None:
        raise invalid(
            "The provided PaymentMethod is attached to a customer. Please include the customer "
            f"in the `customer` parameter on the {name_of(intent)}.",
            "payment_method",
        )
    raise invalid(
        f"The payment method you supplied ({method['id']}) is attached to another customer than "
        f"{intent['customer']}.",
        "payment_method",
    )


def check_return_url(intent: Body, params: Body) -> None:
    """Redirects need somewhere to come back to; Stripe.js handles them itself."""
    automatic = intent["automatic_payment_methods"] or {}
    redirects = automatic.get("enabled") and automatic.get("allow_redirects") == "always"
    if redirects and not params.get("return_url") and not params.get("use_stripe_sdk"):
        words = "Payment Intent" if intent["object"] == "payment_intent" else "Setup Intent"
        raise invalid(
            f"A `return_url` must be specified because this {words} is configured to automatically "
            "accept the payment methods enabled in the Dashboard, some of which may require a full "
            "page redirect to succeed. If you do not want to accept redirect-based payment "
            "methods, set `automatic_payment_methods[enabled]` to `true` and "
            "`automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents "
            "and Payment Intents.",
            "return_url",
        )


def authentication_failed(intent: Body, method: Body | None) -> Body:
    """The error an intent keeps when the person failed the bank's challenge."""
    code = f"{intent['object']}_authentication_failure"
    error: Body = {
        "code": code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": "We are unable to authenticate your payment method. Please choose a different "
        "payment method and try again.",
        "type": "invalid_request_error",
    }
    if method is not None:
        error["payment_method"] = method
    return error
