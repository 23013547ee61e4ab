"""Setup intents: saving a card for later without charging it."""

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.payments import card_error, card_of
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import PAYMENT_METHOD_CONFIGURATION_ID


@endpoint("POST", "/v1/setup_intents", "SetupIntentCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a setup intent, and confirm it if asked."""
    params = call.params
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    intent = new_setup_intent(account, params)
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_confirmation"
    if params.get("confirm"):
        confirm_with(account, intent, return_url=params.get("return_url"))
    return intent


def new_setup_intent(account: Account, params: Body) -> Body:
    """A setup intent that waits for a payment method."""
    object_id = new_id("seti")
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    intent = account.add(
        {
            "id": object_id,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": {
                "allow_redirects": automatic.get("allow_redirects", "always"),
                "enabled": automatic.get("enabled", True),
            },
            "cancellation_reason": None,
            "client_secret": f"{object_id}_secret_{random_text(25)}",
            "created": account.now,
            "customer": params.get("customer"),
            "customer_account": None,
            "description": params.get("description"),
            "excluded_payment_method_types": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": fields.new_metadata(params),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": {
                "id": PAYMENT_METHOD_CONFIGURATION_ID,
                "parent": None,
            },
            "payment_method_options": {
                "card": {
                    "mandate_options": None,
                    "network": None,
                    "request_three_d_secure": "automatic",
                }
            },
            "payment_method_types": list(account.settings.payment_method_types),
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": params.get("usage", "off_session"),
        }
    )
    account.emit("setup_intent.created", intent)
    return intent


def confirm_with(
    account: Account, intent: Body, *, authenticated: bool = False, return_url: str | None = None
) -> None:
    """Set the card up: attached on success, 402 on a decline, a challenge for 3-D Secure."""
    if intent["status"] in {"succeeded", "canceled"}:
        raise invalid(
            "You cannot confirm this SetupIntent because it has already succeeded."
            if intent["status"] == "succeeded"
            else "You cannot confirm this SetupIntent because it has been canceled.",
            code="setup_intent_unexpected_state",
        )
    method = account.get("payment_method", intent["payment_method"])
    if method is None:
        raise invalid(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
        )
    card = card_of(method)
    challenged = card.behaviour in {
        "always_challenge",
        "challenge_unless_set_up",
        "challenge_on_session",
        "challenge_then_decline",
    }
    if card.fails_setup:
        raise _failed(account, intent, method, card.decline or cards.GENERIC)
    if challenged and not authenticated:
        intent["status"] = "requires_action"
        intent["next_action"] = {
            "type": "redirect_to_url",
            "redirect_to_url": {
                "return_url": return_url,
                "url": f"{account.public_url}/3ds/{intent['id']}"
                f"?client_secret={intent['client_secret']}",
            },
        }
        intent["_"] = {"return_url": return_url}
        account.save(intent)
        account.emit("setup_intent.requires_action", intent)
        return
    if challenged:
        method["_"]["set_up"] = True
        account.save(method)
    if intent["customer"]:
        payment_methods.attach_to(account, method, intent["customer"])
    intent.update(status="succeeded", next_action=None, last_setup_error=None)
    account.save(intent)
    account.emit("setup_intent.succeeded", intent)


def _failed(account: Account, intent: Body, method: Body, decline: cards.Decline) -> ApiError:
    error = {**decline.error(), "message": decline.message, "type": "card_error"}
    error["payment_method"] = account.show(method)
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )
    account.save(intent)
    account.emit("setup_intent.setup_failed", intent)
    return card_error(decline, keep=True, more={"setup_intent": account.show(intent)})


def fail_challenge(account: Account, intent: Body) -> None:
    """The person failed the bank's challenge."""
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error={
            "code": "setup_intent_authentication_failure",
            "message": "We are unable to authenticate your payment method. Please choose a "
            "different payment method and try again.",
            "type": "invalid_request_error",
        },
    )
    account.save(intent)
    account.emit("setup_intent.setup_failed", intent)


@endpoint("GET", "/v1/setup_intents/{id}", "SetupIntentRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One setup intent."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require("setup_intent", object_id, param="intent!", label="setupintent")


@endpoint("POST", "/v1/setup_intents/{id}", "SetupIntentUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a setup intent before it is confirmed."""
    intent = _require(account, call.id)
    fields.assign(intent, call.params, ("customer", "description"))
    fields.merge_metadata(intent, call.params)
    if call.params.get("payment_method"):
        method = payment_methods.usable(account, call.params["payment_method"], "payment_method")
        intent.update(payment_method=method["id"], status="requires_confirmation")
    return account.save(intent)


@endpoint("POST", "/v1/setup_intents/{id}/confirm", "SetupIntentConfirmParams")
def confirm(account: Account, call: Call) -> Body:
    """Confirm with a payment method."""
    intent = _require(account, call.id)
    if call.params.get("payment_method") and intent["status"] != "succeeded":
        method = payment_methods.usable(account, call.params["payment_method"], "payment_method")
        intent["payment_method"] = method["id"]
        account.save(intent)
    confirm_with(account, intent, return_url=call.params.get("return_url"))
    return intent


@endpoint("POST", "/v1/setup_intents/{id}/cancel", "SetupIntentCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """Give a setup intent up."""
    intent = _require(account, call.id)
    if intent["status"] in {"succeeded", "canceled"}:
        raise invalid(
            f"You cannot cancel this SetupIntent because it has a status of {intent['status']}.",
            code="setup_intent_unexpected_state",
        )
    intent.update(
        status="canceled",
        cancellation_reason=call.params.get("cancellation_reason"),
        next_action=None,
    )
    account.save(intent)
    account.emit("setup_intent.canceled", intent)
    return intent


@endpoint("GET", "/v1/setup_intents", "SetupIntentListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of setup intents, by customer and payment method."""
    params = call.params
    where = [("$.payment_method", params["payment_method"])] if "payment_method" in params else []
    return page(account, call, "setup_intent", customer=params.get("customer"), where=where)
