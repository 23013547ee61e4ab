"""What is done with an invoice: finalised, paid, sent, voided, given up."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, intents, invoices, payments
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import payment_methods
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/invoices/{id}/finalize", "InvoiceFinalizeInvoiceParams")
def finalize(account: Account, call: Call) -> Body:
    """Finalise a draft."""
    invoice = account.require("invoice", call.id)
    if "auto_advance" in call.params and invoice["status"] == "draft":
        invoice["auto_advance"] = call.params["auto_advance"]
    invoices.finalize(account, invoice)
    if invoice["status"] == "paid":
        collecting.after_payment(account, invoice)
    elif invoice["auto_advance"] and invoice["collection_method"] == "charge_automatically":
        collecting.appoint_first_attempt(account, invoice)
    return invoice


@endpoint("POST", "/v1/invoices/{id}/pay", "InvoicePayParams")
def pay(account: Account, call: Call) -> Body:
    """Pay an invoice now; a draft is finalised first, a decline is a 402 that is kept."""
    invoice = account.require("invoice", call.id)
    params = call.params
    if invoice["status"] == "paid":
        raise invalid("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    if invoice["status"] == "paid":
        collecting.after_payment(account, invoice)
        return invoice
    if invoice["status"] not in {"open", "uncollectible"}:
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    if params.get("paid_out_of_band"):
        _pay_out_of_band(account, invoice)
        return invoice
    method = None
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        if method["customer"] not in {None, invoice["customer"]}:
            payment_methods.of_customer(
                account, method["id"], invoice["customer"], "payment_method"
            )
    subscription = invoices.subscription_of(account, invoice)
    method = method or payments.payer_method(account, invoice["customer"], subscription, invoice)
    if method is None:
        raise invalid(
            "There is no `default_payment_method` set on this Customer or Invoice. Please create "
            "a payment method, attach it and set it as the default, or pass `payment_method`.",
            code="missing",
        )
    outcome = collecting.collect(
        account, invoice, method=method, off_session=bool(params.get("off_session"))
    )
    if outcome.error is not None:
        raise outcome.error
    if outcome.result == "challenge":
        raise ApiError(
            402,
            "Payment for this invoice requires additional user action before it can be completed "
            "successfully.",
            code="invoice_payment_intent_requires_action",
            error_type="card_error",
            keep=True,
        )
    return invoice


def _pay_out_of_band(account: Account, invoice: Body) -> None:
    invoices.settle(account, invoice, off_stripe=True)
    intents.cancel_for(account, invoice, "automatic")
    collecting.after_payment(account, invoice)


@endpoint("POST", "/v1/invoices/{id}/void", "InvoiceVoidInvoiceParams")
def void(account: Account, call: Call) -> Body:
    """Void an open invoice."""
    return _close(account, call, "void")


@endpoint("POST", "/v1/invoices/{id}/mark_uncollectible", "InvoiceMarkUncollectibleParams")
def mark_uncollectible(account: Account, call: Call) -> Body:
    """Give an open invoice up."""
    return _close(account, call, "uncollectible")


def _close(account: Account, call: Call, status: str) -> Body:
    invoice = account.require("invoice", call.id)
    invoices.close(account, invoice, status)
    collecting.after_closing(account, invoice)
    return invoice


@endpoint("POST", "/v1/invoices/{id}/send", "InvoiceSendInvoiceParams")
def send(account: Account, call: Call) -> Body:
    """Send an invoice by mail; a draft is finalised first."""
    invoice = account.require("invoice", call.id, param="invoice!")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    account.emit("invoice.sent", invoice)
    return invoice
