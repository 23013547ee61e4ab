"""An invoice as a line of a statement."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import UTC, datetime, timedelta

from .. import formatting
from ..invoices import PAYABLE
from ..models import CreditNote, Invoice
from ..translation import gettext as _

Tone = t.Literal["neutral", "ok", "warn", "crit"]


@dataclasses.dataclass(frozen=True)
class NoteLine:
    """A credit note below its invoice: "A1-0001-CN-01", "-$5.00"."""

    id: str
    number: str
    amount: str


@dataclasses.dataclass(frozen=True)
class InvoiceLine:
    """Date, number, amount and status in words.

    :param id: Stripe's.
    :param pay: the button that pays it, with the amount; None where there is nothing to pay.
    :param has_page: whether Stripe has a page and a PDF of it, which drafts have not.
    :param refunded: what went back, where something did.
    """

    id: str
    issued_at: datetime
    number: str
    description: str | None
    period: str | None
    amount: str
    status: str
    tone: Tone
    pay: str | None
    has_page: bool
    refunded: str | None
    notes: tuple[NoteLine, ...]


def line(invoice: Invoice, credit_notes: c.Sequence[CreditNote] = ()) -> InvoiceLine:
    """The line of one invoice."""
    status, tone = _status(invoice)
    return InvoiceLine(
        id=invoice.stripe_id,
        issued_at=invoice.issued_at,
        number=invoice.number or _("Not numbered"),
        description=invoice.description,
        period=_period(invoice),
        amount=formatting.price(invoice.total, invoice.currency),
        status=status,
        tone=tone,
        pay=_pay(invoice),
        has_page=invoice.status != "draft",
        refunded=_refunded(invoice),
        notes=tuple(_note(note) for note in credit_notes),
    )


def amount_paid(invoice: Invoice) -> str:
    """What was paid of it, as money."""
    return formatting.price(invoice.amount_paid, invoice.currency)


def _period(invoice: Invoice) -> str | None:
    """The days it is for; an invoice of one moment is for none."""
    start, end = invoice.period_start, invoice.period_end

    if start is None or end is None or end <= start:
        return None

    # The end is the first moment of the next period.
    last = end - timedelta(microseconds=1)
    return formatting.period(start.astimezone(UTC).date(), last.astimezone(UTC).date())


def _pay(invoice: Invoice) -> str | None:
    left = invoice.amount_due - invoice.amount_paid

    if invoice.status not in PAYABLE or left <= 0:
        return None

    return _("Pay %(amount)s", amount=formatting.price(left, invoice.currency))


def _refunded(invoice: Invoice) -> str | None:
    if invoice.amount_refunded <= 0:
        return None

    return _(
        "%(amount)s refunded", amount=formatting.price(invoice.amount_refunded, invoice.currency)
    )


def _note(note: CreditNote) -> NoteLine:
    return NoteLine(
        id=note.stripe_id,
        number=note.number or _("Not numbered"),
        amount=formatting.price(-note.total, note.currency),
    )


def _status(invoice: Invoice) -> tuple[str, Tone]:
    if invoice.status == "paid" and invoice.amount_refunded > 0:
        whole = invoice.amount_refunded >= invoice.amount_paid
        return (_("Refunded") if whole else _("Partly refunded")), "neutral"

    if invoice.status == "open":
        if invoice.attempt_count > 0:
            return _("Payment failed"), "crit"

        due = invoice.due_at
        return (_("Due") if due is None else _("Due %(date)s", date=formatting.day(due))), "warn"

    match invoice.status:
        case "paid":
            return _("Paid"), "ok"
        case "draft":
            return _("Draft"), "neutral"
        case "void":
            return _("Void"), "neutral"
        case "uncollectible":
            return _("Uncollectible"), "crit"
        case _unknown:
            return _("Updating"), "neutral"
