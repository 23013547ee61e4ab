"""The invoice as an object: all its fields, and how it is shown."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import taxes
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.settings import DAY


def new_invoice(
    account: Account,
    customer: Body,
    *,
    reason: str,
    currency: str,
    lines: list[Body],
    period: tuple[int, int],
    subscription: Body | None,
    discount_ids: list[str],
    collection_method: str,
    days_until_due: int | None,
    auto_advance: bool,
    tax_rates: list[str],
) -> Body:
    """A draft whose totals are still to be added up."""
    return {
        "id": new_id("in"),
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
        "default_tax_rates": tax_rates,
        "description": None,
        "discounts": discount_ids,
        "due_date": due_date(account.now, days_until_due)
        if collection_method == "send_invoice"
        else None,
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


@presents("invoice")
def _shown(account: Account, invoice: Body) -> Body:
    invoice["default_tax_rates"] = taxes.shown(account, invoice["default_tax_rates"])
    lines = invoice["lines"]["data"]
    invoice["lines"] = {
        "object": "list",
        "data": lines[:10],
        "has_more": len(lines) > 10,
        "total_count": len(lines),
        "url": f"/v1/invoices/{invoice['id']}/lines",
    }
    _link_here(account, invoice)
    return invoice


def _link_here(account: Account, invoice: Body) -> None:
    """Let links lead to where a browser reaches the sandbox now; it may have moved since."""
    for name, where in (("hosted_invoice_url", "/i/"), ("invoice_pdf", "/invoice/")):
        if invoice[name] is not None:
            invoice[name] = account.public_url + where + invoice[name].rpartition(where)[2]


def due_date(since: int, days: int | None) -> int:
    """When an invoice that is sent must be paid: counted from its draft, as recorded."""
    return since + (30 if days is None else days) * DAY
