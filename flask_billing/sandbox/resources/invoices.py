"""Invoices: drafted, listed, changed while they are drafts."""

from collections.abc import Sequence

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    discounts,
    draft_lines,
    intents,
    invoice_items,
    invoices,
    preview,
    taxes,
    totals,
)
from flask_billing.sandbox.engine.invoice_object import due_date
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import listing, page, page_of
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.router import Call, endpoint

_PLAIN = ("description", "footer", "statement_descriptor", "custom_fields", "effective_at")
_AFTERWARDS = {"metadata", "expand", "default_payment_method", "auto_advance", "description"}


@endpoint("POST", "/v1/invoices", "InvoiceCreateParams")
def create(account: Account, call: Call) -> Body:
    """Draft an invoice by hand; pending items only come along when asked for."""
    params = call.params
    subscription = None
    if params.get("subscription"):
        subscription = account.require("subscription", params["subscription"], param="subscription")
    owner = subscription["customer"] if subscription else None
    customer = account.require("customer", params.get("customer", owner), param="customer")
    _check_due(params, params.get("collection_method") or "charge_automatically")
    currency = _currency(account, params, customer)
    lines = []
    if params.get("pending_invoice_items_behavior") == "include" or subscription:
        lines = invoice_items.collect_pending(
            account, customer["id"], subscription["id"] if subscription else None, currency
        )
    rates = params.get("default_tax_rates")
    invoice = invoices.draft(
        account,
        customer,
        reason="manual",
        currency=currency,
        lines=lines,
        period=(account.now, account.now),
        subscription=subscription,
        discount_ids=_discounts(account, params, customer["id"], currency),
        collection_method=params.get("collection_method", "charge_automatically"),
        days_until_due=params.get("days_until_due"),
        auto_advance=params.get("auto_advance", False),
        tax_rates=None if rates is None else taxes.checked(account, rates, "default_tax_rates"),
        more=lambda draft: _finish_draft(account, draft, params),
    )
    _advance(account, invoice)
    return account.save(invoice)


def _finish_draft(account: Account, invoice: Body, params: Body) -> None:
    """What only an invoice made by hand has."""
    invoice["rendering"] = {
        "amount_tax_display": None,
        "pdf": {"page_size": "auto"},
        "template": None,
        "template_version": None,
    }
    _change(account, invoice, params)
    if invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = account.now + account.settings.draft_seconds


def _currency(account: Account, params: Body, customer: Body) -> str:
    if params.get("currency"):
        return str(params["currency"]).lower()
    waiting = account.find("invoiceitem", customer=customer["id"])
    found = [item["currency"] for item in waiting if item["invoice"] is None]
    return str(customer["currency"] or (found[0] if found else account.settings.currency))


def _discounts(
    account: Account, params: Body, customer: str, currency: str, keep: Sequence[str] = ()
) -> list[str]:
    asked = params.get("discounts") or []
    return discounts.redeem(account, asked, customer=customer, currency=currency, keep=keep)


def _check_due(params: Body, collection_method: str) -> None:
    for name in ("days_until_due", "due_date"):
        if params.get(name) and collection_method != "send_invoice":
            raise invalid(
                f"You can only set `{name}` if the invoice's `collection_method` is "
                "`send_invoice`.",
                name,
            )


def _change(account: Account, invoice: Body, params: Body) -> None:
    fields.assign(invoice, params, (*_PLAIN, "due_date"))
    if "default_payment_method" in params:
        method = params["default_payment_method"] or None
        if method:
            name = "default_payment_method"
            payment_methods.of_customer(account, method, invoice["customer"], name)
        invoice["default_payment_method"] = method
    fields.merge_metadata(invoice, params)


def _advance(account: Account, invoice: Body) -> None:
    """Let a draft become final by itself, or not any more."""
    if not invoice["auto_advance"]:
        invoice["automatically_finalizes_at"] = None
        account.unschedule("invoice.finalize", invoice["id"])
        return
    if invoice["automatically_finalizes_at"] is None:
        invoice["automatically_finalizes_at"] = account.now + account.settings.draft_seconds
    account.schedule(invoice["automatically_finalizes_at"], "invoice.finalize", invoice["id"])


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
    invoice, params = account.require("invoice", call.id), call.params
    if invoice["status"] != "draft" and set(params) - _AFTERWARDS:
        raise invalid("Finalized invoices can't be updated in this way")
    _check_due(params, params.get("collection_method") or invoice["collection_method"])
    with account.changing(invoice, "invoice.updated"):
        fields.assign(invoice, params, ("auto_advance", "collection_method"))
        _change(account, invoice, params)
        if invoice["status"] == "draft":
            _change_draft(account, invoice, params)
    return invoice


def _change_draft(account: Account, invoice: Body, params: Body) -> None:
    if "days_until_due" in params:
        invoice["_"]["days_until_due"] = params["days_until_due"]
        invoice["due_date"] = due_date(invoice["created"], params["days_until_due"])
    if "discounts" in params:
        invoice["discounts"] = _discounts(
            account, params, invoice["customer"], invoice["currency"], invoice["discounts"]
        )
    if "default_tax_rates" in params:
        rates = taxes.checked(account, params["default_tax_rates"], "default_tax_rates")
        invoice["default_tax_rates"] = rates
    if "auto_advance" in params:
        _advance(account, invoice)
    totals.add_up(account, invoice, account.require("customer", invoice["customer"]))


@endpoint("DELETE", "/v1/invoices/{id}", "InvoiceDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Delete a draft made by hand; its pending items wait again."""
    invoice = account.require("invoice", call.id, param="invoice!")
    if invoice["status"] != "draft":
        raise invalid("You can only delete draft invoices.")
    if invoice["parent"]:
        raise invalid("You can't delete invoices created by subscriptions.")
    account.emit("invoice.deleted", invoice)
    account.unschedule("invoice.finalize", invoice["id"])
    draft_lines.let_go(account, invoice)
    account.forget(invoice)
    return fields.deleted(invoice)


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
    due = params.get("due_date")
    if isinstance(due, int):
        where.append(("$.due_date", due))
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
