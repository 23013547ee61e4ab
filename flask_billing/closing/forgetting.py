"""Taking names, addresses and words out of a customer's rows. Amounts and dates stay."""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa

from .. import clock
from ..database import committed, insert
from ..models import (
    Cancellation,
    CreditGrant,
    Customer,
    CustomerChange,
    LimitOverride,
    Outbox,
    PaymentMethod,
    Subscription,
    SubscriptionChange,
    UsageCounter,
    UsageEpoch,
    UsageEvent,
    UsageNotice,
    UsageReservation,
    UsageRollup,
)

#: What is blank of a closed customer.
BLANKED: t.Final = (
    "email", "name", "address", "tax_ids", "timezone", "locale", "default_payment_method",
)  # fmt: skip

#: Events that one statement changes, so that no writer has to wait for long.
CHUNK: t.Final = 5_000

#: Columns with what people wrote or who they were, and what stands there afterwards.
_WORDS: t.Final[tuple[tuple[type[t.Any], dict[str, object]], ...]] = (
    (SubscriptionChange, {"feedback": None, "actor": None}),
    (Subscription, {"snapshot": None}),  # it repeats the comment
    (Cancellation, {"comment": None}),
    (CustomerChange, {"request": None, "actor": None}),
    (PaymentMethod, {"last4": None, "exp_month": None, "exp_year": None}),
    (UsageReservation, {"member": None}),
    (UsageEpoch, {"actor": "", "reason": ""}),
    (LimitOverride, {"actor": "", "reason": ""}),
    (CreditGrant, {"actor": None, "reason": None}),
)


def forget(customer_id: int, action: str) -> None:
    """Forget who a customer was, and note when the account was closed."""
    while _members_of_events(customer_id, action):
        pass

    with committed(action) as connection:
        for model, blank in _WORDS:
            connection.execute(
                sa.update(model).where(model.customer_id == customer_id).values(**blank)
            )

        _members_of_sums(connection, customer_id)
        _members_of_counters(connection, customer_id)
        connection.execute(
            sa.update(CustomerChange)
            .where(CustomerChange.customer_id == customer_id, CustomerChange.state == "open")
            .values(state="failed", reason="closed", finished_at=clock.now())
        )
        connection.execute(
            sa.update(Outbox)
            .where(
                Outbox.customer_id == customer_id, Outbox.kind == "mail", Outbox.state == "waiting"
            )
            .values(state="dropped", error="The account was closed.")
        )
        connection.execute(
            sa.update(Customer)
            .where(Customer.id == customer_id)
            .values(closed_at=clock.now(), **dict.fromkeys(BLANKED))
        )


def _members_of_events(customer_id: int, action: str) -> bool:
    """Take the members out of some events; whether there were any."""
    some = (
        sa.select(UsageEvent.id)
        .where(UsageEvent.customer_id == customer_id, UsageEvent.member.is_not(None))
        .limit(CHUNK)
    )

    with committed(action) as connection:
        changed = connection.execute(
            sa.update(UsageEvent).where(UsageEvent.id.in_(some)).values(member=None)
        )

    return changed.rowcount > 0


def _members_of_sums(connection: sa.Connection, customer_id: int) -> None:
    """Add the sums of members up to sums of nobody."""
    taken = connection.execute(
        sa.delete(UsageRollup)
        .where(UsageRollup.customer_id == customer_id, UsageRollup.member != "")
        .returning(*(UsageRollup.__table__.c[name] for name in (*_KEYS, *_SUMS)))
    ).all()
    totals: dict[tuple[object, ...], list[int]] = {}

    for row in taken:
        key, more = tuple(row[: len(_KEYS)]), row[len(_KEYS) :]
        so_far = totals.get(key, [0] * len(_SUMS))
        totals[key] = [one + other for one, other in zip(so_far, more, strict=True)]

    for key, sums in totals.items():
        _add(connection, dict(zip(_KEYS, key, strict=True)), dict(zip(_SUMS, sums, strict=True)))


def _add(connection: sa.Connection, key: c.Mapping[str, object], sums: c.Mapping[str, int]) -> None:
    table = UsageRollup.__table__.c
    statement = insert(connection, UsageRollup).values({**key, "member": "", **sums})
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[*_KEYS, "member"],
            set_={name: table[name] + statement.excluded[name] for name in _SUMS},
        )
    )


def _members_of_counters(connection: sa.Connection, customer_id: int) -> None:
    """Drop the members' own counters, whose keys name them; the shared ones hold the same use."""
    for model in (UsageCounter, UsageNotice):
        connection.execute(
            sa.delete(model).where(
                model.customer_id == customer_id, model.bucket.contains("|member=")
            )
        )


_KEYS: t.Final = ("customer_id", "meter", "day", "provider", "model", "endpoint")
_SUMS: t.Final = tuple(
    column.name for column in UsageRollup.__table__.columns if column.name not in (*_KEYS, "member")
)
