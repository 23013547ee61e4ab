"""Invoice payments: which payment intent paid which invoice."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.router import Call, endpoint


@endpoint("GET", "/v1/invoice_payments", "InvoicePaymentListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of invoice payments, by invoice, payment intent, status."""
    params = call.params
    where = [("$.status", params["status"])] if "status" in params else []
    intent = (params.get("payment") or {}).get("payment_intent")
    if intent:
        where.append(("$.payment.payment_intent", intent))
    return page(account, call, "invoice_payment", parent=params.get("invoice"), where=where)


@endpoint("GET", "/v1/invoice_payments/{id}", "InvoicePaymentRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One invoice payment."""
    return account.require("invoice_payment", call.id)
