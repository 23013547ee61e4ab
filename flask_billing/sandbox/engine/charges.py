"""Charges: what was taken, held or refused."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.inferred import BOOKING_SECONDS
from flask_billing.sandbox.settings import DAY

#: Days for which a card's authorisation holds.
HOLD_DAYS = 7


def new_charge(
    account: Account, intent: Body, method: Body, *, failure: Body | None = None
) -> Body:
    """A charge of a payment intent: paid, held for a later capture, or failed."""
    paid = failure is None
    captured = paid and intent["capture_method"] != "manual"
    amount = intent["amount"]
    charge = account.add(
        {
            "id": new_id("ch"),
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if captured else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": account.settings.account_name.upper(),
            "captured": captured,
            "created": account.now,
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "destination": None,
            "dispute": None,
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": failure["code"] if failure else None,
            "failure_message": failure["message"] if failure else None,
            "fraud_details": {},
            "livemode": False,
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "order": None,
            "outcome": _outcome(failure),
            "paid": paid,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": _details(account, intent, method),
            "radar_options": {},
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": f"{account.public_url}/receipts/{random_text(30)}?s=ap"
            if paid
            else None,
            "refunded": False,
            "review": None,
            "shipping": intent["shipping"],
            "source": None,
            "source_transfer": None,
            "statement_descriptor": intent["statement_descriptor"],
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": "succeeded" if paid else "failed",
            "transfer_data": None,
            "transfer_group": None,
        }
    )
    if captured:
        _enter_books(account, charge, intent["capture_method"])
    return charge


def _enter_books(account: Account, charge: Body, capture_method: str) -> None:
    """Give a captured charge its balance transaction, in a moment if capture is asynchronous."""
    if capture_method == "automatic_async":
        account.schedule(account.now + BOOKING_SECONDS, "charge.enter_books", charge["id"])
    else:
        charge["balance_transaction"] = new_id("txn")


def enter_books_late(account: Account, charge: Body) -> None:
    """The balance transaction of an asynchronous capture; emits ``charge.updated``."""
    with account.changing(charge, "charge.updated"):
        charge["balance_transaction"] = new_id("txn")


def capture(account: Account, charge: Body, amount: int) -> None:
    """Take what was held, or a part of it: the rest is released."""
    charge["captured"] = True
    charge["amount_captured"] = amount
    charge["balance_transaction"] = new_id("txn")
    account.save(charge)
    account.emit("charge.captured", charge)


def _outcome(failure: Body | None) -> Body:
    return {
        "advice_code": failure.get("advice_code") if failure else None,
        "network_advice_code": None,
        "network_decline_code": failure.get("network_decline_code") if failure else None,
        "network_status": "declined_by_network" if failure else "approved_by_network",
        "reason": failure.get("decline_code") or failure["code"] if failure else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank did not return any further details with this decline."
        if failure
        else "Payment complete.",
        "type": "issuer_declined" if failure else "authorized",
    }


def _details(account: Account, intent: Body, method: Body) -> Body:
    if method["type"] != "card":
        return _bank_details(method)
    card, amount = method["card"], intent["amount"]
    held = intent["capture_method"] == "manual"
    return {
        "card": {
            "amount_authorized": amount,
            "authorization_code": "522147",
            "brand": card["brand"],
            **({"capture_before": account.now + HOLD_DAYS * DAY} if held else {}),
            "checks": card["checks"],
            "country": card["country"],
            "exp_month": card["exp_month"],
            "exp_year": card["exp_year"],
            "extended_authorization": {"status": "disabled"},
            "fingerprint": card["fingerprint"],
            "funding": card["funding"],
            "incremental_authorization": {"status": "unavailable"},
            "installments": None,
            "last4": card["last4"],
            "mandate": None,
            "multicapture": {"status": "unavailable"},
            "network": card["brand"],
            "network_token": {"used": False},
            "network_transaction_id": "119528868122817",
            "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
            "regulated_status": "unregulated",
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


def _bank_details(method: Body) -> Body:
    bank = method["us_bank_account"]
    names = ("account_holder_type", "account_type", "bank_name", "fingerprint", "last4")
    return {
        "type": "us_bank_account",
        "us_bank_account": {
            **{name: bank[name] for name in names},
            "expected_debit_date": None,
            "mandate": None,
            "payment_reference": None,
            "routing_number": bank["routing_number"],
        },
    }
