"""Payment intents and the invoice payments that link them to invoices."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id, random_text
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
    capture_method: str | None = None,
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
        "capture_method": capture_method or ("automatic" if invoice else "automatic_async"),
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


def ask_for(account: Account, invoice: Body, amount: int) -> None:
    """Let what collects an open invoice ask for another amount."""
    for payment in payments_of(account, invoice["id"]):
        if payment["status"] == "open":
            payment["amount_requested"] = amount
            account.save(payment)
    intent = intent_of(account, invoice)
    if intent and intent["status"] not in {"succeeded", "canceled"}:
        intent["amount"] = amount
        account.save(intent)


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
