"""Payment intents, charges and the invoice payments that link them to invoices."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.settings import PAYMENT_METHOD_CONFIGURATION_ID

_DESCRIPTIONS = {
    "subscription_create": "Subscription creation",
    "subscription_cycle": "Subscription update",
    "subscription_update": "Subscription update",
}


def new_intent(
    account: Account,
    *,
    amount: int,
    currency: str,
    customer: str | None,
    description: str | None = None,
    setup_future_usage: str | None = None,
    invoice: str | None = None,
    metadata: Body | None = None,
) -> Body:
    """A payment intent that waits for a payment method."""
    object_id = new_id("pi")
    intent: Body = {
        "id": object_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None
        if invoice
        else {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic" if invoice else "automatic_async",
        "client_secret": f"{object_id}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": account.now,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "description": description,
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata or {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None
        if invoice
        else {"id": PAYMENT_METHOD_CONFIGURATION_ID, "parent": None},
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": list(account.settings.payment_method_types),
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": setup_future_usage,
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
        "_": {"invoice": invoice},
    }
    if invoice:
        intent["payment_details"] = {
            "customer_reference": None,
            "order_reference": invoice[:24],
        }
    return account.add(intent)


def request_payment(account: Account, invoice: Body, *, at: int | None = None) -> None:
    """Give a finalised invoice its payment intent; ``at`` places the event before finalisation."""
    intent = new_intent(
        account,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=_DESCRIPTIONS.get(invoice["billing_reason"], "Payment for Invoice"),
        setup_future_usage="off_session" if invoice["parent"] else None,
        invoice=invoice["id"],
    )
    account.emit("payment_intent.created", intent, at=at)
    account.add(
        {
            "id": new_id("inpay"),
            "object": "invoice_payment",
            "amount_paid": None,
            "amount_requested": invoice["amount_due"],
            "created": account.now,
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        }
    )
    invoice["_"]["intent"] = intent["id"]
    account.save(invoice)


def intent_of(account: Account, invoice: Body) -> Body | None:
    """The payment intent that collects an invoice."""
    return account.get("payment_intent", invoice["_"].get("intent"))


def payments_of(account: Account, invoice_id: str) -> list[Body]:
    """The invoice payments of an invoice, newest first."""
    return account.find("invoice_payment", parent=invoice_id, newest_first=True)


def cancel_for(account: Account, invoice: Body, reason: str = "void_invoice") -> None:
    """Cancel what would still collect an invoice that is closed."""
    for payment in payments_of(account, invoice["id"]):
        if payment["status"] == "open":
            payment["status"] = "canceled"
            payment["status_transitions"]["canceled_at"] = account.now
            account.save(payment)
    intent = intent_of(account, invoice)
    if intent and intent["status"] not in {"succeeded", "canceled"}:
        intent["status"] = "canceled"
        intent["canceled_at"] = account.now
        intent["cancellation_reason"] = reason
        intent["next_action"] = None
        account.save(intent)
        account.emit("payment_intent.canceled", intent)


def new_charge(
    account: Account, intent: Body, method: Body, *, failure: Body | None = None
) -> Body:
    """A charge of a payment intent, paid or failed."""
    paid = failure is None
    amount = intent["amount"]
    return account.add(
        {
            "id": new_id("ch"),
            "object": "charge",
            "amount": amount,
            "amount_captured": amount if paid else 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": new_id("txn") if paid else None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": account.settings.account_name.upper(),
            "captured": paid,
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
            "payment_method_details": _details(method, amount),
            "radar_options": {},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": f"{account.public_url}/receipts/{random_text(30)}?s=ap"
            if paid
            else None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "succeeded" if paid else "failed",
            "transfer_data": None,
            "transfer_group": None,
        }
    )


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


def _details(method: Body, amount: int) -> Body:
    if method["type"] != "card":
        return _bank_details(method)
    card = method["card"]
    return {
        "card": {
            "amount_authorized": amount,
            "authorization_code": "522147",
            "brand": card["brand"],
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


@presents("payment_intent")
def _shown(account: Account, intent: Body) -> Body:
    return intent
