"""What is used while the store is down is booked once it is back, each fact once."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import datetime as dt
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from flask.typing import ResponseReturnValue

from flask_billing import clock, metering
from flask_billing.errors import MeteringUnavailableError
from flask_billing.metering.replay import replay
from flask_billing.models import UsageCounter, UsageEvent

from ..host import Host
from ..patience import PATIENCE
from .outage import down

CATALOG: dict[str, t.Any] = {
    "meters": {
        "calls": {"name": "Calls"},
        "runs": {"name": "Runs", "on_error": "closed"},
    },
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "calls", "included": 3, "window": "day"},
                {"meter": "runs", "included": 9, "window": "day"},
            ],
        }
    },
}
#: What one of several processes does: keeps facts of its own, and books what it finds.
WORK = """
import sys
from flask_billing.metering import spool
from flask_billing.metering.replay import replay
from tests.host import make_host
from tests.metering.test_spool import CATALOG

url, path, number = sys.argv[1:]
host = make_host(url, catalog=CATALOG, create=False, BILLING_SPOOL=path)
booked = 0

with host.app.app_context():
    for turn in range(40):
        key, at = f"{number}-{turn}", "2026-03-01T09:00:00+00:00"
        assert spool.keep(host.state, spool.Fact("calls", 1, key, at, {}, 1))

        if turn % 8 == 7:
            booked += replay().booked

print(booked)
host.close()
"""
MORNING = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where the host keeps what it cannot book."""
    return tmp_path / "kept" / "spool.jsonl"


@pytest.fixture
def shop(make_app: c.Callable[..., Host], database_url: str, spool: Path) -> Host:
    """A host that gives up on its database quickly, with views that are tracked."""
    host = make_app(
        database_url,
        catalog=CATALOG,
        BILLING_SPOOL=spool,
        BILLING_SQLITE_BUSY_TIMEOUT=dt.timedelta(milliseconds=20),
        BILLING_TRACKING=[
            {"meter": "calls", "paths": ["/call/*"]},
            {"meter": "runs", "paths": ["/run"]},
        ],
    )

    @host.app.get("/call/<int:status>")
    def call(status: int) -> ResponseReturnValue:
        return "called", status

    @host.app.get("/run")
    def run() -> ResponseReturnValue:
        return "ran"

    assert host.client().get("/run").status_code == 200  # the customer is known
    return host


def lines(spool: Path) -> list[dict[str, t.Any]]:
    """What waits."""
    return [json.loads(line) for line in spool.read_text().splitlines()] if spool.exists() else []


def used(host: Host) -> int:
    """Committed calls, in the books of counters and of events alike."""
    counted: int = sum(counter.used for counter in host.rows(UsageCounter, meter="calls"))
    assert counted == sum(event.quantity for event in host.rows(UsageEvent, meter="calls"))
    return counted


def test_a_tracked_request_goes_on_and_is_booked_later(shop: Host, spool: Path) -> None:
    clock.set_source(shop.app, lambda: MORNING)

    with down(shop):
        client = shop.client()
        statuses = [client.get(f"/call/{status}").status_code for status in (200, 404, 503)]

    assert statuses == [200, 404, 503]
    assert [fact["columns"]["status"] for fact in lines(spool)] == [200, 404]
    assert used(shop) == 0

    clock.set_source(shop.app, lambda: MORNING + dt.timedelta(days=1))
    assert shop.client().get("/call/200").status_code == 200
    assert [
        (event.endpoint, event.status, event.occurred_at.day)
        for event in shop.rows(UsageEvent, meter="calls")
    ] == [("call", 200, 2), ("call", 200, 1), ("call", 404, 1)]
    assert {counter.bucket: counter.used for counter in shop.rows(UsageCounter, meter="calls")} == {
        "d:2026-03-01": 2,
        "d:2026-03-02": 1,
    }
    assert lines(spool) == []


def test_a_closed_meter_answers_503_and_spools_nothing(shop: Host, spool: Path) -> None:
    with down(shop):
        assert shop.client().get("/run").status_code == 503

    assert lines(spool) == []


def test_the_command_books_what_waits_whatever_the_quota_says(shop: Host, spool: Path) -> None:
    with down(shop):
        for _ in range(5):
            shop.client().get("/call/200")

    command = shop.app.test_cli_runner().invoke(args=["billing", "usage", "replay"])
    again = shop.app.test_cli_runner().invoke(args=["billing", "usage", "replay"])

    assert "Booked 5 from the spool" in command.output
    assert "Booked 0 from the spool" in again.output
    assert (used(shop), lines(spool)) == (5, [])


def test_a_replay_that_was_cut_short_books_nothing_twice(shop: Host, spool: Path) -> None:
    with down(shop):
        for _ in range(3):
            shop.client().get("/call/200")

    kept = spool.read_bytes()

    with shop.app.app_context():
        assert replay(2).booked == 2
        spool.write_bytes(kept)
        assert (replay().booked, replay().known) == (1, 3)

    assert used(shop) == 3


def test_while_the_store_is_down_what_waits_stays(shop: Host, spool: Path) -> None:
    with down(shop):
        shop.client().get("/call/200")
        command = shop.app.test_cli_runner().invoke(args=["billing", "usage", "replay"])
        assert (command.exit_code, "Traceback" in command.output) == (1, False)

    with shop.app.app_context():
        assert replay().booked == 1


def test_an_owner_nobody_knew_is_booked_later(shop: Host, spool: Path) -> None:
    with down(shop):
        assert shop.client("2").get("/call/200").status_code == 200

    assert (lines(spool)[0]["customer_id"], lines(spool)[0]["owner"]) == (None, ["user", "2"])

    with shop.app.app_context():
        assert replay().booked == 1
        assert metering.usage("calls", customer=shop.customer("2")).used == 1


def test_a_torn_line_costs_only_itself(shop: Host, spool: Path) -> None:
    with down(shop):
        shop.client().get("/call/200")

        with spool.open("ab") as file:
            file.write(b'{"meter":"calls","quan')

        shop.client().get("/call/201")

    with shop.app.app_context():
        found = replay()

    assert (found.booked, found.rejected, used(shop)) == (2, 1, 2)


def test_what_can_never_be_booked_is_set_aside(shop: Host, spool: Path) -> None:
    with down(shop):
        shop.client().get("/call/200")

    fact = lines(spool)[0]
    gone, stranger = {**fact, "meter": "gone"}, {**fact, "customer_id": 4711, "key": "x"}
    long_ago = {**gone, "at": (clock.wall() - dt.timedelta(days=4)).isoformat()}
    every = (gone, stranger, long_ago, fact)
    spool.write_text("".join(json.dumps(one) + "\n" for one in every))

    for booked, rejected in ((1, 2), (0, 0)):
        with shop.app.app_context():
            found = replay()

        assert (found.booked, found.rejected, used(shop)) == (booked, rejected, 1)
        assert found.left == 1, "another catalog may have the meter"

    assert len(spool.with_name("spool.jsonl.rejected").read_text().splitlines()) == 2


def test_a_full_spool_breaks_no_request(
    shop: Host, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with down(shop):
        shop.client().get("/call/200")
        shop.app.config["BILLING_SPOOL_MAX_BYTES"] = spool.stat().st_size + 10
        assert shop.client().get("/call/200").status_code == 200

    assert len(lines(spool)) == 1
    assert "is full" in caplog.text


def test_a_spool_that_cannot_be_written_breaks_no_request(
    shop: Host, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.parent.write_text("not a folder")

    with down(shop):
        assert shop.client().get("/call/200").status_code == 200

    assert "cannot be written" in caplog.text


def test_a_folder_where_nothing_waits_may_be_read_only(shop: Host, spool: Path) -> None:
    spool.parent.mkdir()
    done = shop.app.test_cli_runner().invoke(args=["billing", "jobs", "run", "usage-replay"])

    assert done.exit_code == 0, done.output
    assert list(spool.parent.iterdir()) == []  # it took no file to look


def test_consume_and_record_keep_their_key_and_facts(shop: Host, spool: Path) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        shop.db.session.expunge(customer)
        shop.db.session.rollback()  # the host's own connections are the host's affair

        with down(shop):
            consumed = metering.consume("calls", 2, key="job", customer=customer, model="large")

            with pytest.raises(MeteringUnavailableError):
                metering.record("runs", customer=customer)

        assert consumed.degraded
        assert replay().booked == 1
        assert metering.consume("calls", 2, key="job", customer=customer).replayed

    assert [(event.model, event.quantity) for event in shop.rows(UsageEvent, meter="calls")] == [
        ("large", 2)
    ]


def test_many_at_once_lose_and_double_nothing(shop: Host, spool: Path) -> None:
    def call(_: int) -> int:
        return shop.client().get("/call/200").status_code

    def book(_: int) -> int:
        with shop.app.app_context():
            return replay(3).booked

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        with down(shop):
            assert set(pool.map(call, range(24))) == {200}

        assert len(lines(spool)) == 24
        booked = sum(pool.map(book, range(24)))

    with shop.app.app_context():
        booked += replay().booked

    assert (booked, used(shop)) == (24, 24)


def test_processes_keep_and_book_at_the_same_time(
    shop: Host, spool: Path, database_url: str
) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORK, database_url, spool, str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    booked = sum(int(worker.communicate(timeout=PATIENCE)[0]) for worker in workers)

    with shop.app.app_context():
        booked += replay().booked

    assert (booked, used(shop)) == (160, 160)
    assert not spool.with_name("spool.jsonl.rejected").exists()
