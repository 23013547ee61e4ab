"""What a customer can be charged on, and what is charged to which: read from our rows."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import access, clock
from ..errors import PaymentMethodNotFoundError
from ..models import ENDED, Customer, PaymentMethod, Subscription
from ..owners import id_of
from ..state import state

#: From when on a card's end is spoken of.
SOON: t.Final = dt.timedelta(days=30)

# Built once: that costs more than running it.
_ATTACHED: t.Final = (
    sa.select(PaymentMethod)
    .where(
        PaymentMethod.customer_id == sa.bindparam("customer"), PaymentMethod.detached_at.is_(None)
    )
    .order_by(PaymentMethod.id.desc())
    # Rows change beside this session, by webhooks and by our own transactions.
    .execution_options(populate_existing=True)
)


@dataclasses.dataclass(frozen=True)
class Wallet:
    """A customer's payment methods, the default first, and the subscriptions they pay for.

    :param default: id at Stripe of what new invoices are charged to; None is nothing.
    :param live: subscriptions that have not ended, paid or not.
    """

    methods: c.Sequence[PaymentMethod]
    default: str | None
    live: c.Sequence[Subscription]

    def get(self, stripe_id: str) -> PaymentMethod:
        """One of them.

        :raises PaymentMethodNotFoundError: where there is none of that id.
        """
        for method in self.methods:
            if method.stripe_id == stripe_id:
                return method

        raise PaymentMethodNotFoundError

    def paid_by(self, method: PaymentMethod) -> list[Subscription]:
        """The live subscriptions that are charged to it."""
        return [
            found
            for found in self.live
            if (found.default_payment_method or self.default) == method.stripe_id
        ]

    def is_default(self, method: PaymentMethod) -> bool:
        """Whether everything is charged to it, so that it need not be made the default."""
        return method.stripe_id == self.default and len(self.paid_by(method)) == len(self.live)

    def is_needed(self, method: PaymentMethod) -> bool:
        """Whether it is the last one while a plan runs."""
        return bool(self.live) and not self.others(method)

    def is_in_use(self, method: PaymentMethod) -> bool:
        """Whether another one has to take over when it goes."""
        return method.stripe_id == self.default or bool(self.paid_by(method))

    def others(self, method: PaymentMethod) -> list[PaymentMethod]:
        """All but this one."""
        return [found for found in self.methods if found.stripe_id != method.stripe_id]

    def successor(self, method: PaymentMethod) -> PaymentMethod | None:
        """Which one takes over when this one goes: the default, else the newest.

        Before either comes one that has not expired, nor is about to.
        """
        others = self.others(method)

        if not others or not self.is_in_use(method):
            return None

        return min(
            others,
            key=lambda found: (
                has_expired(found),
                expires_soon(found),
                found.stripe_id != self.default,
            ),
        )


def wallet_of(customer: Customer) -> Wallet:
    """A customer's payment methods as they are committed."""
    session = state().db.session
    attached = session.scalars(_ATTACHED, {"customer": id_of(customer)}).all()
    live = [row for row in access.subscriptions_of(customer.id) if row.status not in ENDED]
    ids = {method.stripe_id for method in attached}
    # Checkout gives the card to the subscription, and the customer has no default.
    choices = [customer.default_payment_method, *(row.default_payment_method for row in live)]
    default = next((choice for choice in choices if choice in ids), None)
    ordered = sorted(attached, key=lambda method: method.stripe_id != default)
    return Wallet(ordered, default, live)


def expires_at(method: PaymentMethod) -> dt.datetime | None:
    """The moment from which a card is refused (UTC): the end of the month it names."""
    year, month = method.exp_year, method.exp_month

    if year is None or month is None or not (1 <= month <= 12 and 1 <= year < dt.MAXYEAR):
        return None

    return dt.datetime(year + month // 12, month % 12 + 1, 1, tzinfo=dt.UTC)


def expires_soon(method: PaymentMethod) -> bool:
    """Whether a card ends within :data:`SOON`, or has."""
    end = expires_at(method)
    return end is not None and end - clock.now() <= SOON


def has_expired(method: PaymentMethod) -> bool:
    """Whether a card is past the month it names."""
    end = expires_at(method)
    return end is not None and end <= clock.now()
