"""Payment intents."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, intents, payments
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.router import Call, endpoint

_TOO_SMALL = (
    "The amount must be greater than or equal to the minimum charge amount allowed for your "
    "account and the currency set "
    "(https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save "
    "a Payment Method for future use without an immediate payment, use a Setup Intent instead: "
    "https://docs.stripe.com/payments/setup-intents"
)


@endpoint("POST", "/v1/payment_intents", "PaymentIntentCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a payment intent, and confirm it if asked."""
    params = call.params
    if params["amount"] < account.settings.minimum_charge:
        raise invalid(_TOO_SMALL, "amount", "parameter_invalid_integer")
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    intent = intents.new_intent(
        account,
        amount=params["amount"],
        currency=params["currency"],
        customer=params.get("customer"),
        description=params.get("description"),
        setup_future_usage=params.get("setup_future_usage"),
        metadata=fields.new_metadata(params),
    )
    account.emit("payment_intent.created", intent)
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        intent.update(payment_method=method["id"], status="requires_confirmation")
    if params.get("confirm"):
        confirm_with(
            account,
            intent,
            off_session=bool(params.get("off_session")),
            return_url=params.get("return_url"),
        )
    return intent


def confirm_with(
    account: Account,
    intent: Body,
    *,
    off_session: bool = False,
    authenticated: bool = False,
    return_url: str | None = None,
) -> None:
    """Confirm with the payment method it has; a decline is a 402 that is kept."""
    if intent["status"] in {"succeeded", "canceled"}:
        raise invalid(
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    method = account.get("payment_method", intent["payment_method"])
    if method is None:
        raise invalid(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You "
            "can either update the PaymentIntent with a payment method and then confirm it again, "
            "or confirm it again directly with a payment method or ConfirmationToken.",
            code="payment_intent_unexpected_state",
        )
    invoice = account.get("invoice", intent["_"].get("invoice"))
    if invoice is not None:
        outcome = collecting.collect(
            account, invoice, off_session=off_session, method=method, authenticated=authenticated
        )
    else:
        outcome = payments.confirm(
            account,
            intent,
            method,
            off_session=off_session,
            authenticated=authenticated,
            return_url=return_url,
        )
    intent["_"]["return_url"] = return_url
    account.save(intent)
    if outcome.error is not None:
        raise outcome.error


def fail_challenge(account: Account, intent: Body) -> None:
    """The person failed the bank's challenge."""
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error={
            "code": "payment_intent_authentication_failure",
            "doc_url": "https://stripe.com/docs/error-codes/payment-intent-authentication-failure",
            "message": "We are unable to authenticate your payment method. Please choose a "
            "different payment method and try again.",
            "type": "invalid_request_error",
        },
    )
    account.save(intent)
    account.emit("payment_intent.payment_failed", intent)


@endpoint("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One payment intent."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require("payment_intent", object_id, param="intent!")


@endpoint("POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a payment intent before it is confirmed."""
    intent = _require(account, call.id)
    fields.assign(intent, call.params, ("amount", "customer", "description"))
    fields.merge_metadata(intent, call.params)
    return account.save(intent)


@endpoint("POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams")
def confirm(account: Account, call: Call) -> Body:
    """Confirm with a payment method."""
    intent = _require(account, call.id)
    params = call.params
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        intent["payment_method"] = method["id"]
        account.save(intent)
    off_session = params.get("off_session")
    confirm_with(
        account, intent, off_session=off_session is True, return_url=params.get("return_url")
    )
    return intent


@endpoint("POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """Give a payment intent up."""
    intent = _require(account, call.id)
    if intent["_"].get("invoice"):
        raise invalid(
            "You cannot cancel a PaymentIntent that belongs to an invoice; void the invoice."
        )
    if intent["status"] in {"succeeded", "canceled"}:
        raise ApiError(
            400,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}.",
            code="payment_intent_unexpected_state",
        )
    intent.update(
        status="canceled",
        canceled_at=account.now,
        cancellation_reason=call.params.get("cancellation_reason"),
        next_action=None,
    )
    account.save(intent)
    account.emit("payment_intent.canceled", intent)
    return intent


@endpoint("GET", "/v1/payment_intents", "PaymentIntentListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of payment intents, by customer."""
    return page(account, call, "payment_intent", customer=call.params.get("customer"))
