"""What changed between a row and its successor, as the signals and mails it calls for."""

from __future__ import annotations

import collections.abc as c
import logging
import typing as t

from ..models import ENDED
from ..outbox import mail_row, signal_row
from ..row_marks import reference
from .changes import Cancellation

log = logging.getLogger("flask_billing.sync")

Row = c.Mapping[str, t.Any]
OutboxRow = dict[str, object]
Mails = c.Mapping[str, str]

RUNNING: t.Final = ("active", "trialing")
NOT_STARTED: t.Final = ("incomplete", "incomplete_expired", "unpaid", "canceled")

#: Signal -> template of the mail that tells the customer.
MAILS: t.Final = {
    "subscription.activated": "welcome",
    "subscription.plan_changed": "plan_changed",
    "subscription.cancel_scheduled": "cancelled",
    "subscription.ended": "ended",
    "payment.succeeded": "receipt",
}


#: Signals that tell by whose request a plan ends, and when.
ENDS: t.Final = ("subscription.cancel_scheduled", "subscription.ended")


def of_subscription(
    names: c.Sequence[str],
    before: Row | None,
    after: Row,
    *,
    customer_id: int,
    ticket: int,
    cancellation: c.Callable[[int], Cancellation | None],
) -> list[OutboxRow]:
    """The transitions of a subscription, each once per ticket that wrote it.

    :param names: from :func:`subscription_names`.
    :param cancellation: finds the customer's request to end it, by its row; asked where it ends.
    """
    body = {
        "subscription": after["stripe_id"],
        "plan": after["plan"],
        "interval": after["interval"],
        "from_plan": before["plan"] or before["last_plan"] if before else None,
        "status": after["status"],
        "amount": after["unit_amount"],
        "currency": after["currency"],
        "period_end": _iso(after["current_period_end"]),
        "trial_end": _iso(after["trial_end"]),
        "cancel_at": _iso(after["cancel_at"]),
    }
    # Two first syncs of one subscription may race, and only one may announce it.
    mark = f"{ticket}" if before else "first"
    key = f"{after['stripe_id']}:{mark}"
    mails: Mails = MAILS

    if before is not None and any(name in ENDS for name in names):
        request = cancellation(before["id"])
        body.update(_ending(request, after))

        if request is not None and request.state == "open":
            # It ends by a request that is being carried out: what confirms that is one mail.
            mails = {**MAILS, "subscription.ended": MAILS["subscription.cancel_scheduled"]}

    if after["pause"] is not None:
        body["pause_starts_at"] = _iso(after["pause_starts_at"])
        body["pause_resumes_at"] = _iso(after["pause_resumes_at"])

    return _rows(names, customer_id, key, body, mails)


def _ending(request: Cancellation | None, after: Row) -> dict[str, object]:
    """By which request a plan ends and when; one made at Stripe itself has no reference."""
    return {
        "reference": reference(request) if request is not None else None,
        "requested_at": _iso(request.created_at if request is not None else after["canceled_at"]),
        "ends_at": _iso(after["ended_at"] or after["cancel_at"]),
    }


def of_invoice(before: Row | None, after: Row, *, customer_id: int) -> list[OutboxRow]:
    """The transition of an invoice to paid, once however it is heard of."""
    was_paid = before is not None and before["status"] == "paid"

    if was_paid or after["status"] != "paid" or after["amount_paid"] <= 0:
        return []

    body = {
        "invoice": after["stripe_id"],
        "number": after["number"],
        "amount": after["amount_paid"],
        "currency": after["currency"],
        "billing_reason": after["billing_reason"],
    }
    return _rows(["payment.succeeded"], customer_id, after["stripe_id"], body)


def subscription_names(before: Row | None, after: Row) -> list[str]:
    """The signals that the difference between two rows of a subscription calls for."""
    return list(_subscription_names(before, after))


def _subscription_names(before: Row | None, after: Row) -> c.Iterator[str]:
    runs = after["status"] in RUNNING
    ran = before is not None and before["status"] in RUNNING

    if runs and (before is None or before["status"] in NOT_STARTED):
        yield "subscription.activated"

    if after["plan"] is None and (before is None or before["price"] != after["price"]):
        log.warning(
            "Subscription %s is at price %s, which the catalog does not know. The customer keeps "
            "the last plan known. Name the price as a 'former' one of its plan in the catalog.",
            after["stripe_id"],
            after["price"],
        )
        yield "subscription.unknown_price"

    if before is None:
        return

    if ran and runs:
        yield from _while_running(before, after)

    if before["status"] not in ENDED and after["status"] in ENDED and _had_begun(before):
        yield "subscription.ended"

    if _is_paused(after) and not _is_paused(before):
        yield "subscription.paused"

    if _is_paused(before) and not _is_paused(after) and runs:
        yield "subscription.resumed"


def _while_running(before: Row, after: Row) -> c.Iterator[str]:
    was = (before["plan"] or before["last_plan"], before["interval"])

    if after["plan"] is not None and was != (after["plan"], after["interval"]):
        yield "subscription.plan_changed"

    if before["cancel_at"] is None and after["cancel_at"] is not None:
        yield "subscription.cancel_scheduled"

    if before["cancel_at"] is not None and after["cancel_at"] is None:
        yield "subscription.cancel_undone"

    if _began_later(before["current_period_start"], after["current_period_start"]):
        yield "subscription.renewed"


def _had_begun(before: Row) -> bool:
    return bool(before["status"] != "incomplete")


def _is_paused(row: Row) -> bool:
    return row["status"] == "paused" or row["pause"] is not None


def _began_later(before: t.Any, after: t.Any) -> bool:
    return before is not None and after is not None and after > before


def _rows(
    names: c.Iterable[str], customer_id: int, key: str, body: Row, mails: Mails = MAILS
) -> list[OutboxRow]:
    rows = []

    for name in names:
        rows.append(signal_row(name, customer_id=customer_id, key=key, body=body))

        if name in mails:
            rows.append(mail_row(mails[name], customer_id=customer_id, key=key, body=body))

    return rows


def _iso(moment: t.Any) -> str | None:
    return None if moment is None else moment.isoformat()
