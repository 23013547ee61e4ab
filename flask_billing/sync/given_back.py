"""What was given back of an invoice, beside its row; and drafts that were thrown away."""

from __future__ import annotations

import sqlalchemy as sa

from ..database import insert
from ..models import CreditNote, Invoice
from . import columns
from .fetch import GivenBack


def write(
    connection: sa.Connection, invoice_id: str, given_back: GivenBack, *, ticket: int
) -> None:
    """Write refunds and credit notes, unless something newer was written meanwhile.

    Most fetches of an invoice do not bring them, so they go by a ticket of their own: one of
    those that was newer would otherwise keep them out.

    :param invoice_id: Stripe's; the row is there.
    """
    row = connection.execute(
        sa.update(Invoice)
        .where(Invoice.stripe_id == invoice_id, Invoice.credits_ticket < ticket)
        .values(amount_refunded=given_back.refunded, credits_ticket=ticket)
        .returning(Invoice.id, Invoice.customer_id)
    ).one_or_none()

    if row is None:
        return

    for note in given_back.credit_notes:
        values = columns.credit_note_values(note)
        whose = {"invoice_id": row.id, "customer_id": row.customer_id}
        connection.execute(
            insert(connection, CreditNote)
            .values({**values, **whose})
            .on_conflict_do_update(index_elements=["stripe_id"], set_={**values, **whose})
        )


def forget_draft(connection: sa.Connection, invoice_id: str) -> None:
    """Take a draft out of the books that was deleted at Stripe; what is final stays."""
    connection.execute(
        sa.delete(Invoice).where(Invoice.stripe_id == invoice_id, Invoice.status == "draft")
    )
