"""The next invoice, as Stripe would make it now."""

from __future__ import annotations

import collections.abc as c
import dataclasses
from datetime import datetime

from .. import stripe_objects
from ..clock import from_timestamp
from ..errors import StripeNotFoundError
from ..models import Customer, Subscription
from ..stripe_gateway import StripeObject, gateway


@dataclasses.dataclass(frozen=True)
class UpcomingLine:
    """One line of the next invoice.

    :param amount: minor units; negative where something is given back.
    :param metered: whether the amount still grows with usage.
    """

    description: str
    amount: int
    metered: bool


@dataclasses.dataclass(frozen=True)
class Upcoming:
    """The next invoice: an estimate until it is made.

    :param due_at: when it is charged; None where Stripe names no day.
    :param further: what lines come to that Stripe left out of its preview, in minor units.
    :param discount: what discounts take off the lines, in minor units.
    :param balance: what the customer's balance takes off (negative) or adds, in minor units.
    :param amount_due: what is charged in the end, in minor units.
    """

    currency: str
    lines: tuple[UpcomingLine, ...]
    further: int
    discount: int
    tax: int
    balance: int
    amount_due: int
    due_at: datetime | None

    @property
    def metered(self) -> bool:
        """Whether it still grows with usage."""
        return any(line.metered for line in self.lines)


def upcoming(customer: Customer, subscription: Subscription | None) -> Upcoming | None:
    """The next invoice of a subscription; None where nothing will be charged.

    :raises StripeError: where Stripe cannot be asked.
    """
    if subscription is None or customer.stripe_id is None or _rests(subscription):
        return None

    try:
        found = gateway().post(
            "/v1/invoices/create_preview",
            {"customer": customer.stripe_id, "subscription": subscription.stripe_id},
        )
    except StripeNotFoundError as error:
        if error.code == "invoice_upcoming_none":
            return None

        raise

    return _read(found, stripe_objects.metered_items(subscription.snapshot or {}))


def _rests(subscription: Subscription) -> bool:
    """Whether the next renewal is not collected: Stripe would preview an invoice all the same."""
    if subscription.status == "paused":
        return True

    resumes, renews = subscription.pause_resumes_at, subscription.current_period_end
    return subscription.pause is not None and (
        resumes is None or renews is None or resumes > renews
    )


def _read(preview: StripeObject, metered_items: c.Container[str | None]) -> Upcoming:
    total = preview.get("total") or 0
    amount_due = preview.get("amount_due") or 0
    discount = _sum(preview.get("total_discount_amounts") or ())
    taxes = preview.get("total_taxes") or ()
    tax = _sum(tax for tax in taxes if tax.get("tax_behavior") != "inclusive")
    lines = preview.get("lines") or {}
    shown = stripe_objects.list_data(lines)
    return Upcoming(
        currency=preview["currency"],
        lines=tuple(_lines(shown, metered_items)),
        further=total + discount - tax - _sum(shown) if lines.get("has_more") else 0,
        discount=discount,
        tax=tax,
        balance=amount_due - total,
        amount_due=amount_due,
        due_at=from_timestamp(preview.get("period_end") or preview.get("next_payment_attempt")),
    )


def _lines(
    found: c.Iterable[stripe_objects.StripeObject], metered_items: c.Container[str | None]
) -> c.Iterator[UpcomingLine]:
    """The lines, but for the flat fees of 0 that Stripe lists beside the units of each tier."""
    seen = set()

    for line in found:
        item = stripe_objects.line_item(line)
        metered = item in metered_items

        if metered and item in seen and not (line.get("amount") or line.get("quantity")):
            continue

        seen.add(item)
        yield UpcomingLine(line.get("description") or "", line.get("amount") or 0, metered)


def _sum(amounts: c.Iterable[stripe_objects.StripeObject]) -> int:
    return sum(int(found.get("amount") or 0) for found in amounts)
