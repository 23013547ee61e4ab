"""Confirming setup intents: the card is saved, refused, or the bank asks the person first."""

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import trial_card
from flask_billing.sandbox.engine.payments import card_error, challenge
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.resources import intent_rules, payment_methods, setup_attempts
from flask_billing.sandbox.router import Call, endpoint

_CHALLENGED = frozenset(
    [
        "always_challenge",
        "challenge_unless_set_up",
        "challenge_on_session",
        "challenge_then_decline",
    ]
)
_ENDED = {"succeeded": "it has already succeeded", "canceled": "it has been canceled"}


@endpoint("POST", "/v1/setup_intents/{id}/confirm", "SetupIntentConfirmParams")
def confirm(account: Account, call: Call) -> Body:
    """Confirm with a payment method."""
    intent = account.require("setup_intent", call.id, param="intent!", label="setupintent")
    params = call.params
    refuse_in_checkout(account, intent, "confirm")
    check_not_ended(account, intent, "confirm")
    if params.get("payment_method"):
        take_method(account, intent, params["payment_method"])
    intent_rules.check_return_url(intent, params)
    confirm_with(account, intent, return_url=params.get("return_url"))
    return intent


def take_method(account: Account, intent: Body, object_id: str) -> None:
    """Let the intent have this payment method."""
    method = payment_methods.usable(account, object_id, "payment_method")
    intent_rules.check_owner(intent, method)
    intent.update(payment_method=method["id"], status="requires_confirmation", next_action=None)
    account.save(intent)


def check_not_ended(account: Account, intent: Body, verb: str) -> None:
    """Refuse what cannot be done any more."""
    why = _ENDED.get(intent["status"])
    if why is not None:
        raise intent_rules.unexpected_state(
            account, intent, f"You cannot {verb} this SetupIntent because {why}."
        )


def refuse_in_checkout(account: Account, intent: Body, verb: str) -> None:
    """The setup intent of a Checkout Session is the session's own."""
    if intent["_"].get("checkout_session"):
        raise intent_rules.unexpected_state(
            account,
            intent,
            f"You cannot {verb} this SetupIntent because it belongs to a Checkout Session; expire "
            "the session instead.",
        )


def confirm_with(
    account: Account, intent: Body, *, authenticated: bool = False, return_url: str | None = None
) -> None:
    """Set the card up: attached on success, 402 on a decline, a challenge for 3-D Secure."""
    check_not_ended(account, intent, "confirm")
    method = account.get("payment_method", intent["payment_method"])
    if method is None:
        raise intent_rules.unexpected_state(
            account,
            intent,
            "You cannot confirm this SetupIntent because it's missing a payment method. You can "
            "either update the SetupIntent with a payment method and then confirm it again, or "
            "confirm it again directly with a payment method or ConfirmationToken.",
        )
    if method["type"] == "card":
        card = cards.card_of(method)
        if card.fails_setup:
            raise _failed(account, intent, method, card.decline or cards.GENERIC)
        challenged = card.behaviour in _CHALLENGED or _asks_for_challenge(intent)
        if challenged and not authenticated:
            _challenge(account, intent, method, return_url)
            return
        if challenged:
            method["_"]["set_up"] = True
            account.save(method)
    _succeed(account, intent, method)


def _asks_for_challenge(intent: Body) -> bool:
    wanted: str = intent["payment_method_options"]["card"]["request_three_d_secure"]
    return wanted != "automatic"


def _challenge(account: Account, intent: Body, method: Body, return_url: str | None) -> None:
    intent["status"] = "requires_action"
    intent["next_action"] = challenge(account, intent, return_url)
    intent["_"]["return_url"] = return_url
    setup_attempts.record(account, intent, method, "requires_action")
    account.save(intent)
    account.emit("setup_intent.requires_action", intent)


def _succeed(account: Account, intent: Body, method: Body) -> None:
    if intent["customer"]:
        payment_methods.attach_to(account, method, intent["customer"])
    setup_attempts.record(account, intent, method, "succeeded")
    intent.update(status="succeeded", next_action=None, last_setup_error=None)
    account.save(intent)
    account.emit("setup_intent.succeeded", intent)
    trial_card.take(account, intent, method)


def _failed(account: Account, intent: Body, method: Body, decline: cards.Decline) -> ApiError:
    error = {
        **decline.error(),
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": account.show(method),
        "type": "card_error",
    }
    _refuse(account, intent, method, error)
    return card_error(
        decline,
        keep=True,
        more={"payment_method": account.show(method), "setup_intent": account.show(intent)},
    )


def fail_challenge(account: Account, intent: Body) -> None:
    """The person failed the bank's challenge."""
    method = account.get("payment_method", intent["payment_method"])
    assert method is not None
    _refuse(
        account, intent, method, intent_rules.authentication_failed(intent, account.show(method))
    )


def _refuse(account: Account, intent: Body, method: Body, error: Body) -> None:
    setup_attempts.record(account, intent, method, "failed", error)
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_setup_error=error,
    )
    account.save(intent)
    account.emit("setup_intent.setup_failed", intent)
