"""What was used before: by day, by dimension, by member, as CSV, and how much a read costs."""

from __future__ import annotations

import csv
import typing as t
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from flask_billing import clock, metering
from flask_billing.database import engine
from flask_billing.errors import InvalidUsageError
from flask_billing.metering.csv_rows import csv_rows

from ..host import Host, user
from .story import moment

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def told(any_host: Host) -> Host:
    """A host whose customer has used tokens on three days, with two models."""
    clock.set_source(any_host.app, lambda: NOW)
    calls: list[dict[str, t.Any]] = [
        {"at": "2026-11-18T23:59", "quantity": 10, "model": "small", "member": "ada"},
        {"at": "2026-11-19T00:00", "quantity": 20, "model": "large", "member": "ada"},
        {"at": "2026-11-19T09:00", "quantity": 30, "model": "small", "member": "bob"},
        {"at": "2026-11-20T10:00", "quantity": 40, "model": "small"},
    ]

    with any_host.app.app_context():
        customer = any_host.customer()

        for call in calls:
            at = moment(call.pop("at"))
            metering.record("tokens", at=at, customer=customer, provider="acme", input_tokens=5,
                            cost_total=7, **call)  # fmt: skip

    return any_host


def read(host: Host, by: t.Any, start: date = date(2026, 11, 17)) -> list[tuple[t.Any, ...]]:
    """Keys, uses and quantity of each group."""
    with host.app.app_context():
        found = host.billing.history(host.customer(), "tokens", start, date(2026, 11, 20), by=by)

    return [(*one.keys, one.events, one.quantity) for one in found]


def test_late_facts_land_on_their_own_day(told: Host) -> None:
    assert read(told, "day") == [
        (date(2026, 11, 17), 0, 0),
        (date(2026, 11, 18), 1, 10),
        (date(2026, 11, 19), 2, 50),
        (date(2026, 11, 20), 1, 40),
    ]


def test_usage_is_broken_down(told: Host) -> None:
    assert read(told, "model") == [("large", 1, 20), ("small", 3, 80)]
    assert read(told, "member") == [("", 1, 40), ("ada", 2, 30), ("bob", 1, 30)]
    assert read(told, ("provider", "model"), date(2026, 11, 19)) == [
        ("acme", "large", 1, 20),
        ("acme", "small", 2, 70),
    ]


def test_a_use_taken_back_leaves_the_sums(told: Host) -> None:
    with told.app.app_context():
        decision = metering.consume("tokens", 5, customer=told.customer(), model="small")
        metering.refund(decision, model="small")

    assert read(told, "day")[-1] == (date(2026, 11, 20), 1, 40)


def test_a_use_is_taken_back_on_the_day_it_happened(told: Host) -> None:
    with told.app.app_context():
        late = moment("2026-11-18T10:00")
        decision = metering.record("tokens", 5, at=late, customer=told.customer(), model="small")
        metering.refund(decision, model="small")

    assert [row[1:] for row in read(told, "day")] == [(0, 0), (1, 10), (2, 50), (1, 40)]


def test_a_moment_at_midnight_ends_the_day_before(told: Host) -> None:
    with told.app.app_context():
        found = told.billing.history(
            told.customer(), "tokens", moment("2026-11-18"), moment("2026-11-20"), by="day"
        )

    assert [one.key for one in found] == [date(2026, 11, 18), date(2026, 11, 19)]
    assert found[1].input_tokens == 10
    assert found[1].cost_total == 14


def test_a_span_or_group_that_makes_no_sense_is_refused(told: Host) -> None:
    with told.app.app_context():
        customer = told.customer()

        with pytest.raises(InvalidUsageError, match="has no day"):
            metering.history(customer, "tokens", date(2026, 2, 2), date(2026, 2, 1))

        with pytest.raises(InvalidUsageError, match="told apart by 'run'"):
            metering.history(customer, "tokens", NOW, NOW, by=t.cast("t.Any", "run"))


def test_an_owner_is_seen_with_its_members(told: Host) -> None:
    with told.app.app_context():
        found = told.billing.summary(user("1"), date(2026, 11, 1), date(2026, 11, 30))

    assert found.totals["tokens"].quantity == 100
    assert {name: meters["tokens"].quantity for name, meters in found.members.items()} == {
        "": 40,
        "ada": 30,
        "bob": 30,
    }
    assert [usage.meter for usage in found.usages] == ["tokens", "api_calls"]


def test_another_owner_sees_nothing_of_it(told: Host) -> None:
    with told.app.app_context():
        found = told.billing.summary(user("2"), date(2026, 11, 1), date(2026, 11, 30))

    assert found.totals == {}
    assert found.members == {}


def test_the_invoice_cycle_is_totalled(told: Host) -> None:
    with told.app.app_context():
        customer = told.customer()
        customer.created_at = moment("2026-10-19T06:00")
        told.db.session.commit()
        told.state.caches.clear()
        open_now = told.billing.cycle_totals(customer)[0]
        before = told.billing.cycle_totals(customer, moment("2026-11-19T05:00"))[0]

    assert (open_now.start, open_now.end) == (
        moment("2026-11-19T06:00"),
        moment("2026-12-19T06:00"),
    )
    assert (open_now.quantity, before.quantity) == (90, 10)
    assert open_now.sums.cost_total + before.sums.cost_total == 28


def test_a_counter_of_the_cycle_is_exact(told: Host) -> None:
    with told.app.app_context():
        customer = told.billing.customer_for(user("3"))
        customer.created_at = moment("2026-10-19T06:00")
        told.db.session.commit()
        told.state.catalog = type(told.state.catalog).parse(
            {
                "meters": {"tokens": {"name": "Tokens"}},
                "plans": {
                    "free": {
                        "name": "Free",
                        "limits": [{"meter": "tokens", "included": 9, "window": "billing_period"}],
                    }
                },
            }
        )
        told.state.caches.clear()
        metering.record("tokens", 3, at=moment("2026-11-19T05:00"), customer=customer)
        metering.record("tokens", 4, at=moment("2026-11-19T07:00"), customer=customer)
        total = told.billing.cycle_totals(customer)[0]

    assert total.quantity == 4
    assert total.sums.quantity == 7


def test_csv_runs_nothing_in_a_spreadsheet(told: Host) -> None:
    with told.app.app_context():
        customer = told.customer()
        metering.record("tokens", 1, customer=customer, model="=1+1")
        found = metering.history(customer, "tokens", NOW, NOW.date(), by=("model", "day"))

    rows = list(csv.DictReader(csv_rows(("model", "day"), found)))
    assert [(row["model"], row["day"], row["quantity"]) for row in rows] == [
        ("'=1+1", "2026-11-20", "1"),
        ("small", "2026-11-20", "40"),
    ]


def test_no_read_looks_at_single_events(told: Host) -> None:
    sent: list[str] = []

    with told.app.app_context():
        customer = told.customer()
        assert customer.id

        for built in (told.db.engine, engine()):
            sa.event.listen(
                built, "before_cursor_execute", lambda *said: sent.append(t.cast("str", said[2]))
            )

        metering.history(customer, "tokens", NOW, NOW.date())

    assert len([one for one in sent if one != "BEGIN"]) == 1
    assert "billing_usage_event" not in sent[-1]
