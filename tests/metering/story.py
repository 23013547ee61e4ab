"""Plays a golden case: a catalog, a customer, a clock, and calls with what they must answer."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa

from flask_billing import clock, metering
from flask_billing.catalog import Catalog, Window
from flask_billing.errors import BillingError
from flask_billing.metering import billable
from flask_billing.metering.overrides import set_override
from flask_billing.metering.resets import reset_quota
from flask_billing.models import (
    Subscription,
    UsageCounter,
    UsageEvent,
    UsageNotice,
    UsageRollup,
)

from ..host import CATALOGS, Host

Step = dict[str, t.Any]


class Story:
    """One customer's story on a host app."""

    def __init__(self, host: Host, case: dict[str, t.Any]) -> None:
        self.host, self.case = host, case
        self.now = moment(case["now"])
        self.decisions: dict[str, metering.Decision] = {}
        clock.set_source(host.app, lambda: self.now)

    def play(self) -> None:
        """Take the steps one by one, then look at the books."""
        with self.host.app.app_context():
            self.host.customer()

            for number, step in enumerate(self.case["steps"]):
                met = self.step(dict(step))
                expected = step.get("expect", {})
                found = {name: met[name] for name in expected if name in met}
                assert found == expected, f"step {number}: {step} met {met}"

        for name, books in self.case.get("books", {}).items():
            assert getattr(self, name)() == books, name

    def step(self, step: Step) -> dict[str, t.Any]:
        """Take one step; what it answered, or the name of the error it met."""
        step.pop("expect", None)
        step.pop("note", None)
        do = step.pop("do")

        try:
            answer = getattr(self, f"do_{do}")(**step)
        except BillingError as error:
            self.host.db.session.rollback()
            refused = getattr(error, "decision", None)
            return {"error": type(error).__name__, **({} if refused is None else facts(refused))}

        return {} if answer is None else facts(answer)

    def do_clock(self, to: str) -> None:
        """Move the clock."""
        self.now = moment(to)

    def do_consume(self, meter: str, quantity: int = 1, **options: t.Any) -> metering.Decision:
        """Consume, and remember the decision by its key."""
        decision = metering.consume(meter, quantity, customer=self.customer, **options)
        self.decisions[options.get("key", "")] = decision
        return decision

    def do_record(
        self, meter: str, quantity: int = 1, at: str | None = None, **options: t.Any
    ) -> metering.Decision:
        """Record a fact."""
        happened = None if at is None else moment(at)
        return metering.record(meter, quantity, at=happened, customer=self.customer, **options)

    def do_refund(self, key: str) -> None:
        """Take back what was consumed with a key."""
        metering.refund(self.decisions[key])

    def do_check(self, meter: str, quantity: int = 1) -> metering.Decision:
        """Ask only."""
        return metering.check(meter, quantity, customer=self.customer)

    def do_usage(self, meter: str) -> metering.Usage:
        """Read usage."""
        return metering.usage(meter, customer=self.customer)

    def do_usages(self) -> list[metering.Usage]:
        """Read all usage."""
        return metering.usages(self.customer)

    def do_override(self, meter: str, limit: int | None, **options: t.Any) -> None:
        """Set an override and commit it."""
        for name in ("starts_at", "ends_at"):
            if name in options:
                options[name] = moment(options[name])

        set_override(self.customer, meter, limit, actor="ada", reason="a test", **options)
        self.host.db.session.commit()

    def do_grant(self, meter: str, amount: int) -> None:
        """Grant credits and commit them."""
        metering.grant_credits(
            self.customer, meter, amount, kind="topup", source_key="in_1", actor="ada", reason="x"
        )
        self.host.db.session.commit()

    def do_subscribe(self, plan: str, status: str = "active", **columns: t.Any) -> None:
        """Put the customer's one subscription into a state."""
        session = self.host.db.session
        found = session.query(Subscription).filter_by(stripe_id="sub_1").one_or_none()

        if found is None:
            found = Subscription(
                stripe_id="sub_1",
                customer_id=self.customer.id,
                quantity=1,
                currency="usd",
                started_at=self.now,
                anchor=self.now,
            )
            session.add(found)

        found.status, found.plan, found.synced_at = status, plan, self.now

        for name, value in columns.items():
            is_time = name == "anchor" or name.endswith(("_at", "_start", "_end", "_since"))
            setattr(found, name, moment(value) if is_time else value)

        session.commit()

    def do_timezone(self, name: str) -> None:
        """Move the customer to another time zone."""
        self.customer.timezone = name
        self.host.db.session.commit()

    def do_reset(self, meter: str, window: str) -> None:
        """Reset a quota, as an admin does."""
        reset_quota(self.customer, meter, t.cast("Window", window), actor="ada", reason="a test")
        self.host.db.session.commit()

    def do_catalog(self, **content: t.Any) -> None:
        """Deploy another catalog."""
        self.host.state.catalog = Catalog.parse(content)
        self.host.state.caches.clear()

    def do_settings(self, **settings: t.Any) -> None:
        """Change settings."""
        self.host.app.config.update(settings)

    @property
    def customer(self) -> t.Any:
        """The customer the story is about."""
        return self.host.customer()

    def counters(self) -> dict[str, int]:
        """Usage by meter and bucket."""
        return {
            f"{counter.meter} {counter.bucket}": counter.used
            for counter in self.host.rows(UsageCounter)
        }

    def billed(self) -> dict[str, int]:
        """Units that a metered price bills, by meter and bucket."""
        columns = UsageCounter.meter, UsageCounter.bucket, billable.billed()

        with self.host.app.app_context():
            rows = self.host.db.session.execute(sa.select(*columns))
            return {f"{meter} {bucket}": units for meter, bucket, units in rows}

    def billed_in_all(self) -> int:
        """The same of all periods."""
        return sum(self.billed().values())

    def events(self) -> list[list[t.Any]]:
        """Meter and quantity of each event."""
        return [[event.meter, event.quantity] for event in self.host.rows(UsageEvent)]

    def dimensions(self) -> list[dict[str, t.Any]]:
        """The dimensions each event was booked with."""
        names = (
            "member", "provider", "model", "endpoint", "status", "run", "phase",
            "input_tokens", "output_tokens", "cached_tokens", "latency_ms", "cost_total", "extra",
        )  # fmt: skip
        return [
            {name: value for name in names if (value := getattr(event, name)) is not None}
            for event in self.host.rows(UsageEvent)
        ]

    def rollups(self) -> dict[str, list[int]]:
        """Uses and quantity by meter, day, provider and model."""
        return {
            " ".join(filter(None, (row.meter, str(row.day), row.provider, row.model))): [
                row.events,
                row.quantity,
            ]
            for row in self.host.rows(UsageRollup)
        }

    def notices(self) -> list[str]:
        """Thresholds crossed."""
        return [
            f"{notice.meter} {notice.bucket} {notice.percent}% of {notice.limit}"
            for notice in self.host.rows(UsageNotice)
        ]


def facts(answer: metering.Decision | metering.Usage | c.Sequence[metering.Usage]) -> Step:
    """An answer as JSON would show it, its usage included."""
    if isinstance(answer, c.Sequence):
        return {"usages": [[usage.meter, usage.window, usage.used] for usage in answer]}

    own = ["allowed", "requested", "reason", "replayed", "source", "plan", "degraded"]
    status = answer

    if isinstance(answer, metering.Decision):
        found = {name: getattr(answer, name) for name in own}
        status = answer.status
    else:
        found = {}

    names = (
        "used", "limit", "remaining", "unlimited", "included", "has_reset", "level", "colour",
        "percent", "window", "overage_rate",
    )  # fmt: skip
    found |= {name: getattr(status, name) for name in names}

    for name in ("period_start", "resets_at"):
        value = getattr(status, name)
        found[name] = None if value is None else value.strftime("%Y-%m-%dT%H:%M")

    return found


def moment(text: str) -> datetime:
    """A time of a case, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def catalog_of(case: dict[str, t.Any]) -> t.Any:
    """The catalog a case names, or holds."""
    catalog = case.get("catalog", "ladder")
    return CATALOGS / f"{catalog}.toml" if isinstance(catalog, str) else catalog
