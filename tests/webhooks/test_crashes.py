"""A crash between any two steps is healed by the next delivery or the retry, with one effect."""

from __future__ import annotations

import collections.abc as c
import contextlib

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event

from flask_billing import Owner, database
from flask_billing.models import Outbox, Subscription

from ..host import Host
from ..stripe_double import CannedHost, StripeObject, event
from .stories import announced, inbox, let_time_pass, made, rows, run_jobs, sign_up

Make = c.Callable[..., CannedHost]


class CrashError(BaseException):
    """The process dies: nothing catches this."""


class CrashAt:
    """Dies at the n-th time something happens."""

    def __init__(self, turn: int) -> None:
        self.turns_left = turn

    def __call__(self, *arguments: object, **keywords: object) -> None:
        self.turns_left -= 1

        if self.turns_left == 0:
            raise CrashError

    @property
    def happened(self) -> bool:
        """Whether it came to that."""
        return self.turns_left <= 0


@contextlib.contextmanager
def crashing(host: CannedHost | Host, name: str, crash: CrashAt) -> c.Iterator[None]:
    """Let something die at an event of our own engine."""
    with host.app.app_context():
        engine = database.engine()

    def listener(*arguments: object) -> None:
        # Nobody dies of opening a transaction that has nothing in it yet.
        if name != "before_cursor_execute" or not str(arguments[2]).startswith("BEGIN"):
            crash()

    sqlalchemy_event.listen(engine, name, listener)

    try:
        yield
    finally:
        sqlalchemy_event.remove(engine, name, listener)


def paid() -> tuple[StripeObject, StripeObject]:
    return made("subscription"), made("invoice")


def deliver_and_crash(host: CannedHost, sent: StripeObject) -> None:
    with contextlib.suppress(CrashError):
        host.deliver(sent)


def heal(host: CannedHost, sent: StripeObject, by: str) -> None:
    """Let Stripe deliver again, or let the jobs find what is there."""
    if by == "delivery" or not inbox(host):
        assert host.deliver(sent).status_code == 200

    let_time_pass(host)
    run_jobs(host)


def check_one_effect(host: CannedHost, sent: StripeObject, heard: c.Sequence[str]) -> None:
    assert announced(host) == [
        "mail receipt",
        "mail welcome",
        "signal payment.succeeded",
        "signal subscription.activated",
    ]
    assert [row.status for row in rows(host, Subscription)] == ["active"]
    assert inbox(host) == {sent["id"]: "handled"}
    assert {row.state for row in rows(host, Outbox) if row.kind == "signal"} == {"sent"}
    assert set(heard) == {"payment.succeeded", "subscription.activated"}


def listening(host: CannedHost) -> list[str]:
    heard: list[str] = []

    for name in ("payment.succeeded", "subscription.activated"):

        def listener(app: object, *, name: str = name, **facts: object) -> None:
            heard.append(name)

        host.billing.on(name)(listener)

    return heard


@pytest.mark.parametrize("by", ["delivery", "retry"])
@pytest.mark.parametrize("name", ["before_cursor_execute", "commit"])
def test_a_crash_at_any_statement_or_commit_heals(
    make_canned: Make, tmp_path_factory: pytest.TempPathFactory, name: str, by: str
) -> None:
    for turn in range(1, 40):
        path = tmp_path_factory.mktemp("crash") / "host.sqlite"
        host = make_canned(*paid(), database_url=f"sqlite:///{path}")
        sign_up(host)
        heard = listening(host)
        sent = event("invoice.paid", made("invoice"))
        crash = CrashAt(turn)

        with crashing(host, name, crash):
            deliver_and_crash(host, sent)

        heal(host, sent, by)
        check_one_effect(host, sent, heard)
        host.close()

        if not crash.happened:
            break

    assert turn > (3 if name == "commit" else 7)


@pytest.mark.parametrize("by", ["delivery", "retry"])
@pytest.mark.parametrize("name", ["before_cursor_execute", "commit"])
@pytest.mark.postgres
def test_a_crash_heals_on_postgresql_too(
    make_canned: Make, postgres_url: str, name: str, by: str
) -> None:
    host = make_canned(*paid(), database_url=postgres_url)
    heard = listening(host)

    for turn in range(1, 40):
        sign_up(host)
        heard.clear()
        sent = event("invoice.paid", made("invoice"))
        crash = CrashAt(turn)

        with crashing(host, name, crash):
            deliver_and_crash(host, sent)

        heal(host, sent, by)
        check_one_effect(host, sent, heard)
        empty(host)

        if not crash.happened:
            break

    # What keeps the event and what writes its effects are statements that commit by themselves.
    assert turn > (1 if name == "commit" else 4)


def empty(host: CannedHost) -> None:
    with host.app.app_context():
        for table in reversed(host.db.metadata.sorted_tables):
            host.db.session.execute(sa.delete(table))

        host.db.session.commit()


@pytest.mark.parametrize("by", ["delivery", "retry"])
@pytest.mark.parametrize("moment", ["before_answer", "before_return"])
def test_a_crash_while_asking_stripe_heals(make_canned: Make, moment: str, by: str) -> None:
    host = make_canned(*paid())
    sign_up(host)
    heard = listening(host)
    sent = event("invoice.paid", made("invoice"))
    setattr(host.stripe, moment, CrashAt(1))
    deliver_and_crash(host, sent)
    assert inbox(host) == {sent["id"]: "waiting"}
    setattr(host.stripe, moment, None)

    heal(host, sent, by)
    check_one_effect(host, sent, heard)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_crash_in_a_listener_leaves_the_rest_to_the_job(make_canned: Make, turn: int) -> None:
    host = make_canned(*paid())
    sign_up(host)
    heard = listening(host)
    sent = event("invoice.paid", made("invoice"))
    crash = CrashAt(turn)

    def dying(app: object, **facts: object) -> None:
        crash()

    for name in ("payment.succeeded", "subscription.activated"):
        host.billing.on(name)(dying)

    deliver_and_crash(host, sent)
    assert inbox(host) == {sent["id"]: "handled"}

    heal(host, sent, "retry")
    check_one_effect(host, sent, heard)


def test_a_listener_that_fails_is_asked_again_and_spoils_nothing(
    make_canned: Make, caplog: pytest.LogCaptureFixture
) -> None:
    host = make_canned(*paid())
    sign_up(host)
    calls: list[object] = []

    @host.billing.on("subscription.activated")
    def provision(app: object, *, transition: int, **facts: object) -> None:
        calls.append(transition)

        if len(calls) == 1:
            raise RuntimeError("the host's database is down")

    assert host.deliver(event("invoice.paid", made("invoice"))).status_code == 200
    [row] = [row for row in rows(host, Outbox) if row.name == "subscription.activated"]
    assert (row.state, row.attempts) == ("waiting", 1)
    assert "the host's database is down" in row.error

    with host.app.app_context():
        host.db.session.execute(sa.update(Outbox).values(next_attempt_at=None))
        host.db.session.commit()

    run_jobs(host)
    run_jobs(host)
    assert calls == [row.id, row.id]


@pytest.mark.parametrize("status", [500, 429, 401, None])
def test_an_outage_of_stripe_is_asked_again(make_canned: Make, status: int | None) -> None:
    host = make_canned(*paid())
    sign_up(host)
    heard = listening(host)
    sent = event("invoice.paid", made("invoice"))
    host.stripe.fail(status, times=1 if status in (401, 429) else 3)  # as often as the SDK asks

    assert host.deliver(sent).status_code == 500
    assert inbox(host) == {sent["id"]: "failed"}

    heal(host, sent, "retry")
    check_one_effect(host, sent, heard)


def test_what_the_host_left_open_does_not_hold_the_event_back(make_canned: Make) -> None:
    """A before_request that writes and commits later must not swallow what we answered 200."""
    host = make_canned(*paid())
    sign_up(host)

    @host.app.before_request
    def touch() -> None:
        host.billing.customer_for(Owner("user", "ada")).name = "seen"
        host.db.session.flush()

    @host.app.teardown_request
    def forget(error: BaseException | None) -> None:
        host.db.session.rollback()

    sent = event("invoice.paid", made("invoice"))
    assert host.deliver(sent).status_code == 200
    assert inbox(host) == {sent["id"]: "handled"}
    assert [row.status for row in rows(host, Subscription)] == ["active"]
