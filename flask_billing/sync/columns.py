"""Stripe objects as the columns of our rows."""

from __future__ import annotations

import typing as t
from datetime import datetime

from .. import clock, stripe_objects
from ..clock import from_timestamp
from ..row_marks import PAUSE_FROM
from ..stripe_objects import StripeObject
from .plans import Terms

Values = dict[str, t.Any]


def subscription_values(
    subscription: StripeObject, terms: Terms | None, before: StripeObject | None
) -> Values:
    """The columns of a subscription.

    :param terms: the plan its price stands for; None keeps the last one as ``last_plan``.
    :param before: the row as it was, for what Stripe does not remember.
    """
    item = stripe_objects.licensed_item(subscription)
    price = stripe_objects.price_of(subscription)
    start, end = stripe_objects.period(subscription)
    pause = subscription.get("pause_collection") or {}
    pending = subscription.get("pending_update") or {}
    before = before or {}
    return {
        "stripe_id": subscription["id"],
        "status": subscription["status"],
        "plan": terms.plan if terms else None,
        "last_plan": terms.plan if terms else before.get("last_plan"),
        "interval": _interval(terms, price),
        "price": price.get("id"),
        "item_id": item.get("id"),
        "quantity": _quantity(item, subscription),
        "unit_amount": price.get("unit_amount", price.get("amount")),
        "currency": subscription.get("currency") or price.get("currency") or "usd",
        "current_period_start": start,
        "current_period_end": end,
        "anchor": from_timestamp(subscription.get("billing_cycle_anchor")),
        "started_at": from_timestamp(subscription.get("start_date")),
        "ended_at": from_timestamp(subscription.get("ended_at")),
        "trial_start": from_timestamp(subscription.get("trial_start")),
        "trial_end": from_timestamp(subscription.get("trial_end")),
        "cancel_at": stripe_objects.cancels_at(subscription),
        "canceled_at": from_timestamp(subscription.get("canceled_at")),
        "past_due_since": _past_due_since(subscription, before),
        "pause": pause.get("behavior"),
        "pause_starts_at": _pause_starts_at(subscription) if pause else None,
        "pause_resumes_at": from_timestamp(pause.get("resumes_at")),
        "pending_until": from_timestamp(pending.get("expires_at")),
        "discount": _discount(subscription),
        "schedule_id": stripe_objects.reference(subscription.get("schedule")),
        "latest_invoice": stripe_objects.reference(subscription.get("latest_invoice")),
        "default_payment_method": stripe_objects.reference(
            subscription.get("default_payment_method")
        ),
        "snapshot": subscription,
    }


def invoice_values(invoice: StripeObject) -> Values:
    """The columns of an invoice."""
    transitions = invoice.get("status_transitions") or {}
    lines = stripe_objects.list_data(invoice.get("lines"))
    issued = transitions.get("finalized_at") or invoice.get("created")
    # What is paid for in advance: what usage of the period before came to stands beside it, and
    # in mid-period what the old plan has left is credited beside it.
    main = max(lines, key=lambda line: (_line_end(line), line.get("amount") or 0), default={})
    usage = " + usage" if any(_is_usage(line, main) for line in lines) else ""
    description = invoice.get("description") or (main.get("description") or "") + usage or None
    period = main.get("period") or {}
    return {
        "stripe_id": invoice["id"],
        "subscription": stripe_objects.invoice_subscription(invoice),
        "number": invoice.get("number"),
        "status": invoice.get("status") or "draft",
        "billing_reason": invoice.get("billing_reason"),
        "description": description[:512] if description else None,
        "currency": invoice["currency"],
        "total": invoice.get("total") or 0,
        "amount_due": invoice.get("amount_due") or 0,
        "amount_paid": invoice.get("amount_paid") or 0,
        "attempt_count": invoice.get("attempt_count") or 0,
        "next_payment_attempt": from_timestamp(invoice.get("next_payment_attempt")),
        "period_start": from_timestamp(period.get("start", invoice.get("period_start"))),
        "period_end": from_timestamp(period.get("end", invoice.get("period_end"))),
        "due_at": from_timestamp(invoice.get("due_date")),
        "paid_at": from_timestamp(transitions.get("paid_at")),
        "issued_at": from_timestamp(issued) or clock.now(),
    }


def _line_end(line: StripeObject) -> int:
    return int((line.get("period") or {}).get("end") or 0)


def _is_usage(line: StripeObject, main: StripeObject) -> bool:
    """Whether a line charges an item for the period before: only usage is paid in arrears."""
    begins = (main.get("period") or {}).get("start") or 0
    return bool(line.get("amount") and stripe_objects.line_item(line) and _line_end(line) <= begins)


def credit_note_values(note: StripeObject) -> Values:
    """The columns of a credit note."""
    return {
        "stripe_id": note["id"],
        "number": note.get("number"),
        "status": note.get("status") or "issued",
        "reason": note.get("reason"),
        "currency": note["currency"],
        "total": note.get("total") or 0,
        "issued_at": from_timestamp(note.get("created")) or clock.now(),
    }


def payment_method_values(method: StripeObject) -> Values:
    """The columns of a payment method: what identifies it to its owner, and no more."""
    kind = method.get("type") or method.get("object") or "card"
    detail = method.get(kind)
    detail = detail if isinstance(detail, dict) else {}
    brand = detail.get("display_brand") or detail.get("brand") or detail.get("bank_name")
    return {
        "stripe_id": method["id"],
        "type": kind,
        "brand": brand[:32] if brand else None,  # banks have longer names than card networks
        "last4": detail.get("last4"),
        "exp_month": detail.get("exp_month"),
        "exp_year": detail.get("exp_year"),
    }


def customer_values(customer: StripeObject) -> Values:
    """The columns of a customer that Stripe may change: contact, address, default card."""
    if customer.get("deleted"):
        return {"stripe_id": None, "default_payment_method": None}

    values: Values = {
        "default_payment_method": stripe_objects.default_payment_method(customer),
        "address": customer.get("address"),
    }

    if "tax_ids" in customer:  # where it was expanded
        values["tax_ids"] = [
            _tax_id(found) for found in stripe_objects.list_data(customer["tax_ids"])
        ]

    # What Stripe leaves empty must not blank what the host told us.
    for field in ("email", "name", "currency"):
        if customer.get(field):
            values[field] = customer[field]

    return values


def _tax_id(found: StripeObject) -> Values:
    """A tax id as it is shown; verification takes the authorities some days."""
    return {
        "id": found["id"],
        "type": found.get("type"),
        "value": found.get("value"),
        "status": (found.get("verification") or {}).get("status"),
    }


def _interval(terms: Terms | None, price: StripeObject) -> str | None:
    if terms is not None and terms.interval is not None:
        return terms.interval

    recurring = price.get("recurring") or {}
    interval: str | None = recurring.get("interval", price.get("interval"))
    return interval


def _quantity(item: StripeObject, subscription: StripeObject) -> int:
    """Seats; metered items have none."""
    found = item.get("quantity", subscription.get("quantity"))
    return 1 if found is None else int(found)


def _past_due_since(subscription: StripeObject, before: StripeObject) -> datetime | None:
    if subscription["status"] != "past_due":
        return None

    since: datetime | None = before.get("past_due_since")

    if since is not None:
        return since

    start = stripe_objects.period(subscription)[0]

    # A payment that failed in the middle of a period did so since we last looked. A renewal
    # that failed began the period, whenever we hear of it.
    if before.get("status") in ("active", "trialing") and before["current_period_start"] == start:
        return clock.now()

    return start or clock.now()


def _pause_starts_at(subscription: StripeObject) -> datetime | None:
    """When the pause begins, as we wrote it beside the subscription; None is at once."""
    text = (subscription.get("metadata") or {}).get(PAUSE_FROM) or ""
    return from_timestamp(int(text)) if text.isascii() and text.isdigit() else None


def _discount(subscription: StripeObject) -> Values | None:
    found = stripe_objects.discounts(subscription)

    if not found:
        return None

    first = found[0]
    return {
        "id": first.get("id"),
        "coupon": stripe_objects.coupon_of(first),
        "end": first.get("end"),
    }
