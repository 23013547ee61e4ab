"""An invoice as a line of a statement."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

from ..models import Invoice
from ..translation import gettext as _
from . import formatting


@dataclasses.dataclass(frozen=True)
class InvoiceLine:
    """Date, number, amount and status in words."""

    issued_at: datetime
    number: str
    amount: str
    status: str
    tone: t.Literal["neutral", "ok", "warn", "crit"]


def line(invoice: Invoice) -> InvoiceLine:
    """The line of one invoice."""
    status, tone = _status(invoice)
    return InvoiceLine(
        issued_at=invoice.issued_at,
        number=invoice.number or _("Not numbered"),
        amount=formatting.price(invoice.total, invoice.currency),
        status=status,
        tone=tone,
    )


def _status(invoice: Invoice) -> tuple[str, t.Literal["neutral", "ok", "warn", "crit"]]:
    if invoice.status == "paid" and invoice.amount_refunded > 0:
        whole = invoice.amount_refunded >= invoice.amount_paid
        return (_("Refunded") if whole else _("Partly refunded")), "neutral"

    if invoice.status == "open":
        if invoice.attempt_count > 0:
            return _("Payment failed"), "crit"

        due = invoice.due_at
        return (_("Due") if due is None else _("Due %(date)s", date=formatting.day(due))), "warn"

    known: dict[str, tuple[str, t.Literal["neutral", "ok", "warn", "crit"]]] = {
        "paid": (_("Paid"), "ok"),
        "draft": (_("Draft"), "neutral"),
        "void": (_("Void"), "neutral"),
        "uncollectible": (_("Uncollectible"), "crit"),
    }
    return known.get(invoice.status, (_("Updating"), "neutral"))
