"""Every write about a customer's cards: intended as a row, carried out, and closed.

The row is committed before Stripe is asked, and the requests are made of it, with idempotency
keys of their own. A customer has one open change at a time: who comes with the same wish joins
it, and who wants something else finishes it first. So a double click, a crash and a timeout end
at one request, and of two who remove the last two cards, the second finds one left.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime as dt
import functools
import importlib
import logging
import typing as t

import sqlalchemy as sa

from .. import clock, sync
from ..database import committed, insert, reading, reread, update
from ..errors import (
    BillingError,
    LastPaymentMethodError,
    PaymentMethodsChangedError,
    StripeError,
    StripeNotFoundError,
    StripeRejectedError,
    StripeUnreachableError,
)
from ..models import Customer, PaymentMethodChange
from ..owners import id_of
from . import known
from .calls import Calls

log = logging.getLogger("flask_billing.payment_methods")

#: For :func:`finish_open`: leave nothing to other requests.
AT_ONCE: t.Final = dt.timedelta(0)
#: A server error may be replayed to our key for a day. From this age on it is taken for that.
REPLAYED_FROM: t.Final = dt.timedelta(minutes=10)

#: Kind of change -> the function of this package that asks Stripe for it. It may be called again
#: after a crash, so it repeats its requests under their keys.
PERFORMERS: t.Final = {
    "default": "standard.point_everything_to",
    "remove": "removing.detach",
}
#: Looks at what is committed beside a new row, and raises to take the row back.
Check = c.Callable[[sa.Connection], None]


@dataclasses.dataclass(frozen=True)
class Wish:
    """What somebody wants done.

    :param kind: a key of :data:`PERFORMERS`.
    :param method: id of the payment method at Stripe.
    :param successor: what is charged in its place, when it is removed.
    :param intent_id: the setup intent that brought the card, for a wish that comes once.
    """

    kind: str
    method: str
    successor: str | None = None
    intent_id: str | None = None

    def matches(self, change: PaymentMethodChange) -> bool:
        """Whether a change that is open asks for the same."""
        asked = (change.kind, change.method, change.successor)
        return asked == (self.kind, self.method, self.successor)


def carry_out(customer: Customer, wish: Wish, check: Check | None = None) -> PaymentMethodChange:
    """Record a wish, ask Stripe for it, and write how everything stands then.

    :raises PaymentMethodsChangedError: where a payment method had gone, unheard by us.
    :raises StripeError: where Stripe refused, or did not answer: then the row stays open and
        :func:`finish_open` goes on with it.
    """
    while True:
        row_id = _insert(id_of(customer), wish, check)

        if row_id is not None:
            change = fresh(row_id)
            break

        open_change = _open_change(customer.id, wish)

        if open_change is None:
            continue

        if open_change.state != "open" or wish.matches(open_change):
            change = open_change
            break

        try:
            perform(open_change)
        except (StripeRejectedError, LastPaymentMethodError):
            if fresh(open_change.id).state == "open":  # how things stand could not be read
                raise

    try:
        change = perform(change)
    except StripeRejectedError as error:
        if {change.method, change.successor} - {None, *known.method_ids(customer.id)}:
            raise PaymentMethodsChangedError from error

        raise

    update(customer, "default_payment_method")
    return change


def perform(change: PaymentMethodChange) -> PaymentMethodChange:
    """Ask Stripe for what a row says and close it; a closed one is left as it is."""
    if change.state != "open":
        return change

    module, _, name = PERFORMERS[change.kind].partition(".")
    performer = getattr(importlib.import_module(f".{module}", __package__), name)

    try:
        performer(change, Calls(change))
    except (StripeRejectedError, LastPaymentMethodError) as error:
        with contextlib.suppress(StripeError):
            _close(change, "failed", getattr(error, "code", None) or "refused")

        raise
    except StripeUnreachableError as error:
        _leave_replayed_answer(change, error)
        raise

    return _close(change, "done")


def finish_open(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(minutes=1)) -> int:
    """Finish the changes that crashes and outages left open, oldest first.

    :param min_age: leaves younger ones to the request that is at work on them.
    :returns: how many are closed now.
    """
    with reading() as connection:
        row_ids = connection.scalars(
            sa.select(PaymentMethodChange.id)
            .where(
                PaymentMethodChange.state == "open",
                PaymentMethodChange.kind.in_(PERFORMERS),
                PaymentMethodChange.created_at <= clock.wall() - min_age,
            )
            .order_by(PaymentMethodChange.id)
            .limit(limit)
        ).all()

    closed = 0

    for row_id in row_ids:
        try:
            perform(fresh(row_id))
        except BillingError as error:  # the next one may still be possible
            log.warning("Change %s of payment methods: %s", row_id, error)

        closed += fresh(row_id).state != "open"

    return closed


def fresh(row_id: int) -> PaymentMethodChange:
    """A change as it is committed."""
    found = reread(sa.select(PaymentMethodChange).where(PaymentMethodChange.id == row_id))
    assert found is not None, "the row was committed before"
    return found


def _insert(customer_id: int, wish: Wish, check: Check | None) -> int | None:
    with committed(known.ACTION) as connection:
        row_id: int | None = connection.execute(
            insert(connection, PaymentMethodChange)
            .values(
                customer_id=customer_id,
                state="open",
                attempt=1,
                makes_default=False,
                created_at=clock.wall(),
                **dataclasses.asdict(wish),
            )
            .on_conflict_do_nothing()  # one open a customer, and one a setup intent
            .returning(PaymentMethodChange.id)
        ).scalar_one_or_none()

        # Afterwards: what closed before we could record this is seen now.
        if row_id is not None and check is not None:
            check(connection)

    return row_id


def _open_change(customer_id: int, wish: Wish) -> PaymentMethodChange | None:
    """What keeps a wish from being recorded: the same setup intent, or an open change."""
    if wish.intent_id is not None:
        same = reread(
            sa.select(PaymentMethodChange).where(PaymentMethodChange.intent_id == wish.intent_id)
        )

        if same is not None:
            return same

    return reread(
        sa.select(PaymentMethodChange).where(
            PaymentMethodChange.customer_id == customer_id,
            PaymentMethodChange.state == "open",
            PaymentMethodChange.kind != "add",
        )
    )


def _close(
    change: PaymentMethodChange, outcome: str, reason: str | None = None
) -> PaymentMethodChange:
    """Write how Stripe has everything now, then that the change is closed."""
    for look in _looks(change):
        with contextlib.suppress(StripeNotFoundError):  # deleted, or of a sandbox before this one
            look()

    with committed(known.ACTION) as connection:
        connection.execute(
            sa.update(PaymentMethodChange)
            .where(PaymentMethodChange.id == change.id, PaymentMethodChange.state == "open")
            .values(state=outcome, reason=reason, finished_at=clock.now())
        )

    return fresh(change.id)


def _looks(change: PaymentMethodChange) -> c.Iterator[c.Callable[[], object]]:
    """The ways to read anew what a change was about."""
    yield lambda: sync.pull("customer", known.stripe_customer_of(change), action=known.ACTION)

    for subscription, _own in known.live_subscriptions(change.customer_id):
        yield functools.partial(sync.pull, "subscription", subscription, action=known.ACTION)

    for method in (change.method, change.successor):
        if method is not None:
            yield functools.partial(known.pull_method, method)


def _leave_replayed_answer(change: PaymentMethodChange, error: StripeUnreachableError) -> None:
    """Take other keys where ours are stuck with a server error."""
    answered = error.status is not None and error.status >= 500

    if not answered or clock.wall() - change.created_at < REPLAYED_FROM:
        return

    with committed(known.ACTION) as connection:
        connection.execute(
            sa.update(PaymentMethodChange)
            .where(
                PaymentMethodChange.id == change.id, PaymentMethodChange.attempt == change.attempt
            )
            .values(attempt=change.attempt + 1)
        )
