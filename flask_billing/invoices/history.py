"""The invoices there were, newest first, a page at a time."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

import sqlalchemy as sa

from ..errors import InvoiceNotFoundError
from ..models import CreditNote, Customer, Invoice
from ..owners import id_of
from ..state import state

Filter = t.Literal["unpaid", "paid", "refunded", "void"]

#: What a filter lets through.
_CONDITIONS: t.Final[dict[Filter, sa.ColumnElement[bool]]] = {
    "unpaid": Invoice.status.in_(("open", "uncollectible")),
    "paid": sa.and_(Invoice.status == "paid", Invoice.amount_refunded == 0),
    "refunded": Invoice.amount_refunded > 0,
    "void": Invoice.status == "void",
}
FILTERS: t.Final = tuple(_CONDITIONS)


@dataclasses.dataclass(frozen=True)
class Page:
    """Some invoices of a history.

    :param credit_notes: those issued of them, by the invoice's row id, oldest first.
    :param shown: how many there are up to the last of these, from the newest on.
    :param total: how many the history has.
    """

    invoices: c.Sequence[Invoice]
    credit_notes: c.Mapping[int, c.Sequence[CreditNote]]
    shown: int
    total: int

    @property
    def next_cursor(self) -> str | None:
        """What the next page is asked for by; None where this is the last."""
        return self.invoices[-1].stripe_id if self.shown < self.total else None


def page(
    customer: Customer, *, only: Filter | None = None, cursor: str | None = None, size: int = 20
) -> Page:
    """A page of the history, from our own rows.

    :param cursor: the last invoice of the page before. New ones that arrive meanwhile move
        nothing.
    :raises InvoiceNotFoundError: for a cursor that is no invoice of this customer's.
    """
    chosen = [Invoice.customer_id == id_of(customer)]

    if only is not None:
        chosen.append(_CONDITIONS[only])

    rest = list(chosen)

    if cursor is not None:
        last = find(customer, cursor)
        rest.append(
            sa.or_(
                Invoice.issued_at < last.issued_at,
                sa.and_(Invoice.issued_at == last.issued_at, Invoice.id < last.id),
            )
        )

    session = state().db.session
    newest_first = (Invoice.issued_at.desc(), Invoice.id.desc())
    found = session.scalars(
        sa.select(Invoice).where(*rest).order_by(*newest_first).limit(size)
    ).all()
    total, left = session.execute(
        sa.select(
            sa.select(sa.func.count()).where(*chosen).scalar_subquery(),
            sa.select(sa.func.count()).where(*rest).scalar_subquery(),
        )
    ).one()
    return Page(found, credit_notes_of(found), total - left + len(found), total)


def find(customer: Customer, invoice_id: str) -> Invoice:
    """The customer's invoice of that id of Stripe's.

    :raises InvoiceNotFoundError: where it is another's, or none.
    """
    found: Invoice | None = None

    if invoice_id.isprintable():  # PostgreSQL fails at a NUL, where SQLite finds nothing
        found = state().db.session.scalar(
            sa.select(Invoice).where(
                Invoice.stripe_id == invoice_id, Invoice.customer_id == id_of(customer)
            )
        )

    if found is None:
        raise InvoiceNotFoundError

    return found


def credit_notes_of(invoices: c.Sequence[Invoice]) -> dict[int, list[CreditNote]]:
    """The credit notes of some invoices, those that were taken back left out."""
    by_invoice: dict[int, list[CreditNote]] = {}

    if not invoices:
        return by_invoice

    notes = state().db.session.scalars(
        sa.select(CreditNote)
        .where(
            CreditNote.invoice_id.in_([invoice.id for invoice in invoices]),
            CreditNote.status != "void",
        )
        .order_by(CreditNote.issued_at, CreditNote.id)
    )

    for note in notes:
        by_invoice.setdefault(note.invoice_id, []).append(note)

    return by_invoice
