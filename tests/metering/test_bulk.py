"""Many facts at once leave the books that as many single calls would leave."""

from __future__ import annotations

import collections
import collections.abc as c
import random
import subprocess
import sys
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest

from flask_billing import metering
from flask_billing.errors import IdempotencyMismatchError
from flask_billing.metering import Fact, Recorded
from flask_billing.models import Customer, UsageCounter, UsageEvent, UsageNotice, UsageRollup

from ..host import CATALOGS, Host
from ..patience import PATIENCE
from .shop import NOON, Shop, balance, limits

TEAM = limits(
    {"meter": "tokens", "included": 4_000, "window": "month"},
    {"meter": "tokens", "included": 900, "window": "day", "scope": "member"},
    {"meter": "calls", "included": 50, "window": "hour"},
    {"meter": "calls", "included": 400, "window": "billing_period"},
    {"meter": "calls", "included": 100_000, "window": "lifetime"},
)


CARRIED = limits(
    {"meter": "tokens", "included": 100, "window": "day"},
    {"meter": "tokens", "included": 4_000, "window": "month", "rollover": True},
)


def some_facts(number: int, customer: Customer) -> list[Fact]:
    """Facts of the last two months, by several members, some of them twice."""
    dice = random.Random(5)
    facts = [
        Fact(
            dice.choice(["tokens", "calls"]),
            dice.randint(1, 40),
            f"key-{index}",
            customer,
            dice.choice([None, NOON - timedelta(hours=dice.randint(0, 1_400))]),
            {
                "member": dice.choice([None, "7", "8"]),
                "model": dice.choice([None, "large", 'sm"all\\{}']),
                "input_tokens": dice.choice([None, 0, 12]),
                "extra": dice.choice([None, {"of": "a file"}]),
            },
        )
        for index in range(number)
    ]
    return [*facts, *dice.sample(facts, number // 10)]


def books(host: Host, customer: Customer) -> list[list[tuple[t.Any, ...]]]:
    """All that usage leaves, without ids and the times it was noted at."""
    mine = {"customer_id": customer.id}
    columns = {
        UsageCounter: ("meter", "bucket", "used", "reserved", "credited", "plan", "limit"),
        UsageEvent: (
            "meter", "idempotency_key", "quantity", "occurred_at", "billing_period", "one_shot",
            "member", "model", "input_tokens", "extra",
        ),
        UsageRollup: (
            "meter", "day", "model", "member", "events", "quantity", "input_tokens",
        ),
        UsageNotice: ("meter", "bucket", "percent", "limit"),
    }  # fmt: skip
    return [
        sorted(
            [tuple(getattr(row, name) for name in names) for row in host.rows(table, **mine)],
            key=repr,
        )
        for table, names in columns.items()
    ]


def test_a_batch_leaves_the_books_of_single_calls(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=TEAM)
    Shop(host)

    with host.app.app_context():
        single, many = host.customer("1"), host.customer("2")
        answers = []

        for fact in some_facts(150, single):
            decision = metering.record(
                fact.meter,
                fact.quantity,
                key=fact.key,
                at=fact.at,
                customer=fact.customer,
                **fact.dimensions,
            )
            answers.append("known" if decision.replayed else "booked")

        facts = some_facts(150, many)
        told = [*host.billing.record_many(facts[:70]), *host.billing.record_many(facts[70:])]

        assert [one.state for one in told] == answers
        assert books(host, many) == books(host, single)
        assert len(books(host, many)[3]) > 3, "no threshold was crossed"
        assert [one.state for one in host.billing.record_many(facts)] == ["known"] * len(facts)
        assert books(host, many) == books(host, single)
        # The next call knows what the batch booked.
        assert metering.usage("calls", customer=many) == metering.usage("calls", customer=single)

    balance(host)


def test_customers_in_one_batch_have_books_of_their_own(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=TEAM)
    Shop(host)

    with host.app.app_context():
        alone, first, second = (host.customer(name) for name in ("1", "2", "3"))
        host.billing.record_many(some_facts(60, alone))
        host.billing.record_many(some_facts(20, first))
        pairs = zip(some_facts(60, first), some_facts(60, second), strict=True)
        together = [fact for pair in pairs for fact in pair]
        told = host.billing.record_many(together)

        assert books(host, first) == books(host, second) == books(host, alone)

    counts = collections.Counter(
        (one.state, fact.customer is first) for fact, one in zip(together, told, strict=True)
    )
    assert counts == {
        ("booked", True): 40, ("known", True): 26, ("booked", False): 60, ("known", False): 6,
    }  # fmt: skip
    balance(host)


def test_a_key_with_another_quantity_is_told_and_books_nothing(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        facts = [Fact("tokens", n, "a", customer) for n in (5, 6, 5)]

        told = any_host.billing.record_many(facts)
        again = any_host.billing.record_many([facts[1], facts[0], facts[1]])

    assert [one.state for one in told] == ["booked", "refused", "known"]
    assert [one.state for one in again] == ["refused", "known", "refused"]
    assert isinstance(again[2].error, IdempotencyMismatchError)
    assert [event.quantity for event in any_host.rows(UsageEvent)] == [5]
    balance(any_host)


def test_a_wrong_fact_keeps_no_other_from_the_books(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        told = any_host.billing.record_many(
            [
                Fact("minutes", 1, "a", customer),
                Fact("tokens", 0, "b", customer),
                Fact("tokens", -1, "c", customer),
                Fact("tokens", t.cast("int", 1.5), "d", customer),
                Fact("tokens", 1, "k" * 300, customer),
                Fact("tokens", 1, "f", customer, NOON.replace(tzinfo=None)),
                Fact("tokens", 1, "g", customer, NOON + timedelta(days=3650)),
                Fact("tokens", 1, "h", customer, None, {"member": "m" * 256}),
                Fact("tokens", 7, "i", customer),
            ]
        )

    with any_host.app.test_request_context():
        nobody = any_host.billing.record_many([Fact("tokens", 1, "j")])

    assert [one.state for one in (*told, *nobody)] == [*["refused"] * 8, "booked", "refused"]
    assert all(str(one.error) for one in told[:8])
    assert [event.quantity for event in any_host.rows(UsageEvent)] == [7]


def test_nothing_is_written_while_metering_is_off(any_host: Host) -> None:
    any_host.app.config["BILLING_METERING_ENABLED"] = False

    with any_host.app.app_context():
        facts = [Fact("tokens", 5, "a", any_host.customer()), Fact("minutes", 5, "b")]
        told = any_host.billing.record_many(facts)

    assert [one.state for one in told] == ["disabled", "refused"]
    assert any_host.rows(UsageEvent) == []


def test_beyond_what_is_included_a_batch_takes_from_credits(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(
        database_url,
        catalog=limits(
            {
                "meter": "tokens",
                "included": 100,
                "window": "month",
                "policy": "overage",
                "overage_rate": 2_000_000,
            }
        ),
    )
    shop = Shop(host)

    with host.app.app_context():
        customer = host.customer()
        metering.grant_credits(
            customer, "tokens", 25, kind="topup", source_key="order", actor="ada", reason="-"
        )
        host.db.session.commit()
        some = [Fact("tokens", 30, f"key-{number}", customer) for number in range(3)]
        late = Fact("tokens", 500, "late", customer, NOON - timedelta(days=40))

        assert host.billing.record_many([*some, late]) == [Recorded("booked")] * 4
        assert shop.grants() == {"order": (0, 0)}
        more = [Fact("tokens", 30, f"key-{number}", customer) for number in (2, 3, 3, 4)]
        told = host.billing.record_many(more)

        assert [one.state for one in told] == ["known", "booked", "known", "booked"]
        assert shop.grants() == {"order": (25, 0)}
        assert metering.usage("tokens", customer=customer).over == 25

    balance(host)


def test_in_the_hosts_session_a_batch_lasts_if_the_host_commits(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, BILLING_METERING_CONNECTION="session")

    with host.app.app_context():
        customer = host.customer()
        host.db.session.commit()

        for key, end in (("a", host.db.session.rollback), ("b", host.db.session.commit)):
            customer.name = f"New {key}"
            host.db.session.flush()
            host.billing.record_many([Fact("tokens", 5, key, customer)])
            end()

    assert [event.idempotency_key for event in host.rows(UsageEvent)] == ["b"]
    assert [counter.used for counter in host.rows(UsageCounter)] == [5]


def test_processes_import_one_file_and_each_line_counts_once(
    make_app: c.Callable[..., Host], database_url: str, tmp_path: Path
) -> None:
    host = make_app(database_url)
    file = tmp_path / "usage.csv"
    dice = random.Random(3)
    lines = [
        f"user,{number % 3},{'tokens' if number % 2 else 'api_calls'},{1 + number % 9},"
        f"k{number},2026-0{1 + number % 6}-15T10:00,{number % 4}"
        for number in range(1_500)
    ]
    dice.shuffle(lines)
    head = "owner_type,owner_id,meter,quantity,key,at,model"
    # Some lines twice, one of them with another quantity.
    again = [*lines[:100], "user,1,tokens,999,k1,,"]
    file.write_text("\n".join([head, *lines, *again]) + "\n", encoding="utf-8")

    with host.app.app_context():
        for number in range(3):
            host.customer(str(number))

    importing = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.metering.importer", database_url, str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CATALOGS.parent.parent,
        )
        for _ in range(4)
    ]
    counts = []

    for process in importing:
        output, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1, errors
        assert errors.count("line ") == 1
        assert "line 1602: The key 'k1'" in errors
        counts.append([int(word) for word in output.replace(";", "").split() if word.isdigit()])

    assert sum(booked for booked, _, _ in counts) == 1_500
    assert all(booked + known == 1_600 for booked, known, _ in counts)
    events = host.rows(UsageEvent)
    assert sum(event.quantity for event in events) == sum(1 + n % 9 for n in range(1_500))
    assert sum(row.quantity for row in host.rows(UsageRollup)) == sum(e.quantity for e in events)
    balance(host)


@pytest.mark.parametrize("most", [0, 1])
def test_few_facts_are_a_batch_too(any_host: Host, most: int) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        facts = [Fact("tokens", 5, str(number), customer) for number in range(most)]

        assert any_host.billing.record_many(iter(facts)) == [Recorded("booked")] * most


def test_late_facts_go_with_those_that_begin_a_period(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CARRIED)
    shop = Shop(host)

    with host.app.app_context():
        customer = host.customer()
        metering.record("tokens", 40, customer=customer)
        metering.reset_quota(customer, "tokens", "month", actor="ada", reason="a test")
        shop.wait(days=11)  # what November left is carried over with the first use of December
        ages = [2, 25, 0]
        facts = [
            Fact("tokens", 7, f"{age} days ago", customer, shop.now - timedelta(days=age))
            for age in ages
        ]

        assert [one.state for one in metering.record_many(facts)] == ["booked"] * 3
        months = {key: used for key, (used, _) in shop.counters().items() if key[0] == "m"}
        assert sorted(months.values()) == [7, 7, 47]

    balance(host)
