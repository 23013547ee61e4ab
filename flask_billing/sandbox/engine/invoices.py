"""Invoices: drafted, added up, finalised, voided."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import discounts, intents, invoice_items
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.settings import ACCOUNT_ID, DAY


def draft(
    account: Account,
    customer: Body,
    *,
    reason: str,
    currency: str,
    lines: list[Body],
    period: tuple[int, int],
    subscription: Body | None = None,
    discount_ids: list[str] | None = None,
    collection_method: str = "charge_automatically",
    days_until_due: int | None = None,
    auto_advance: bool = False,
) -> Body:
    """A new draft invoice with its totals; emits ``invoice.created``."""
    object_id = new_id("in")
    if customer["currency"] is None:
        with account.changing(customer, "customer.updated"):
            customer["currency"] = currency
    invoice: Body = {
        "id": object_id,
        "object": "invoice",
        "account_country": account.settings.country,
        "account_name": account.settings.account_name,
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": auto_advance,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": collection_method,
        "created": account.now,
        "currency": currency,
        "custom_fields": None,
        "customer": customer["id"],
        "customer_account": None,
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": discount_ids or [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": {"data": lines},
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "parent": _parent(subscription),
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": period[1],
        "period_start": period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "test_clock": None,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": account.now,
        "_": {"days_until_due": days_until_due, "retries": 0, "payment": None},
    }
    add_up(account, invoice, customer)
    account.add(invoice)
    invoice_items.assign(account, invoice)
    account.emit("invoice.created", invoice)
    return invoice


def _parent(subscription: Body | None) -> Body | None:
    if subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {
            "metadata": dict(subscription["metadata"]),
            "subscription": subscription["id"],
        },
        "type": "subscription_details",
    }


def add_up(account: Account, invoice: Body, customer: Body) -> None:
    """Write subtotal, discounts, totals and the amount due from the lines."""
    lines = invoice["lines"]["data"]
    for line in lines:
        line["invoice"] = invoice["id"]
    off = discounts.apply(account, lines, invoice["discounts"])
    subtotal = sum(line["amount"] for line in lines)
    total = subtotal - sum(entry["amount"] for entry in off)
    invoice["subtotal"] = invoice["subtotal_excluding_tax"] = subtotal
    invoice["total"] = invoice["total_excluding_tax"] = total
    invoice["total_discount_amounts"] = off
    invoice["total_pretax_credit_amounts"] = [{**entry, "type": "discount"} for entry in off]
    invoice["starting_balance"] = customer["balance"]
    due = max(total + customer["balance"], 0) if total > 0 else 0
    if 0 < due < account.settings.minimum_charge and invoice["status"] == "draft":
        invoice["_"]["carried"] = due
        due = 0
    else:
        invoice["_"]["carried"] = 0
    invoice["amount_due"] = due
    invoice["amount_remaining"] = due - invoice["amount_paid"]


@presents("invoice")
def _shown(account: Account, invoice: Body) -> Body:
    lines = invoice["lines"]["data"]
    invoice["lines"] = {
        "object": "list",
        "data": lines[:10],
        "has_more": len(lines) > 10,
        "total_count": len(lines),
        "url": f"/v1/invoices/{invoice['id']}/lines",
    }
    return invoice


def subscription_of(account: Account, invoice: Body) -> Body | None:
    """The subscription an invoice bills."""
    parent = invoice["parent"]
    if not parent or not parent["subscription_details"]:
        return None
    return account.get("subscription", parent["subscription_details"]["subscription"])


def finalize(account: Account, invoice: Body, *, quiet: bool = False) -> Body:
    """Give a draft its number and make it payable; an invoice over nothing is paid at once.

    ``quiet`` leaves out the ``invoice.updated`` that a later finalisation shows, as on
    subscription create.
    """
    if invoice["status"] != "draft":
        raise invalid(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice."
        )
    customer = account.anything(invoice["customer"])
    assert customer is not None
    add_up(account, invoice, customer)
    account.unschedule("invoice.finalize", invoice["id"])
    before = account.mark()
    if quiet:
        _open(account, invoice, customer)
        account.save(invoice)
    else:
        with account.changing(invoice, "invoice.updated"):
            _open(account, invoice, customer)
    if invoice["amount_due"] > 0:
        intents.request_payment(account, invoice, at=before)
    account.emit("invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        settle(account, invoice, attempted=True)
    return invoice


def _open(account: Account, invoice: Body, customer: Body) -> None:
    number = customer["next_invoice_sequence"]
    invoice["number"] = f"{customer['invoice_prefix']}-{number:04d}"
    customer["next_invoice_sequence"] = number + 1
    balance = customer["balance"]
    if invoice["total"] < 0:
        ending = balance + invoice["total"]
    elif invoice["_"]["carried"]:
        ending = invoice["_"]["carried"]
    else:
        ending = min(balance + invoice["total"], 0) if balance < 0 else 0
    invoice["ending_balance"] = ending
    if ending != balance:
        with account.changing(customer, "customer.updated"):
            customer["balance"] = ending
    account.save(customer)
    invoice["status"] = "open"
    invoice["effective_at"] = account.now
    invoice["automatically_finalizes_at"] = None
    invoice["status_transitions"]["finalized_at"] = account.now
    token = f"{ACCOUNT_ID}/test_{random_text(40)}"
    invoice["hosted_invoice_url"] = f"{account.public_url}/i/{token}?s=ap"
    invoice["invoice_pdf"] = f"{account.public_url}/invoice/{token}/pdf?s=ap"
    invoice["rendering"] = invoice["rendering"] and {
        **invoice["rendering"],
        "pdf": {"page_size": "letter"},
    }
    if invoice["collection_method"] == "send_invoice":
        days = invoice["_"]["days_until_due"]
        invoice["due_date"] = account.now + (30 if days is None else days) * DAY


def settle(account: Account, invoice: Body, *, attempted: bool, counted: bool = False) -> None:
    """Mark an invoice as paid, with the events that follow."""
    with account.changing(invoice, "invoice.updated"):
        invoice["status"] = "paid"
        invoice["attempted"] = attempted or invoice["attempted"]
        if counted:
            invoice["attempt_count"] += 1
        invoice["amount_paid"] = invoice["amount_due"]
        invoice["amount_remaining"] = 0
        invoice["auto_advance"] = False
        invoice["next_payment_attempt"] = None
        invoice["status_transitions"]["paid_at"] = account.now
    account.unschedule("invoice.collect", invoice["id"])
    account.unschedule("invoice.overdue", invoice["id"])
    account.emit("invoice.paid", invoice)
    account.emit("invoice.payment_succeeded", invoice)


def close(account: Account, invoice: Body, status: str) -> None:
    """Void an open invoice or mark it uncollectible: nothing more is collected."""
    if invoice["status"] not in {"open", "uncollectible"} or invoice["status"] == status:
        raise invalid("You can only pass in open invoices. This invoice isn't open.")
    stamp = {"void": "voided_at", "uncollectible": "marked_uncollectible_at"}[status]
    with account.changing(invoice, "invoice.updated"):
        invoice["status"] = status
        invoice["auto_advance"] = False
        invoice["next_payment_attempt"] = None
        invoice["status_transitions"][stamp] = account.now
    account.unschedule("invoice.collect", invoice["id"])
    if status == "void":
        intents.cancel_for(account, invoice)
    account.emit("invoice.voided" if status == "void" else "invoice.marked_uncollectible", invoice)
