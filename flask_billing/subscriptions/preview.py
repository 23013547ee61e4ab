"""What a change would be charged, by Stripe's own preview of the invoice."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime

from .. import stripe_objects
from ..clock import from_timestamp
from ..stripe_gateway import StripeObject, gateway

#: What a line of a quote is for: time given back, what is charged for, what was used until now,
#: what waited for the next invoice, all beyond the lines that Stripe shows, a discount, tax, the
#: customer's balance, too little to be charged now, and what is left over for the invoices to come.
LineKind = t.Literal[
    "unused", "charge", "usage", "other", "further", "discount", "tax", "balance", "carried", "kept"
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of a quote; all of them add up to what is due now.

    :param amount: minor units; what the customer gets is below zero.
    """

    kind: LineKind
    amount: int


@dataclasses.dataclass(frozen=True)
class Preview:
    """An invoice that would be made.

    :param due: minor units that would be charged at once.
    :param total: the same before the customer's balance is set off.
    :param tax_inside: tax that the prices hold already.
    :param until: the end of what is charged for; None where Stripe does not show that line.
    """

    lines: tuple[Line, ...]
    due: int
    total: int
    tax_inside: int
    until: datetime | None


def of_change(
    subscription: stripe_objects.StripeObject, items: list[StripeObject], **details: object
) -> Preview:
    """The invoice that a change would be charged by at once."""
    found = _preview(subscription, {"items": items, **details})
    metered = stripe_objects.metered_prices(subscription)
    return Preview(
        tuple(_lines(found, metered)),
        found["amount_due"],
        found["total"],
        _taxes(found, "inclusive"),
        _until(found, metered),
    )


def of_renewal(
    subscription: stripe_objects.StripeObject, items: list[StripeObject], at: datetime | None
) -> int:
    """What a whole period would come to with these items, tax and discounts considered.

    :param at: when it begins; discounts that end before are left out.
    """
    details: dict[str, object] = {"items": items, "proration_behavior": "none"}

    if subscription["status"] != "trialing":
        details["billing_cycle_anchor"] = {"type": "now"}

    total: int = _preview(subscription, details, **_discounts_at(subscription, at))["total"]
    return total


def _preview(
    subscription: stripe_objects.StripeObject, details: c.Mapping[str, object], **more: object
) -> StripeObject:
    return gateway().post(
        "/v1/invoices/create_preview",
        {"subscription": subscription["id"], "subscription_details": details, **more},
    )


def _discounts_at(
    subscription: stripe_objects.StripeObject, at: datetime | None
) -> dict[str, object]:
    held = stripe_objects.discounts(subscription)
    lasting = [
        {"discount": one["id"]}
        for one in held
        if at is None or (ends := from_timestamp(one.get("end"))) is None or ends > at
    ]
    return {} if len(lasting) == len(held) else {"discounts": lasting or ""}


def _lines(invoice: StripeObject, metered: c.Container[str | None]) -> c.Iterator[Line]:
    """The preview's lines by what they are for, without those that are nothing."""
    sums: dict[LineKind, int] = {}

    for line in stripe_objects.list_data(invoice.get("lines")):
        kind = _kind(line, metered)
        sums[kind] = sums.get(kind, 0) + line["amount"]

    off = invoice.get("total_discount_amounts") or ()
    sums["discount"] = -sum(entry["amount"] for entry in off)
    sums["tax"] = _taxes(invoice, "exclusive")

    if (invoice.get("lines") or {}).get("has_more"):
        # A preview shows ten lines, and made again for the next ones it has other ids.
        sums["further"] = invoice["total"] - sum(sums.values())

    sums |= _settled(invoice)

    for kind in t.get_args(LineKind):
        if sums.get(kind):
            yield Line(kind, sums[kind])


def _kind(line: stripe_objects.StripeObject, metered: c.Container[str | None]) -> LineKind:
    if stripe_objects.line_price(line) in metered:
        return "usage"

    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details")

    if details is None:
        return "other"

    if details.get("proration") and line["amount"] < 0:
        return "unused"

    return "charge"


def _settled(invoice: StripeObject) -> dict[LineKind, int]:
    """How the total is met beside what is due: by the balance, later, or by being kept."""
    total, due, held = invoice["total"], invoice["amount_due"], invoice.get("starting_balance", 0)

    if total <= 0:
        return {"kept": due - total}

    balance = max(held, -total)
    return {"balance": balance, "carried": due - total - balance}


def _taxes(invoice: StripeObject, behavior: str) -> int:
    taxes = invoice.get("total_taxes") or ()
    return sum(tax["amount"] for tax in taxes if tax.get("tax_behavior") == behavior)


def _until(invoice: StripeObject, metered: c.Container[str | None]) -> datetime | None:
    ends = [
        line["period"]["end"]
        for line in stripe_objects.list_data(invoice.get("lines"))
        if _kind(line, metered) == "charge"
    ]
    return from_timestamp(max(ends, default=None))
