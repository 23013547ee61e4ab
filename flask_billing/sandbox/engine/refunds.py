"""Refunds: what of a charge is given back."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id


def refund(
    account: Account,
    charge: Body,
    amount: int | None = None,
    *,
    reason: str | None = None,
    metadata: Body | None = None,
) -> Body:
    """Give back a charge, or part of it; emits ``charge.refunded`` and ``refund.created``."""
    left = charge["amount_captured"] - charge["amount_refunded"]
    if not charge["captured"]:
        raise invalid(
            f"Charge {charge['id']} has not been captured and cannot be refunded; cancel its "
            "PaymentIntent instead.",
            code="charge_not_refundable",
        )
    if charge["disputed"]:
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if charge["refunded"]:
        raise invalid(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )
    amount = left if amount is None else amount
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer"
        )
    if amount > left:
        raise _too_much(charge, amount, left)
    with account.changing(charge, "charge.refunded"):
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    found = _new(account, charge, amount, reason, metadata)
    account.emit("refund.created", found)
    return found


def release(account: Account, charge: Body) -> None:
    """Give back a charge that was never captured."""
    with account.changing(charge, "charge.refunded"):
        charge["amount_refunded"] = charge["amount"]
        charge["refunded"] = True
    _new(account, charge, charge["amount"], None, None)


def refundable_charge(account: Account, intent: Body) -> Body:
    """The charge of a payment intent that succeeded, or the error that there is none."""
    charge = account.get("charge", intent["latest_charge"])
    if charge is None or not charge["paid"]:
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        )
    return charge


def of_charge(account: Account, charge_id: str) -> list[Body]:
    """The refunds of a charge, newest first."""
    return account.find("refund", parent=charge_id, newest_first=True)


def _too_much(charge: Body, amount: int, left: int) -> Exception:
    asked = pricing.money(amount, charge["currency"])
    most = pricing.money(left, charge["currency"])
    what = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
    return invalid(f"Refund amount ({asked}) is greater than {what} ({most})", "amount")


def _new(
    account: Account, charge: Body, amount: int, reason: str | None, metadata: Body | None
) -> Body:
    kind = charge["payment_method_details"]["type"]
    destination: Body = {"type": kind}
    if kind == "card":
        destination["card"] = {
            "reference_status": "pending",
            "reference_type": "acquirer_reference_number",
            "type": "refund" if charge["captured"] else "reversal",
        }
    return account.add(
        {
            "id": new_id("re"),
            "object": "refund",
            "amount": amount,
            "balance_transaction": new_id("txn") if charge["captured"] else None,
            "charge": charge["id"],
            "created": account.now,
            "currency": charge["currency"],
            "destination_details": destination,
            "metadata": metadata or {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        }
    )
