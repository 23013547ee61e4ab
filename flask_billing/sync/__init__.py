"""Stripe objects into rows: the only way in, for webhooks, actions and repair alike.

Three steps, each short: draw tickets (committed), fetch with no transaction open, write what
was fetched unless something newer was written meanwhile.
"""

from __future__ import annotations

import collections.abc as c

from .. import outbox
from ..database import committed
from .fetch import Fetched, Kind, fetch, invoice_of_payment
from .given_back import forget_draft
from .rows import let_go_of_cards
from .tickets import draw, go_on_from
from .tickets import insert as ticket_insert
from .write import Extra, write

__all__ = [
    "Extra",
    "Fetched",
    "Kind",
    "draw",
    "fetch",
    "forget_draft",
    "go_on_from",
    "invoice_of_payment",
    "let_go_of_cards",
    "pull",
    "ticket_insert",
    "write",
]


def pull(
    kind: Kind,
    object_id: str,
    *,
    along: c.Iterable[str | None] = (),
    action: str = "Reading from Stripe",
) -> Fetched:
    """Fetch an object and write what it says; signals leave afterwards.

    :param along: ids of what the fetch brings along, to be written too.
    :raises StripeError: where it could not be fetched; nothing was changed.
    """
    with committed(action) as connection:
        tickets = draw(connection, [object_id, *filter(None, along)])

    fetched = fetch(kind, object_id)
    outbox.dispatch(write(fetched, tickets))
    return fetched
