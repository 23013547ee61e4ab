"""The changes of a plan, in words."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import datetime

from .. import formatting
from ..state import state
from ..subscriptions import Entry
from ..sync.changes import STRIPE
from ..translation import gettext as _
from ..translation import ngettext

Tone = t.Literal["neutral", "ok", "info", "warn", "crit"]


@dataclasses.dataclass(frozen=True)
class HistoryLine:
    """One change as a line of the history.

    :param terms: "Starter, monthly → Pro, yearly"; None where the plan stayed as it was.
    :param note: the reason and what was said, each as a sentence of its own.
    """

    at: datetime
    what: str
    terms: str | None
    effective_at: datetime | None
    amount: str | None
    notes: tuple[str, ...]
    actor: str
    status: str
    tone: Tone


def lines(entries: c.Iterable[Entry]) -> list[HistoryLine]:
    """The lines of a history."""
    return [_line(entry) for entry in entries]


def _line(entry: Entry) -> HistoryLine:
    status, tone = _statuses().get(entry.state, (_("Updating"), "neutral"))
    return HistoryLine(
        at=entry.at,
        what=_kinds().get(entry.kind, _("Changed")),
        terms=_terms(entry),
        effective_at=entry.effective_at,
        amount=_amount(entry),
        notes=tuple(_notes(entry)),
        actor=_actor(entry),
        status=status,
        tone=tone,
    )


def _kinds() -> dict[str, str]:
    return {
        "start": _("Started"),
        "trial": _("Trial started"),
        "upgrade": _("Upgraded"),
        "downgrade": _("Downgraded"),
        "switch": _("Switched during the trial"),
        "end_trial": _("Trial ended early"),
        "extend_trial": _("Trial extended"),
        "change": _("Changed"),
        "cancel": _("Cancelled"),
        "cancel_now": _("Cancelled at once"),
        "resume": _("Kept"),
        "undo_change": _("Kept as it was"),
        "pause": _("Paused"),
        "undo_pause": _("Pause taken back"),
        "unpause": _("Resumed"),
        "discount": _("Discount"),
        "end": _("Ended"),
        "close": _("Account closed"),
    }


def _statuses() -> dict[str, tuple[str, Tone]]:
    return {
        "open": (_("In progress"), "info"),
        "waiting": (_("In progress"), "info"),
        "pending": (_("Scheduled"), "info"),
        "done": (_("Done"), "ok"),
        "undone": (_("Taken back"), "neutral"),
        "failed": (_("Not carried out"), "warn"),
    }


def _terms(entry: Entry) -> str | None:
    before = _plan(entry.from_plan, entry.from_interval, entry.from_quantity)
    after = _plan(entry.to_plan, entry.to_interval, entry.quantity)

    if before and after:
        return f"{before} → {after}"

    return after or before


def _plan(key: str | None, interval: str | None, quantity: int | None) -> str | None:
    if key is None:
        return None

    plan = state().catalog.plan(key)
    billed = {"month": _("monthly"), "year": _("yearly")}
    words = [plan.name if plan is not None else key, billed.get(interval or "", "")]

    if plan is not None and plan.seats is not None and quantity is not None:
        words.append(ngettext("%(num)s seat", "%(num)s seats", quantity))

    return ", ".join(word for word in words if word)


def _amount(entry: Entry) -> str | None:
    if entry.amount is None or entry.currency is None:
        return None

    return formatting.price(entry.amount, entry.currency)


def _notes(entry: Entry) -> c.Iterator[str]:
    if entry.reason:
        yield _reasons().get(entry.reason, entry.reason.replace("_", " "))

    if entry.feedback:
        yield f"“{entry.feedback}”"


def _reasons() -> dict[str, str]:
    """Stripe's reasons for leaving, for an end, and for a refusal."""
    return {
        "customer_service": _("Customer service"),
        "low_quality": _("Quality"),
        "missing_features": _("Missing features"),
        "other": _("Another reason"),
        "switched_service": _("Switched to another service"),
        "too_complex": _("Too complex"),
        "too_expensive": _("Too expensive"),
        "unused": _("Not used enough"),
        "cancellation_requested": _("Cancellation requested"),
        "payment_failed": _("Payment failed"),
        "payment_disputed": _("Payment disputed"),
        "card_declined": _("Card declined"),
        "never_arrived": _("Never arrived at the payment provider"),
        "refused": _("Refused by the payment provider"),
    }


def _actor(entry: Entry) -> str:
    return _("Payment provider") if entry.actor == STRIPE else entry.actor or ""
