"""Cards that are about to expire: announced 30 and 7 days before, each once."""

from __future__ import annotations

import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock, outbox
from ..database import transaction
from ..models import ENDED, Customer, PaymentMethod, Subscription

#: Days before the end of a card at which its customer is told.
DAYS: t.Final = (30, 7)


class _Due(t.NamedTuple):
    """Cards of one month, and which of the notices they are due for."""

    year: int
    month: int
    end: dt.datetime
    days: int

    @property
    def mark(self) -> str:
        """What a card bears that was announced: a renewed one bears another month's."""
        return f"{self.year}-{self.month:02d}/{self.days}"


def announce_expiring(limit: int = 500) -> int:
    """Write signal and mail for cards that expire soon; a job calls it daily.

    The signal goes out for every card, the mail to those whose plan is charged to it. A day that
    was missed is made up for, but for a notice whose place the next one has taken.

    :param limit: cards at most, so that a run is short; the next one goes on.
    :returns: how many were announced.
    """
    announced = 0

    for due in _due(clock.now()):
        with transaction() as connection:
            rows = _mark(connection, due, limit - announced)
            written = outbox.write(connection, [row for card in rows for row in _told(card, due)])

        outbox.dispatch(written)
        announced += len(rows)

    return announced


def _due(now: dt.datetime) -> list[_Due]:
    """The months whose end is near, this one and the next."""
    found = []

    for ahead in (0, 1):
        count = now.year * 12 + now.month - 1 + ahead
        end = dt.datetime((count + 1) // 12, (count + 1) % 12 + 1, 1, tzinfo=dt.UTC)
        reached = [days for days in DAYS if end - now <= dt.timedelta(days=days)]

        if reached:
            found.append(_Due(count // 12, count % 12 + 1, end, min(reached)))

    return found


def _mark(connection: sa.Connection, due: _Due, limit: int) -> list[sa.Row[t.Any]]:
    """Mark the cards that were not announced yet, so that nobody else announces them."""
    not_told = sa.or_(
        PaymentMethod.expiry_announced.is_(None), PaymentMethod.expiry_announced != due.mark
    )
    chosen = (
        sa.select(PaymentMethod.id)
        .join(Customer, Customer.id == PaymentMethod.customer_id)
        .where(
            PaymentMethod.exp_year == due.year,
            PaymentMethod.exp_month == due.month,
            PaymentMethod.detached_at.is_(None),
            Customer.closed_at.is_(None),
            not_told,
        )
        .order_by(PaymentMethod.id)
        .limit(max(limit, 0))
    )
    marked = connection.scalars(
        sa.update(PaymentMethod)
        .where(PaymentMethod.id.in_(chosen), not_told)
        .values(expiry_announced=due.mark)
        .returning(PaymentMethod.id)
    ).all()
    charged = (
        sa.exists()
        .where(
            Subscription.customer_id == PaymentMethod.customer_id,
            Subscription.status.not_in(ENDED),
            sa.func.coalesce(Subscription.default_payment_method, Customer.default_payment_method)
            == PaymentMethod.stripe_id,
        )
        .correlate(PaymentMethod, Customer)
    )
    return list(
        connection.execute(
            sa.select(
                PaymentMethod.stripe_id,
                PaymentMethod.customer_id,
                PaymentMethod.brand,
                PaymentMethod.last4,
                charged.label("is_charged"),
            )
            .join(Customer, Customer.id == PaymentMethod.customer_id)
            .where(PaymentMethod.id.in_(marked))
            .order_by(PaymentMethod.id)
        )
    )


def _told(card: sa.Row[t.Any], due: _Due) -> list[dict[str, object]]:
    body = {
        "payment_method": card.stripe_id,
        "brand": card.brand,
        "last4": card.last4,
        "exp_month": due.month,
        "exp_year": due.year,
        "expires_at": due.end.isoformat(),
        "days": due.days,
        "is_charged": bool(card.is_charged),
    }
    key = f"{card.stripe_id}:{due.mark}"
    rows = [
        outbox.signal_row(
            "payment_method.expiring", customer_id=card.customer_id, key=key, body=body
        )
    ]

    if card.is_charged:
        rows.append(
            outbox.mail_row("card_expiring", customer_id=card.customer_id, key=key, body=body)
        )

    return rows
