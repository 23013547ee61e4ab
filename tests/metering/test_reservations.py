"""Reserve and settle: what is held, what becomes of it, and that the books balance."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Response, session

from flask_billing import Owner, metering
from flask_billing.errors import IdempotencyMismatchError, InvalidUsageError
from flask_billing.models import UsageEvent

from ..host import Host
from .shop import Shop, balance, limits

CATALOG = limits(
    {"meter": "tokens", "included": 100, "window": "day"},
    {"meter": "tokens", "included": 1000, "window": "month"},
)
DAY, MONTH = "d:2026-11-20", "m:2026-11"


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Shop]:
    """A customer with 100 tokens a day and 1,000 a month."""
    host = make_app(database_url, catalog=CATALOG)

    with host.app.app_context():
        host.customer()
        yield Shop(host)

    balance(host)


def hold(shop: Shop, amount: int, **options: t.Any) -> metering.Reservation:
    """Reserve tokens for the customer."""
    return shop.host.billing.reserve("tokens", amount, customer=shop.host.customer(), **options)


def test_what_is_held_is_left_for_nobody_else(shop: Shop) -> None:
    reservation = hold(shop, 60)

    with pytest.raises(metering.QuotaExceeded) as refusal:
        metering.consume("tokens", 41, customer=shop.host.customer())

    decision = metering.consume("tokens", 40, customer=shop.host.customer())

    assert (refusal.value.decision.used, refusal.value.decision.remaining) == (0, 40)
    assert (decision.used, decision.remaining) == (40, 0)
    assert (reservation.amount, reservation.state) == (60, "open")
    assert reservation.decision.allowed
    assert shop.counters() == {DAY: (40, 60), MONTH: (40, 60)}


@pytest.mark.parametrize("actual", [0, 25, 60, 75, 130])
def test_settling_books_what_was_used_and_lets_go_of_the_rest(shop: Shop, actual: int) -> None:
    with hold(shop, 60, model="large-2") as reservation:
        decision = reservation.settle(actual, output_tokens=7)

    assert (decision.requested, decision.used) == (actual, actual)
    assert reservation.state == "settled"
    assert shop.counters() == {DAY: (actual, 0), MONTH: (actual, 0)}
    assert shop.events() == ([actual] if actual else [])


def test_a_refused_reservation_holds_nothing(shop: Shop) -> None:
    with pytest.raises(metering.QuotaExceeded) as refusal:
        hold(shop, 101)

    assert refusal.value.decision.reason == "over_limit"
    assert hold(shop, 100).release()
    assert shop.counters() == {DAY: (0, 0), MONTH: (0, 0)}


@pytest.mark.parametrize(("on_error", "used"), [("release", 0), ("charge", 60)])
def test_an_exception_releases_or_charges(shop: Shop, on_error: str, used: int) -> None:
    with pytest.raises(ZeroDivisionError), hold(shop, 60, on_error=on_error):
        raise ZeroDivisionError

    assert shop.counters()[DAY] == (used, 0)


def test_a_block_that_ends_well_without_settling_is_charged(shop: Shop) -> None:
    with hold(shop, 60):
        pass

    assert shop.counters()[DAY] == (60, 0)


def test_settling_and_releasing_again_does_nothing(shop: Shop) -> None:
    reservation = hold(shop, 60)
    first = reservation.settle(50)
    again = reservation.settle(20)

    assert (first.replayed, again.replayed, again.requested) == (False, True, 50)
    assert not reservation.release()
    assert reservation.state == "settled"
    assert shop.counters()[DAY] == (50, 0)


def test_settling_what_was_released_is_an_error(shop: Shop) -> None:
    reservation = hold(shop, 60)

    assert (reservation.release(), reservation.release()) == (True, False)

    with pytest.raises(InvalidUsageError, match="released"):
        reservation.settle(10)

    assert shop.counters()[DAY] == (0, 0)


def test_a_repeated_key_finds_the_same_reservation(shop: Shop) -> None:
    first = hold(shop, 60, key="job-1")
    again = hold(shop, 60, key="job-1")

    with pytest.raises(IdempotencyMismatchError):
        hold(shop, 61, key="job-1")

    again.settle(30)

    assert (first.decision.replayed, again.decision.replayed) == (False, True)
    assert first.settle(30).replayed
    assert hold(shop, 60, key="job-1").state == "settled"
    assert shop.counters()[DAY] == (30, 0)


def test_a_released_key_may_be_held_again(shop: Shop) -> None:
    hold(shop, 60, key="job-1").release()
    again = hold(shop, 70, key="job-1")

    assert (again.state, again.decision.replayed) == ("open", False)
    assert shop.counters()[DAY] == (0, 70)


def test_the_sweep_lets_go_of_what_nobody_settled(shop: Shop) -> None:
    hold(shop, 60, ttl=timedelta(minutes=5))
    young = hold(shop, 10)
    shop.wait(minutes=5)

    assert (metering.expire_reservations(), metering.expire_reservations()) == (1, 0)
    assert shop.counters()[DAY] == (0, 10)
    assert young.state == "open"


def test_a_refusal_lets_go_of_stale_holds_first(shop: Shop) -> None:
    hold(shop, 60, ttl=timedelta(minutes=5))
    hold(shop, 40, ttl=timedelta(minutes=5))
    shop.wait(minutes=5)

    assert metering.consume("tokens", 70, customer=shop.host.customer()).allowed
    hold(shop, 30)

    assert shop.counters()[DAY] == (70, 30)


def test_a_look_lets_go_of_stale_holds_too(shop: Shop) -> None:
    hold(shop, 60, ttl=timedelta(minutes=5))
    customer = shop.host.customer()
    before = metering.check("tokens", 50, customer=customer)
    shop.wait(minutes=5)
    after = metering.check("tokens", 50, customer=customer)

    assert (before.allowed, after.allowed, after.remaining) == (False, True, 100)


def test_settling_after_the_expiry_books_the_fact(shop: Shop) -> None:
    reservation = hold(shop, 60, ttl=timedelta(minutes=5))
    shop.wait(minutes=6)
    metering.expire_reservations()
    metering.consume("tokens", 100, customer=shop.host.customer())
    decision = reservation.settle(60)

    assert (decision.used, decision.reason) == (160, "over_limit")
    assert reservation.settle(60).replayed
    assert shop.counters()[DAY] == (160, 0)


def test_settling_past_midnight_books_into_the_day_of_the_reservation(shop: Shop) -> None:
    shop.wait(hours=11, minutes=55)
    reservation = hold(shop, 60)
    shop.wait(minutes=10)
    metering.consume("tokens", 100, customer=shop.host.customer())
    decision = reservation.settle(70)

    assert decision.status.resets_at == datetime.fromisoformat("2026-11-21T00:00+00:00")
    assert shop.counters() == {DAY: (70, 0), "d:2026-11-21": (100, 0), MONTH: (170, 0)}


def test_settling_crosses_thresholds_once(shop: Shop) -> None:
    heard: list[int] = []
    shop.host.billing.on("usage.threshold_reached")(
        lambda sender, percent, bucket, **_: heard.append(percent) if bucket == DAY else None
    )
    hold(shop, 90).settle(85)

    assert heard == [80]


def test_a_stream_settles_what_it_sent(shop: Shop) -> None:
    stream = shop.host.billing.metered_stream(
        "tokens", 60, ["a", "bb", "ccc"], cost=len, customer=shop.host.customer()
    )
    assert shop.counters()[DAY] == (0, 60)
    assert list(stream) == ["a", "bb", "ccc"]
    assert shop.counters()[DAY] == (6, 0)


def test_a_stream_that_breaks_off_settles_what_it_sent(shop: Shop) -> None:
    def chunks() -> c.Iterator[str]:
        yield "aa"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        list(metering.metered_stream(
            "tokens", 60, chunks(), cost=len, customer=shop.host.customer()
        ))  # fmt: skip

    assert shop.counters()[DAY] == (2, 0)


@pytest.mark.parametrize("wrong", [1.5, -1, None, True])
def test_a_chunk_without_a_cost_breaks_the_stream_off(shop: Shop, wrong: t.Any) -> None:
    costs = {"a": 3, "b": wrong, "c": 4}
    stream = metering.metered_stream(
        "tokens", 60, "abc", cost=costs.__getitem__, customer=shop.host.customer()
    )

    with pytest.raises(InvalidUsageError, match="What was sent before it is settled"):
        list(stream)

    assert shop.counters()[DAY] == (3, 0)


def test_a_client_that_goes_away_pays_for_what_it_got(shop: Shop) -> None:
    billing = shop.host.billing

    @shop.host.app.get("/story")
    def story() -> Response:
        return Response(billing.metered_stream("tokens", 60, ["aa", "bbb", "cc"], cost=len))

    client = shop.host.client()
    answer = client.get("/story", buffered=False)
    next(iter(answer.iter_encoded()))
    answer.close()
    unread = client.get("/story", buffered=False)
    unread.close()
    whole = client.get("/story")

    assert whole.text == "aabbbcc"
    assert shop.counters()[DAY][1] == 0
    assert shop.events()[-1] == 7


def test_a_stream_beyond_the_quota_is_refused_before_its_first_chunk(shop: Shop) -> None:
    with pytest.raises(metering.QuotaExceeded):
        metering.metered_stream("tokens", 101, iter([]), cost=len, customer=shop.host.customer())


@pytest.mark.parametrize(
    ("amount", "options"),
    [
        (0, {}),
        (-5, {}),
        (1.5, {}),
        (True, {}),
        (5, {"key": "k" * 300}),
        (5, {"ttl": timedelta(0)}),
        (5, {"ttl": 60}),
        (5, {"on_error": "explode"}),
        (5, {"colour": "red"}),
    ],
)
def test_what_cannot_be_reserved_is_refused(
    shop: Shop, amount: t.Any, options: dict[str, t.Any]
) -> None:
    with pytest.raises(InvalidUsageError):
        hold(shop, amount, **options)

    assert shop.counters() == {}


@pytest.mark.parametrize("actual", [-1, 1.5, "3", None, True])
def test_what_cannot_be_settled_leaves_the_hold(shop: Shop, actual: t.Any) -> None:
    reservation = hold(shop, 60)

    with pytest.raises(InvalidUsageError):
        reservation.settle(actual)

    assert shop.counters()[DAY] == (0, 60)


def test_an_unknown_meter_cannot_be_reserved(shop: Shop) -> None:
    with pytest.raises(InvalidUsageError, match="tokens"):
        metering.reserve("token", 1, customer=shop.host.customer())


def test_while_metering_is_off_nothing_is_held(shop: Shop) -> None:
    shop.host.app.config["BILLING_METERING_ENABLED"] = False

    with hold(shop, 5000) as reservation:
        reservation.settle(6000)

    assert reservation.decision.reason == "disabled"
    assert shop.counters() == {}


def test_a_member_of_another_team_is_refused(shop: Shop, tmp_path: Path) -> None:
    host = shop.host
    teams = {"1": {"ann", "bob"}, "2": {"eve"}}
    asked: list[tuple[str, str]] = []

    @host.billing.is_member
    def is_member(owner: Owner, member: str) -> bool:
        asked.append((owner.id, member))
        return member in teams[owner.id]

    with host.app.app_context():
        mine = host.customer("1")

        for call in (
            lambda: metering.consume("tokens", 1, customer=mine, member="eve"),
            lambda: metering.record("tokens", 1, customer=mine, member="eve"),
            lambda: metering.reserve("tokens", 1, customer=mine, member="eve"),
            lambda: metering.check("tokens", 1, customer=mine, member="eve"),
            lambda: metering.record_llm("acme", "large", tokens=1, customer=mine, member="eve"),
        ):
            with pytest.raises(InvalidUsageError, match="'eve' is no member of user 1"):
                call()

        metering.consume("tokens", 1, customer=mine, member="bob")
        metering.consume("tokens", 2, customer=host.customer("2"), member="eve")
        metering.consume("tokens", 3, customer=mine)
        facts = [metering.Fact("tokens", 4, str(n), mine, None, {"member": "ann"}) for n in (1, 2)]
        asked.clear()
        assert [one.state for one in metering.record_many(facts)] == ["booked", "booked"]
        assert asked == [("1", "ann")]

    file = tmp_path / "usage.csv"
    file.write_text(
        "owner_type,owner_id,meter,quantity,key,member\nuser,1,tokens,5,a,eve\nuser,1,tokens,6,b,ann\n",
        encoding="utf-8",
    )
    arguments = ["billing", "usage", "record", "--file", str(file)]
    output = host.app.test_cli_runner().invoke(args=arguments).output
    assert "line 2: 'eve' is no member of user 1. Nothing was booked." in output

    host.billing.member_loader(lambda: "a guest")  # who acts needs no asking

    with host.app.test_request_context():
        session["user"] = "1"
        assert metering.consume("tokens", 7).allowed

    assert [(event.quantity, event.member) for event in host.rows(UsageEvent)] == [
        (1, "bob"), (2, "eve"), (3, None), (4, "ann"), (4, "ann"), (6, "ann"), (7, "a guest"),
    ]  # fmt: skip


def test_nobody_acts_as_a_member_of_another_team(shop: Shop) -> None:
    host = shop.host
    host.billing.member_loader(lambda: "ann")

    with host.app.test_request_context():
        session["user"] = "1"
        metering.consume("tokens", 1, customer=host.customer("1"))
        metering.consume("tokens", 2, customer=host.customer("2"))
        reservation = metering.reserve("tokens", 3, customer=host.customer("1"))

        with pytest.raises(InvalidUsageError, match="another member"):
            reservation.settle(3, member="bob")

        reservation.settle(3)

    used = {event.quantity: event.member for event in host.rows(UsageEvent)}
    assert used == {1: "ann", 2: None, 3: "ann"}
