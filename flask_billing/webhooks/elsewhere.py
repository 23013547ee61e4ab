"""Objects of a Stripe customer that nobody here is linked to.

Several apps may share one Stripe account, and the endpoint of each hears of what all of them
sell. Answered with an error again and again, Stripe would switch the endpoint off. So Stripe is
asked about the customer: one that we made bears the mark of a row of ours.
"""

from __future__ import annotations

import collections.abc as c

import sqlalchemy as sa

from .. import outbox, row_marks, sync
from ..database import reading
from ..errors import BillingError, StripeNotFoundError, UnlinkedCustomerError
from ..models import Customer


class ElsewhereError(BillingError):
    """The event is about a customer that is none of this app's."""

    def __init__(self, stripe_customer: str | None) -> None:
        super().__init__(
            f"Stripe customer {stripe_customer} was not made by this app, so nothing was changed. "
            "If it is this app's, link it and replay the event."
        )


def write(
    unlinked: UnlinkedCustomerError,
    fetched: sync.Fetched,
    tickets: c.Mapping[str, int],
    extra: sync.Extra,
) -> list[outbox.Written]:
    """Write what was fetched once more, with what the Stripe customer itself tells.

    :param unlinked: what the first try raised.
    :raises ElsewhereError: where the customer is none of ours.
    :raises UnlinkedCustomerError: where it is ours and yet not linked, which wants a look.
    """
    if unlinked.stripe_customer is None:
        raise unlinked

    try:
        customer = sync.fetch("customer", unlinked.stripe_customer)["customer"]
    except StripeNotFoundError:
        raise unlinked from None

    try:
        return sync.write({**fetched, "customer": customer}, tickets, extra)
    except UnlinkedCustomerError:
        if _bears_mark_of_ours(customer.get("metadata") or {}):
            raise

    raise ElsewhereError(unlinked.stripe_customer)


def _bears_mark_of_ours(metadata: c.Mapping[str, str]) -> bool:
    number = metadata.get(row_marks.CUSTOMER, "")

    if row_marks.SINCE not in metadata or not number.isdecimal() or len(number) > 18:
        return False

    with reading() as connection:
        created_at = connection.scalar(
            sa.select(Customer.created_at).where(Customer.id == int(number))
        )

    return created_at is not None and not row_marks.is_foreign(metadata, created_at)
