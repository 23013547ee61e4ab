"""The last invoice of a plan that ended: what was used beyond it, which is still to be paid.

Stripe drafts that invoice, and as it collects nothing of a subscription that has ended, leaves it
there (docs.stripe.com/billing/subscriptions/cancel). What the customer was told they pay is
collected once that is turned on again, and an hour later, in which late usage still counts.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from .. import clock, stripe_objects, sync
from ..clock import from_timestamp
from ..database import reading
from ..errors import StripeError
from ..models import Invoice, Subscription
from ..stripe_gateway import StripeObject, gateway

log = logging.getLogger("flask_billing.subscriptions")

ACTION: t.Final = "Collecting the last invoice of a plan"
#: Metadata of an invoice that we had collected: what is turned off again afterwards stays so.
COLLECTED: t.Final = "billing_last_invoice"
#: How long ago a plan may have ended. Nobody expects to be charged much later.
_RECENT: t.Final = dt.timedelta(days=7)
#: How far apart Stripe's moments of one end may lie.
_SLACK: t.Final = dt.timedelta(minutes=10)


def collect_due(goes_on: c.Callable[[], bool] = lambda: True) -> int:
    """Have the last invoices collected of the plans that ran until the end of their period.

    Report what was used before: it counts until the invoice is final. Any number of processes
    may do this at once.

    :param goes_on: asked between customers whether there is time for more.
    :returns: how many are on their way now.
    """
    collected = 0

    for stripe_id, snapshot, ended_at in _drafts():
        if not goes_on():
            break

        try:
            invoice = gateway().get(f"/v1/invoices/{stripe_id}")

            if invoice["status"] == "draft" and is_last(invoice, snapshot, ended_at):
                collected += collect(invoice)
        except StripeError as error:  # the next one may still be possible
            log.warning("The last invoice %s is not collected yet: %s", stripe_id, error)

    return collected


def is_last(invoice: StripeObject, subscription: StripeObject, ended_at: dt.datetime) -> bool:
    """Whether an invoice charges what was used until a subscription's end, and nothing after it.

    A renewal is none, nor is what a host has drafted, or what was tried to collect before.

    :raises StripeError: where it has more lines than it tells itself, and these cannot be read.
    """
    if invoice.get("billing_reason") == "manual" or invoice.get("attempted"):
        return False

    created = from_timestamp(invoice["created"])

    if created is None or created < ended_at - _SLACK:
        return False

    lines = _lines(invoice)
    metered = stripe_objects.metered_prices(subscription)
    return any(stripe_objects.line_price(line) in metered for line in lines) and all(
        _ends(line) <= ended_at + _SLACK for line in lines if line["amount"] > 0
    )


def collect(invoice: StripeObject) -> bool:
    """Have an invoice collected that waits; whether it was not before.

    :raises StripeError: where Stripe refused or did not answer. It may be called again.
    """
    waits = invoice["status"] in ("draft", "open") and not invoice.get("auto_advance")

    if not waits or COLLECTED in (invoice.get("metadata") or {}):
        return False

    gateway().post(
        f"/v1/invoices/{invoice['id']}",
        {"auto_advance": True, "metadata": {COLLECTED: "collected"}},
        idempotency_key=f"fb:last-invoice:{invoice['id']}",
    )
    sync.pull("invoice", invoice["id"], action=ACTION)
    return True


def _drafts() -> list[tuple[str, StripeObject, dt.datetime]]:
    """Drafts of plans that ran until the end of their period, as our rows have them."""
    statement = (
        sa.select(Invoice.stripe_id, Subscription.snapshot, Subscription.ended_at)
        .join(
            Invoice,
            sa.and_(
                Invoice.customer_id == Subscription.customer_id,
                Invoice.subscription == Subscription.stripe_id,
            ),
        )
        .where(
            Subscription.status == "canceled",
            Subscription.ended_at >= clock.now() - _RECENT,
            Subscription.ended_at >= Subscription.current_period_end,
            Invoice.status == "draft",
        )
        .order_by(Invoice.id)
    )

    with reading() as connection:
        return [tuple(row) for row in connection.execute(statement) if row.snapshot is not None]


def _lines(invoice: StripeObject) -> c.Sequence[c.Mapping[str, t.Any]]:
    """All lines of an invoice, which tells of the first ten itself."""
    told = invoice.get("lines") or {}

    if told.get("has_more"):
        return list(gateway().list(f"/v1/invoices/{invoice['id']}/lines"))

    return stripe_objects.list_data(told)


def _ends(line: c.Mapping[str, t.Any]) -> dt.datetime:
    """When the time is over that a line charges."""
    found = from_timestamp(line["period"]["end"])
    assert found is not None, "lines have a period"
    return found
