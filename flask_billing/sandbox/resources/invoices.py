"""Invoices."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    collecting,
    discounts,
    intents,
    invoice_items,
    invoices,
    payments,
    preview,
)
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import listing, page, page_of
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/invoices", "InvoiceCreateParams")
def create(account: Account, call: Call) -> Body:
    """Draft an invoice by hand; pending items only come along when asked for."""
    params = call.params
    customer = account.require("customer", params.get("customer"), param="customer")
    behavior = params.get("pending_invoice_items_behavior", "exclude")
    lines = (
        invoice_items.collect_pending(account, customer["id"], None)
        if behavior == "include"
        else []
    )
    invoice = invoices.draft(
        account,
        customer,
        reason="manual",
        currency=params.get("currency")
        or (lines[0]["currency"] if lines else customer["currency"] or account.settings.currency),
        lines=lines,
        period=(account.now, account.now),
        discount_ids=discounts.redeem(
            account, params.get("discounts") or [], customer=customer["id"]
        ),
        collection_method=params.get("collection_method", "charge_automatically"),
        days_until_due=params.get("days_until_due"),
        auto_advance=params.get("auto_advance", False),
    )
    invoice["rendering"] = {
        "amount_tax_display": None,
        "pdf": {"page_size": "auto"},
        "template": None,
        "template_version": None,
    }
    fields.assign(invoice, params, ("description", "footer", "default_payment_method"))
    fields.merge_metadata(invoice, params)
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = account.now + account.settings.draft_seconds
        account.schedule(invoice["automatically_finalizes_at"], "invoice.finalize", invoice["id"])
    return account.save(invoice)


@endpoint("POST", "/v1/invoices/create_preview", "InvoiceCreatePreviewParams")
def create_preview(account: Account, call: Call) -> Body:
    """The invoice that a change or the next renewal would make; nothing is kept of it."""
    raise preview.PreviewTaken(preview.preview(account, call.params))


@endpoint("GET", "/v1/invoices/{id}", "InvoiceRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One invoice."""
    return account.require("invoice", call.id, param="invoice!")


@endpoint("POST", "/v1/invoices/{id}", "InvoiceUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change an invoice; a finalised one only in metadata and the like."""
    invoice = account.require("invoice", call.id)
    allowed = {"metadata", "expand", "default_payment_method", "auto_advance", "description"}
    if invoice["status"] != "draft" and set(call.params) - allowed:
        raise invalid("Finalized invoices can't be updated in this way")
    with account.changing(invoice, "invoice.updated"):
        fields.assign(
            invoice,
            call.params,
            ("auto_advance", "description", "footer", "default_payment_method"),
        )
        fields.merge_metadata(invoice, call.params)
    return invoice


@endpoint("DELETE", "/v1/invoices/{id}", "InvoiceDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Delete a draft."""
    invoice = account.require("invoice", call.id, param="invoice!")
    if invoice["status"] != "draft":
        raise invalid("You can only delete draft invoices.")
    account.emit("invoice.deleted", invoice)
    account.unschedule("invoice.finalize", invoice["id"])
    account.forget(invoice)
    return fields.deleted(invoice)


@endpoint("POST", "/v1/invoices/{id}/finalize", "InvoiceFinalizeInvoiceParams")
def finalize(account: Account, call: Call) -> Body:
    """Finalise a draft."""
    invoice = account.require("invoice", call.id)
    invoices.finalize(account, invoice)
    if invoice["status"] == "paid":
        collecting.after_payment(account, invoice)
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
    subscription = invoices.subscription_of(account, invoice)
    if (
        subscription
        and subscription["status"] == "past_due"
        and subscription["latest_invoice"] == invoice["id"]
    ):
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
    return invoice


@endpoint("POST", "/v1/invoices/{id}/send", "InvoiceSendInvoiceParams")
def send(account: Account, call: Call) -> Body:
    """Send an invoice by mail; a draft is finalised first."""
    invoice = account.require("invoice", call.id, param="invoice!")
    if invoice["status"] == "draft":
        invoices.finalize(account, invoice)
    account.emit("invoice.sent", invoice)
    return invoice


@endpoint("GET", "/v1/invoices/{id}/lines", "InvoiceLineItemListParams")
def lines(account: Account, call: Call) -> Body:
    """A page of an invoice's lines."""
    invoice = account.require("invoice", call.id, param="invoice!")
    return page_of(call, invoice["lines"]["data"])


@endpoint("GET", "/v1/invoices", "InvoiceListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of invoices, by customer, subscription, status."""
    params = call.params
    where = [
        (f"$.{name}", params[name]) for name in ("status", "collection_method") if name in params
    ]
    return page(
        account,
        call,
        "invoice",
        customer=params.get("customer"),
        parent=params.get("subscription"),
        where=where,
    )


@on_request("invoice", "payments")
def _payments(account: Account, invoice: Body) -> Body:
    found = [account.show(one) for one in intents.payments_of(account, invoice["id"])]
    return listing("/v1/invoices/payments", found)


@on_request("invoice", "confirmation_secret")
def _confirmation_secret(account: Account, invoice: Body) -> Body | None:
    stored = account.anything(invoice["id"])
    intent = intents.intent_of(account, stored) if stored else None
    if intent is None:
        return None
    return {"client_secret": intent["client_secret"], "type": "payment_intent"}
