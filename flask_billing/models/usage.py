"""Usage: counters keyed by period, the facts behind them, and daily sums for charts."""

import typing as t
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from .base import Base, BigId, PartialIndex
from .customer import Customer


class UsageCounter(Base):
    """How much of a meter was used in one bucket. A new period is a new row."""

    __tablename__ = "billing_usage_counter"
    # Periods to be closed are few, however many there were.
    __table_args__ = (
        PartialIndex(None, "period_end", where="closed_at IS NULL", unique=False),
        # What is to be reported to Stripe is of the latest periods, however many there were. No
        # column that usage changes, so that a booking writes no index.
        sa.Index(None, "meter", "period_end", "customer_id", "bucket"),
    )

    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id), primary_key=True)
    meter: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    bucket: Mapped[str] = mapped_column(sa.String(96), primary_key=True)
    used: Mapped[int] = mapped_column(default=0)
    reserved: Mapped[int] = mapped_column(default=0)
    #: Units of both that credits cover: they weigh on no limit that credits extend.
    credited: Mapped[int] = mapped_column(default=0, server_default="0")
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    #: Plan, limit and Stripe meter in force when it was last seen to change, or was closed.
    plan: Mapped[str | None] = mapped_column(sa.String(64))
    limit: Mapped[int | None]
    #: Units, without those of credits, from which on Stripe bills by a metered price of the plan.
    #: None where it does not.
    billed_from: Mapped[int | None]
    stripe_meter_id: Mapped[str | None] = mapped_column(sa.String(255))
    #: Units already reported to Stripe.
    reported: Mapped[int] = mapped_column(default=0)
    #: Windows and scopes of the limits it is counted beside, and how often these have changed for
    #: its customer and meter. Whoever books says the number of the limits they know.
    windows: Mapped[str | None] = mapped_column(sa.String(64))
    generation: Mapped[int] = mapped_column(default=0, server_default="0")
    closed_at: Mapped[datetime | None]


class UsageEvent(Base):
    """One fact about usage. Append-only: a correction is another row of opposite sign."""

    __tablename__ = "billing_usage_event"
    __table_args__ = (
        sa.UniqueConstraint("customer_id", "meter", "idempotency_key"),
        sa.Index(None, "customer_id", "meter", "occurred_at"),
        # Most events belong to no run, and then cost nothing here.
        PartialIndex(None, "customer_id", "run", where="run IS NOT NULL", unique=False),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    idempotency_key: Mapped[str] = mapped_column(sa.String(255))
    #: Smallest units, signed.
    quantity: Mapped[int]
    #: Units of it that were taken from credits, or given back to them.
    credits: Mapped[int | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    #: Key of the billing period it belongs to, without marks. Each unit belongs to one, whether
    #: or not a limit goes by it just then.
    billing_period: Mapped[str | None] = mapped_column(sa.String(32))
    #: Scopes of the one-shot allowances it was counted in, which no time tells.
    one_shot: Mapped[str | None] = mapped_column(sa.String(16))
    member: Mapped[str | None] = mapped_column(sa.String(255))
    provider: Mapped[str | None] = mapped_column(sa.String(64))
    model: Mapped[str | None] = mapped_column(sa.String(128))
    endpoint: Mapped[str | None] = mapped_column(sa.String(255))
    status: Mapped[int | None] = mapped_column(sa.Integer)
    run: Mapped[str | None] = mapped_column(sa.String(255))
    phase: Mapped[str | None] = mapped_column(sa.String(64))
    input_tokens: Mapped[int | None]
    output_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    latency_ms: Mapped[int | None]
    #: Cost in millionths of the currency's minor unit.
    cost_prompt: Mapped[int | None]
    cost_completion: Mapped[int | None]
    cost_cached: Mapped[int | None]
    cost_total: Mapped[int | None]
    #: What the cached tokens would have cost more, had they not been cached.
    cost_saved: Mapped[int | None]
    stripe_reported_at: Mapped[datetime | None]
    extra: Mapped[dict[str, t.Any] | None]


class UsageRollup(Base):
    """Sums of one day and one combination of dimensions, so that reading never scans events."""

    __tablename__ = "billing_usage_rollup"

    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id), primary_key=True)
    meter: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    #: Empty strings stand for "none": a primary key holds no NULL.
    provider: Mapped[str] = mapped_column(sa.String(64), primary_key=True, default="")
    model: Mapped[str] = mapped_column(sa.String(128), primary_key=True, default="")
    endpoint: Mapped[str] = mapped_column(sa.String(255), primary_key=True, default="")
    member: Mapped[str] = mapped_column(sa.String(255), primary_key=True, default="")
    events: Mapped[int] = mapped_column(default=0)
    quantity: Mapped[int] = mapped_column(default=0)
    input_tokens: Mapped[int] = mapped_column(default=0)
    output_tokens: Mapped[int] = mapped_column(default=0)
    cached_tokens: Mapped[int] = mapped_column(default=0)
    cost_prompt: Mapped[int] = mapped_column(default=0, server_default="0")
    cost_completion: Mapped[int] = mapped_column(default=0, server_default="0")
    cost_cached: Mapped[int] = mapped_column(default=0, server_default="0")
    cost_total: Mapped[int] = mapped_column(default=0)
    cost_saved: Mapped[int] = mapped_column(default=0, server_default="0")


class UsageReservation(Base):
    """A hold on quota for a cost known only afterwards."""

    __tablename__ = "billing_usage_reservation"
    __table_args__ = (
        sa.UniqueConstraint("customer_id", "meter", "idempotency_key"),
        sa.Index(None, "state", "expires_at"),
        sa.Index(None, "customer_id", "meter", "state", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    idempotency_key: Mapped[str] = mapped_column(sa.String(255))
    amount: Mapped[int]
    #: Keys of the counters it is held in, each with the units of it that credits cover there.
    buckets: Mapped[list[t.Any]]
    #: Grants it holds, each with its units.
    grants: Mapped[list[t.Any] | None]
    member: Mapped[str | None] = mapped_column(sa.String(255))
    #: open, settled, released or expired.
    state: Mapped[str] = mapped_column(sa.String(16))
    settled: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class UsageEpoch(Base):
    """An admin's reset of a quota: a higher epoch is a new bucket, and nothing is destroyed.

    Append-only: each reset is a row, so that a late fact finds the epoch it happened in.
    """

    __tablename__ = "billing_usage_epoch"

    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id), primary_key=True)
    meter: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    window: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    starts_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(255))
    reason: Mapped[str] = mapped_column(sa.Text)


class UsageNotice(Base):
    """A usage threshold that was crossed, once per period and limit."""

    __tablename__ = "billing_usage_notice"
    __table_args__ = (sa.UniqueConstraint("customer_id", "meter", "bucket", "percent", "limit"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    bucket: Mapped[str] = mapped_column(sa.String(96))
    percent: Mapped[int]
    limit: Mapped[int]
    used: Mapped[int]
    created_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]


class MeterExport(Base):
    """What was reported to a Stripe meter, by the watermark it raised the total to."""

    __tablename__ = "billing_meter_export"
    __table_args__ = (
        sa.UniqueConstraint("identifier"),
        sa.Index(None, "state", "created_at"),
        # Nothing is ever deleted here, and pages ask what a counter has reported.
        sa.Index(None, "customer_id", "meter", "bucket"),
        # Every run asks since when a meter is reported.
        sa.Index(None, "meter", "created_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    identifier: Mapped[str] = mapped_column(sa.String(255))
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    bucket: Mapped[str] = mapped_column(sa.String(96))
    quantity: Mapped[int]
    target: Mapped[int]
    #: open, sent, confirmed or failed; late, and then settled, where Stripe takes it no more.
    state: Mapped[str] = mapped_column(sa.String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]


class LimitOverride(Base):
    """An admin's limit for one customer.

    A ``limit`` of None inherits the plan's, -1 is unlimited, 0 blocks.
    """

    __tablename__ = "billing_limit_override"
    __table_args__ = (sa.Index(None, "customer_id", "meter"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    #: None holds for every window of the meter.
    window: Mapped[str | None] = mapped_column(sa.String(16))
    limit: Mapped[int | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    actor: Mapped[str] = mapped_column(sa.String(255))
    reason: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime]


class CreditGrant(Base):
    """Extra units beside the plan's: a top-up, a promotion or a rollover."""

    __tablename__ = "billing_credit_grant"
    __table_args__ = (
        sa.UniqueConstraint("customer_id", "meter", "source_key"),
        sa.Index(None, "customer_id", "meter", "expires_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    #: topup, promo or rollover.
    kind: Mapped[str] = mapped_column(sa.String(16))
    #: Makes minting it twice impossible, for example the bucket it rolled over from.
    source_key: Mapped[str] = mapped_column(sa.String(128))
    amount: Mapped[int]
    used: Mapped[int] = mapped_column(default=0)
    #: Units that open reservations hold.
    reserved: Mapped[int] = mapped_column(default=0, server_default="0")
    #: Lower is drained first.
    priority: Mapped[int] = mapped_column(default=100)
    starts_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    actor: Mapped[str | None] = mapped_column(sa.String(255))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime]


class CreditUse(Base):
    """What one event took from one grant; a negative quantity was given back."""

    __tablename__ = "billing_credit_use"
    __table_args__ = (
        sa.UniqueConstraint("grant_id", "idempotency_key"),
        sa.Index(None, "customer_id", "meter", "idempotency_key"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    grant_id: Mapped[int] = mapped_column(sa.ForeignKey(CreditGrant.id))
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey(Customer.id))
    meter: Mapped[str] = mapped_column(sa.String(64))
    #: The event's.
    idempotency_key: Mapped[str] = mapped_column(sa.String(255))
    quantity: Mapped[int]
