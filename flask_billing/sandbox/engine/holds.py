"""Money that is held on a card: captured in time, in whole or in part, or released."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import charges, disputes, refunds
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.settings import DAY

_EXPIRY = "payment_intent.hold_expires"


def hold(account: Account, intent: Body, charge: Body) -> None:
    """A payment with manual capture was authorised."""
    intent.update(
        status="requires_capture",
        amount_capturable=intent["amount"],
        latest_charge=charge["id"],
        payment_method=charge["payment_method"],
        last_payment_error=None,
        next_action=None,
    )
    account.save(intent)
    account.schedule(account.now + charges.HOLD_DAYS * DAY, _EXPIRY, intent["id"])
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.amount_capturable_updated", intent)


def capture(account: Account, intent: Body, amount: int | None) -> None:
    """Take what is held, or less: the remainder is released."""
    if intent["status"] == "succeeded":
        raise _unexpected(
            "This PaymentIntent could not be captured because it has already been captured."
        )
    if intent["status"] != "requires_capture":
        raise _unexpected(
            "This PaymentIntent could not be captured because it has a status of "
            f"{intent['status']}. Only a PaymentIntent with one of the following statuses may be "
            "captured: requires_capture."
        )
    held = intent["amount_capturable"]
    amount = held if amount is None else amount
    if not 1 <= amount <= held:
        raise invalid(
            f"The amount to capture must be at least 1 and at most the amount held ({held}).",
            "amount_to_capture",
            "amount_too_large" if amount > held else "parameter_invalid_integer",
        )
    account.unschedule(_EXPIRY, intent["id"])
    charge = account.require("charge", intent["latest_charge"])
    charges.capture(account, charge, amount)
    intent.update(status="succeeded", amount_capturable=0, amount_received=amount)
    account.save(intent)
    account.emit("payment_intent.succeeded", intent)
    disputes.expect(account, charge)


def release(account: Account, intent: Body) -> None:
    """Give back what a payment intent holds, before it is canceled."""
    account.unschedule(_EXPIRY, intent["id"])
    intent["amount_capturable"] = 0
    refunds.release(account, account.require("charge", intent["latest_charge"]))


def expire(account: Account, intent: Body) -> None:
    """Nobody captured in time: the hold is gone and the payment intent canceled."""
    if intent["status"] != "requires_capture":
        return
    charge = account.require("charge", intent["latest_charge"])
    release(account, intent)
    account.emit("charge.expired", charge)
    intent.update(status="canceled", canceled_at=account.now, cancellation_reason="automatic")
    account.save(intent)
    account.emit("payment_intent.canceled", intent)


def _unexpected(message: str) -> ApiError:
    return invalid(message, code="payment_intent_unexpected_state")
