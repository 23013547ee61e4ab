"""A counter that is opened beside processes which do not know it yet counts what they book."""

from __future__ import annotations

import collections.abc as c
import itertools
import threading
import typing as t
from datetime import timedelta

import pytest
import sqlalchemy as sa

from flask_billing import clock, database, metering
from flask_billing.metering import Fact, QuotaExceeded, holds
from flask_billing.metering.overrides import set_override
from flask_billing.models import UsageCounter, UsageEvent

from ..host import Host
from ..jobs.test_processes import wait_until
from .shop import Shop, balance, limits

MONTH = limits({"meter": "tokens", "included": 1000, "window": "month"})
#: What threads book however long a busy machine takes.
ENDLESS = limits({"meter": "tokens", "included": 10**9, "window": "month"})
MEMBERS = limits({"meter": "tokens", "included": 1000, "window": "day", "scope": "member"})
LIFE = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [{"meter": "tokens", "included": 100, "window": "lifetime"}],
        },
        "pro": {
            "name": "Pro",
            "rank": 1,
            "prices": [{"interval": "month", "amount": 900}],
            "limits": [{"meter": "tokens", "included": 1000, "window": "month"}],
        },
    },
}


class Pair:
    """Two processes of one host: one asks for limits each time, one keeps them in memory."""

    def __init__(self, make_app: c.Callable[..., Host], url: str, catalog: dict[str, t.Any]):
        self.first = make_app(url, catalog=catalog, BILLING_LIMIT_CACHE=timedelta(0))
        self.second = make_app(
            url, catalog=catalog, create=False, BILLING_LIMIT_CACHE=timedelta(days=1)
        )

        with self.first.app.app_context():
            self.first.customer()

    def limit(self, host: Host, window: t.Any, limit: int | None) -> None:
        """An admin limits a window, or takes that back."""
        set_override(host.customer(), "tokens", limit, window=window, actor="ada", reason="-")
        host.db.session.commit()

    def used(self) -> dict[str, int]:
        """Units by the kind of counter."""
        return {row.bucket[0]: row.used for row in self.first.rows(UsageCounter)}


@pytest.fixture
def pair(make_app: c.Callable[..., Host], database_url: str) -> Pair:
    """Two processes, of which the second has booked and remembers its limits."""
    pair = Pair(make_app, database_url, MONTH)

    with pair.second.app.app_context():
        metering.consume("tokens", 6, key="early", customer=pair.second.customer())

        for _ in range(2):  # the first opens the counter, the next one reads it
            consume(pair.second, 2)

    return pair


def consume(host: Host, quantity: int) -> None:
    """Use some."""
    metering.consume("tokens", quantity, customer=host.customer())


def reserve(host: Host, quantity: int) -> None:
    """Hold some, and use it."""
    metering.reserve("tokens", quantity, customer=host.customer()).settle(quantity)


def record_many(host: Host, quantity: int) -> None:
    """Book facts together."""
    metering.record_many([Fact("tokens", 1, str(n), host.customer()) for n in range(quantity)])


@pytest.mark.parametrize("book", [consume, reserve, record_many])
def test_a_window_that_another_process_opens_counts_at_once(
    pair: Pair, book: c.Callable[[Host, int], None]
) -> None:
    with pair.first.app.app_context():
        pair.limit(pair.first, "day", 40)
        consume(pair.first, 5)

    with pair.second.app.app_context():
        book(pair.second, 20)

        with pytest.raises(QuotaExceeded):
            consume(pair.second, 6)

    assert pair.used() == {"d": 35, "m": 35}
    balance(pair.first)


def test_a_window_that_is_dropped_and_taken_up_the_next_day_counts_at_once(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    pair = Pair(make_app, database_url, MEMBERS)
    shops = Shop(pair.first), Shop(pair.second)

    with pair.first.app.app_context():
        pair.limit(pair.first, "month", 500)
        metering.consume("tokens", 1, customer=pair.first.customer(), member="ann")
        pair.limit(pair.first, "month", None)

    for shop in shops:
        shop.wait(days=30)

    with pair.second.app.app_context():
        for _ in range(2):
            metering.consume("tokens", 2, customer=pair.second.customer(), member="ann")

    with pair.first.app.app_context():
        pair.limit(pair.first, "month", 500)
        metering.consume("tokens", 3, customer=pair.first.customer(), member="bob")

    with pair.second.app.app_context():
        metering.consume("tokens", 4, customer=pair.second.customer(), member="ann")
        metering.consume("tokens", 5, customer=pair.second.customer(), member="bob")

    balance(pair.first)


def test_a_use_is_taken_back_where_it_was_counted_since(pair: Pair) -> None:
    with pair.second.app.app_context():
        decision = metering.consume("tokens", 20, customer=pair.second.customer())

    with pair.first.app.app_context():
        pair.limit(pair.first, "day", 40)
        consume(pair.first, 5)

    with pair.second.app.app_context():
        assert metering.refund(decision)
        metering.correct("early", customer=pair.second.customer(), actor="ada", reason="-")

    assert pair.used() == {"d": 9, "m": 9}
    balance(pair.first)


def test_a_use_is_not_taken_back_where_it_was_never_counted(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=LIFE, BILLING_LIMIT_CACHE=timedelta(0))

    with host.app.app_context():
        shop = Shop(host)
        customer = host.customer()
        metering.consume("tokens", 9, key="free", customer=customer)
        shop.subscribe("pro")
        decision = metering.consume("tokens", 50, customer=customer)
        metering.consume("tokens", 30, key="pro", customer=customer)
        metering.record("tokens", 2, key="other", customer=customer)
        host.db.session.execute(host.db.text("UPDATE billing_subscription SET status = 'canceled'"))
        host.db.session.commit()
        metering.consume("tokens", 71, key="free again", customer=customer)

        assert metering.refund(decision)
        metering.correct("pro", 4, customer=customer, actor="ada", reason="-")
        metering.correct("other", customer=customer, actor="ada", reason="-")
        assert metering.usage("tokens", customer=customer).used == 80
        metering.correct("free", 5, customer=customer, actor="ada", reason="-")
        metering.correct("free again", customer=customer, actor="ada", reason="-")
        assert metering.usage("tokens", customer=customer).used == 5
        assert metering.reconcile_usage().differences == []

    [month] = host.rows(UsageCounter, bucket="m:2026-11")
    assert month.used == sum(event.quantity for event in host.rows(UsageEvent))


@pytest.mark.postgres
def test_what_is_settled_while_a_counter_is_opened_is_counted_in_it(
    make_app: c.Callable[..., Host], postgres_url: str
) -> None:
    """Whoever opens it sums up events, of which those of open transactions are none."""
    pair = Pair(make_app, postgres_url, MONTH)
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")

    def settle(reservation: metering.Reservation) -> None:
        with pair.second.app.app_context():
            reservation.settle(3)

    def is_waiting() -> bool:
        with server.connect() as connection:
            waits = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(connection.scalar(waits))

    with pair.second.app.app_context():
        customer = pair.second.customer()
        early, late = [metering.reserve("tokens", 4, customer=customer) for _ in range(2)]

    with pair.first.app.app_context():
        pair.limit(pair.first, "day", 40)
        engine = database.engine()

    settle(early)  # it learns of the limit, and opens no counter

    def meet(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO billing_usage_counter") and not settling.ident:
            settling.start()
            wait_until(lambda: is_waiting() or not settling.is_alive())

    settling = threading.Thread(target=settle, args=(late,))
    sa.event.listen(engine, "after_cursor_execute", meet)

    with pair.first.app.app_context():
        consume(pair.first, 1)

    settling.join()
    sa.event.remove(engine, "after_cursor_execute", meet)
    server.dispose()
    assert pair.used() == {"d": 7, "m": 7}
    balance(pair.first)


def test_what_is_settled_just_after_a_counter_was_opened_is_counted_in_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not open when the one who settles read the limits."""
    with pair.second.app.app_context():
        customer = pair.second.customer()
        early, late = [metering.reserve("tokens", 4, customer=customer) for _ in range(2)]

    with pair.first.app.app_context():
        pair.limit(pair.first, "day", 40)

    with pair.second.app.app_context():
        early.settle(3)  # it learns of the limit, and opens no counter

    settle = holds.settle

    def settle_afterwards(*arguments: t.Any) -> t.Any:
        monkeypatch.undo()

        with pair.first.app.app_context():
            consume(pair.first, 1)

        return settle(*arguments)

    monkeypatch.setattr(holds, "settle", settle_afterwards)

    with pair.second.app.app_context():
        late.settle(3)

    assert pair.used() == {"d": 17, "m": 17}
    balance(pair.first)


def test_windows_come_and_go_while_threads_book_and_take_back(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    pair = Pair(make_app, database_url, ENDLESS)
    over = threading.Event()
    errors: list[BaseException] = []

    def work(host: Host, number: int) -> None:
        try:
            with host.app.app_context():
                customer = host.customer()

                for turn in itertools.count():
                    if over.is_set():
                        return

                    key = f"{number}-{turn}"
                    decision = metering.record("tokens", 1, key=key, customer=customer)

                    if turn % 3 == 0:
                        metering.refund(decision)
                    elif turn % 7 == 0:
                        metering.correct(key, 3, customer=customer, actor="ada", reason="-")
                    elif turn % 5 == 0:
                        metering.reserve("tokens", 2, customer=customer).settle(1)
        except BaseException as error:
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(host, number))
        for number, host in enumerate([pair.first, pair.second] * 2)
    ]

    for thread in threads:
        thread.start()

    with pair.first.app.app_context():
        for window in ("day", "week", "hour", "billing_period"):
            pair.limit(pair.first, window, 10**6)
            consume(pair.first, 1)
            pair.limit(pair.first, window, None)
            consume(pair.first, 1)

    over.set()

    for thread in threads:
        thread.join()

    assert errors == []
    assert len(pair.first.rows(UsageCounter)) >= 5

    with pair.first.app.app_context():
        assert metering.reconcile_usage().differences == []


def test_a_firm_limit_counts_credits_that_another_process_used(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    firm = {"meter": "tokens", "included": 50, "window": "hour", "thresholds": []}
    pool = {"included": 110, "window": "month", "policy": "credits"}
    pair = Pair(make_app, database_url, limits(firm, {**firm, **pool}))
    shop = Shop(pair.first)
    clock.set_source(pair.second.app, lambda: shop.now)

    with pair.first.app.app_context():
        metering.grant_credits(
            pair.first.customer(), "tokens", 100, kind="topup", source_key="order", actor="ada",
            reason="-",
        )  # fmt: skip
        pair.first.db.session.commit()
        first = metering.consume("tokens", 50, customer=pair.first.customer())
        shop.wait(hours=1)
        consume(pair.first, 50)
        shop.wait(hours=1)
        consume(pair.first, 1)

    with pair.second.app.app_context():
        consume(pair.second, 1)  # remembers 2 of the hour's 50, and 102 of the month's 110

    with pair.first.app.app_context():
        consume(pair.first, 43)  # 35 of them are credits
        metering.refund(first)

    with pair.second.app.app_context():
        with pytest.raises(QuotaExceeded) as refusal:
            consume(pair.second, 8)

        assert refusal.value.decision.status.window == "hour"
        consume(pair.second, 5)

    with pair.first.app.app_context():
        balance(pair.first)
