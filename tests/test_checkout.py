"""Checkout: one open a customer, whatever is clicked, crashes or comes late."""

from __future__ import annotations

import collections.abc as c
import contextlib
import multiprocessing
import threading
import typing as t
from pathlib import Path

import pytest
import sqlalchemy as sa
import stripe
from sqlalchemy import event as sqlalchemy_event

from flask_billing import Customer, checkout, database
from flask_billing.errors import (
    AlreadySubscribedError,
    CheckoutNotFoundError,
    HostSessionBusyError,
    StripeError,
    StripeUnreachableError,
    UnknownPlanError,
)
from flask_billing.models import Checkout, Outbox, Subscription
from flask_billing.sandbox import CardDeclinedError, Sandbox

from .host import Host, make_host
from .patience import PATIENCE

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

MakeApp = c.Callable[..., Host]
BACK = "https://app.example.com"
SESSIONS = "/v1/checkout/sessions"


class Started(t.NamedTuple):
    """An open checkout."""

    id: int
    session: str
    url: str


class Shopper:
    """A customer who buys, through the public calls."""

    def __init__(self, host: Host, owner_id: str = "1") -> None:
        self.host = host
        self.owner_id = owner_id

    def start(self, plan: str = "starter", interval: str = "month", **more: t.Any) -> Started:
        """Choose a plan."""
        with self.host.app.app_context():
            row = checkout.start(
                self.host.customer(self.owner_id),
                plan=plan,
                interval=interval,
                success_url=f"{BACK}/success?session_id={{CHECKOUT_SESSION_ID}}",
                cancel_url=f"{BACK}/cancelled",
                **more,
            )
            assert row.session_id is not None
            assert row.url is not None
            return Started(row.id, row.session_id, row.url)

    def back(self, session: str) -> tuple[str, bool]:
        """Come back from the hosted page: the result's state, and whether it is the first time."""
        with self.host.app.app_context():
            result = checkout.complete(self.host.customer(self.owner_id), session)
            return result.state, result.first

    def buy(self, plan: str = "starter", interval: str = "month") -> Started:
        """Choose, pay and come back."""
        started = self.start(plan, interval)
        self.host.sandbox.checkout(started.session).pay()
        self.back(started.session)
        return started

    def plan(self) -> str | None:
        """The plan in force."""
        with self.host.app.app_context():
            access = self.host.billing.access(self.host.customer(self.owner_id))
            return access.plan.key if access.plan else None


@pytest.fixture
def shopper(host: Host) -> Shopper:
    """A customer whose webhooks are held back: what works here does not wait for them."""
    host.sandbox.webhooks.hold()
    return Shopper(host)


def at_stripe(host: Host) -> list[stripe.checkout.Session]:
    """Every session Stripe knows, newest first."""
    return list(host.sandbox.client().v1.checkout.sessions.list({"limit": 100}).data)


def states(host: Host) -> list[str]:
    """The states of our checkouts, oldest first."""
    return [row.state for row in host.rows(Checkout)]


def announced(host: Host, name: str) -> int:
    return len(host.rows(Outbox, name=name))


def posts(host: Host, path: str) -> int:
    return sum(
        request.method == "POST" and request.path == path for request in host.sandbox.requests
    )


# One open checkout.


def test_a_second_tab_gets_the_same_checkout(shopper: Shopper) -> None:
    first, second = shopper.start(), shopper.start()

    assert first == second
    assert len(at_stripe(shopper.host)) == 1
    assert states(shopper.host) == ["open"]


def test_the_session_carries_whose_it_is_and_what_was_chosen(shopper: Shopper) -> None:
    shopper.start()
    [session] = at_stripe(shopper.host)
    [row] = shopper.host.rows(Checkout)
    [customer] = shopper.host.rows(Customer)

    assert session.client_reference_id == str(customer.id)
    assert session.customer == customer.stripe_id
    assert session.metadata is not None
    assert session.metadata.to_dict() == {
        "billing_customer": str(customer.id),
        "billing_customer_since": f"{customer.created_at:%Y%m%dT%H%M%S.%fZ}",
        "billing_checkout": str(row.id),
    }
    assert session.amount_total == 2900
    assert session.expires_at == int(row.expires_at.timestamp())


@pytest.mark.parametrize(
    ("plan", "interval"), [("pro", "month"), ("starter", "year")], ids=["plan", "interval"]
)
def test_another_choice_expires_the_open_session(
    shopper: Shopper, plan: str, interval: str
) -> None:
    old = shopper.start()
    new = shopper.start(plan, interval)

    assert new.session != old.session
    status = {session.id: session.status for session in at_stripe(shopper.host)}
    assert status == {old.session: "expired", new.session: "open"}
    assert states(shopper.host) == ["expired", "open"]
    assert shopper.back(old.session) == ("expired", False)


def test_a_session_that_was_paid_meanwhile_is_booked_and_no_second_one_is_sold(
    shopper: Shopper,
) -> None:
    old = shopper.start()
    shopper.host.sandbox.checkout(old.session).pay()

    with pytest.raises(AlreadySubscribedError):
        shopper.start("pro")

    assert shopper.plan() == "starter"
    assert states(shopper.host) == ["complete"]
    assert len(at_stripe(shopper.host)) == 1
    assert announced(shopper.host, "subscription.activated") == 1


def test_over_http_that_is_a_409(host: Host) -> None:
    host.sandbox.webhooks.hold()
    shopper = Shopper(host)
    host.sandbox.checkout(shopper.start().session).pay()
    client = host.client()
    token = client.get("/billing/plans").text.partition('name="csrf_token" value="')[2]
    form = {"plan": "pro", "interval": "month", "csrf_token": token.partition('"')[0]}

    assert client.post("/billing/checkout", data=form).status_code == 409
    assert shopper.plan() == "starter"


@pytest.mark.parametrize(
    "status", ["active", "trialing", "past_due", "unpaid", "incomplete", "paused"]
)
def test_whoever_has_a_live_subscription_buys_no_second(shopper: Shopper, status: str) -> None:
    shopper.buy()
    set_status(shopper.host, status)
    shopper.host.sandbox.forget_requests()

    with pytest.raises(AlreadySubscribedError) as caught:
        shopper.start("pro")

    assert caught.value.status == status
    assert shopper.host.sandbox.requests == []


@pytest.mark.parametrize("status", ["canceled", "incomplete_expired"])
def test_whoever_left_may_come_back(shopper: Shopper, status: str) -> None:
    shopper.buy()
    set_status(shopper.host, status)

    assert shopper.start().url
    assert states(shopper.host) == ["complete", "open"]


def set_status(host: Host, status: str) -> None:
    with host.app.app_context():
        host.db.session.execute(sa.update(Subscription).values(status=status))
        host.db.session.commit()


def test_a_subscription_that_appears_after_the_first_look_is_seen_at_the_reservation(
    shopper: Shopper,
) -> None:
    first = shopper.start()
    shopper.host.sandbox.checkout(first.session).pay()

    @shopper.host.billing.currency_for
    def meanwhile_the_webhook_comes(customer: object) -> None:
        other = threading.Thread(target=shopper.back, args=[first.session])
        other.start()
        other.join(PATIENCE)

    with pytest.raises(AlreadySubscribedError):
        shopper.start()

    assert states(shopper.host) == ["complete"]
    assert len(at_stripe(shopper.host)) == 1


# Many at once.


def in_threads(count: int, act: c.Callable[[int], object]) -> list[object]:
    """What each of several calls at once gives back or raises."""
    together = threading.Barrier(count)
    found: list[object] = [None] * count

    def run(number: int) -> None:
        together.wait(PATIENCE)

        try:
            found[number] = act(number)
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    return found


def test_a_click_from_many_threads_opens_one_checkout(any_host: Host) -> None:
    any_host.sandbox.webhooks.hold()
    shopper = Shopper(any_host)
    found = in_threads(8, lambda number: shopper.start())

    assert len(set(found)) == 1
    assert isinstance(found[0], Started)
    assert len(at_stripe(any_host)) == 1
    assert states(any_host) == ["open"]
    assert len(any_host.rows(Customer)) == 1
    assert len(any_host.sandbox.client().v1.customers.list().data) == 1


def test_two_plans_from_many_threads_leave_one_checkout_open(any_host: Host) -> None:
    any_host.sandbox.webhooks.hold()
    shopper = Shopper(any_host)
    found = in_threads(4, lambda number: shopper.start("starter" if number % 2 else "pro"))

    assert [one for one in found if not isinstance(one, Started)] == []
    assert states(any_host).count("open") == 1
    assert [session.status for session in at_stripe(any_host)].count("open") == 1


def test_a_session_given_up_while_it_is_made_is_not_handed_out(shopper: Shopper) -> None:
    """One tab waits for Stripe while another chooses a different plan."""
    client = shopper.host.sandbox.http_client()
    ask = client.request
    interrupted: list[bool] = []

    def request(method: str, url: str, *arguments: t.Any, **keywords: t.Any) -> t.Any:
        found = ask(method, url, *arguments, **keywords)

        if url.endswith(SESSIONS) and method.upper() == "POST" and not interrupted:
            interrupted.append(True)
            other = threading.Thread(target=shopper.start, args=["pro"])
            other.start()
            other.join(PATIENCE)

        return found

    client.request = request  # type: ignore[method-assign]
    shopper.host.state.stripe.http_client = lambda: client
    started = shopper.start("starter")

    assert interrupted
    [open_one] = [session for session in at_stripe(shopper.host) if session.status == "open"]
    assert open_one.id == started.session
    assert states(shopper.host) == ["expired", "expired", "open"]


def test_a_click_from_many_processes_opens_one_checkout(
    make_app: MakeApp, database_url: str, tmp_path: Path
) -> None:
    store = tmp_path / "stripe.sqlite"
    host = make_app(database_url, sandbox=Sandbox(store))
    host.sandbox.webhooks.hold()
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(3), spawn.Queue()
    processes = [
        spawn.Process(target=start_in_process, args=(database_url, str(store), barrier, answers))
        for _ in range(3)
    ]

    for process in processes:
        process.start()

    found = [answers.get(timeout=PATIENCE) for _ in processes]

    for process in processes:
        process.join(PATIENCE)
        process.close()

    answers.close()
    answers.join_thread()
    assert len(set(found)) == 1
    assert found[0].startswith("cs_")
    assert len(at_stripe(host)) == 1
    assert states(host) == ["open"]


def start_in_process(database_url: str, store: str, barrier: Barrier, answers: Queue[str]) -> None:
    """What one of the processes does."""
    host = make_host(database_url, sandbox=Sandbox(store), create=False)
    barrier.wait(PATIENCE)

    try:
        answers.put(Shopper(host).start().session)
    except Exception as error:
        answers.put(repr(error))

    host.close()


# What can be bought.


@pytest.mark.parametrize(
    ("plan", "interval"),
    [
        ("gold", "month"), ("starter", "week"), ("starter", ""), ("starter", None), (None, "month"),
        ("legacy", "month"), ("free", "month"), ("pro", "life' OR 1=1"),
    ],
)  # fmt: skip
def test_what_is_not_for_sale_is_not_sold(shopper: Shopper, plan: t.Any, interval: t.Any) -> None:
    with pytest.raises(UnknownPlanError):
        shopper.start(plan, interval)

    assert states(shopper.host) == []
    assert shopper.host.sandbox.requests == []


def test_a_plan_is_not_sold_in_a_currency_it_has_no_price_in(shopper: Shopper) -> None:
    shopper.host.billing.currency_for(lambda customer: "eur")
    assert shopper.start("starter").url

    with pytest.raises(UnknownPlanError):
        shopper.start("pro")


def test_whoever_paid_in_a_currency_stays_with_it(shopper: Shopper) -> None:
    shopper.host.billing.currency_for(lambda customer: "eur")
    shopper.buy("starter")
    set_status(shopper.host, "canceled")
    shopper.host.billing.currency_for(lambda customer: "usd")
    shopper.start("starter")

    assert [row.currency for row in shopper.host.rows(Checkout)] == ["eur", "eur"]


SEATS = {
    "plans": {
        "team": {
            "name": "Team",
            "seats": {"min": 2, "max": 10},
            "prices": [{"interval": "month", "amount": 1000}],
        }
    }
}


def test_seats_are_sold_within_their_bounds(make_app: MakeApp) -> None:
    host = make_app(catalog=SEATS)
    host.sandbox.webhooks.hold()
    shopper = Shopper(host)

    for quantity in (0, 1, 11, -3):
        with pytest.raises(UnknownPlanError, match="2 to 10 seats"):
            shopper.start("team", quantity=quantity)

    shopper.start("team", quantity=3)
    assert [session.amount_total for session in at_stripe(host)] == [3000]
    shopper.start("team", quantity=4)
    assert states(host) == ["expired", "open"]


# Trials.


def test_a_trial_is_given_once_a_customer(shopper: Shopper) -> None:
    shopper.buy("pro")
    [subscription] = shopper.host.rows(Subscription)
    assert subscription.status == "trialing"

    cancel(shopper.host, subscription.stripe_id)
    shopper.buy("pro")
    second = shopper.host.rows(Subscription)[-1]
    assert (second.status, second.trial_end) == ("active", None)
    assert [row.trial_days for row in shopper.host.rows(Checkout)] == [14, 0]


def test_a_trial_that_was_chosen_and_left_is_not_used_up(shopper: Shopper) -> None:
    shopper.start("pro")
    shopper.start("starter")
    shopper.start("pro")

    assert [row.trial_days for row in shopper.host.rows(Checkout)] == [14, 0, 14]


def cancel(host: Host, subscription: str) -> None:
    host.sandbox.client().v1.subscriptions.cancel(subscription)
    host.sandbox.webhooks.release()
    host.sandbox.webhooks.hold()


# Coming back.


def test_success_is_announced_once(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).pay()

    assert shopper.back(started.session) == ("active", True)
    assert shopper.back(started.session) == ("active", False)
    shopper.host.sandbox.webhooks.release()
    assert shopper.back(started.session) == ("active", False)
    assert announced(shopper.host, "subscription.activated") == 1
    assert announced(shopper.host, "checkout.completed") == 1
    assert announced(shopper.host, "payment.succeeded") == 1


def test_success_is_announced_once_when_two_tabs_come_back_together(any_host: Host) -> None:
    any_host.sandbox.webhooks.hold()
    shopper = Shopper(any_host)
    started = shopper.start()
    any_host.sandbox.checkout(started.session).pay()
    found = in_threads(6, lambda number: shopper.back(started.session))

    assert sorted(found, key=str) == [("active", False)] * 5 + [("active", True)]
    assert announced(any_host, "subscription.activated") == 1


def test_the_webhook_may_be_faster(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).pay()
    shopper.host.sandbox.webhooks.release()
    assert shopper.plan() == "starter"
    shopper.host.sandbox.forget_requests()

    assert shopper.back(started.session) == ("active", True)
    assert shopper.host.sandbox.requests == []


def test_webhooks_alone_are_enough_when_nobody_comes_back(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).pay()
    shopper.host.sandbox.webhooks.release(order="shuffled", duplicates=2)

    assert shopper.plan() == "starter"
    assert states(shopper.host) == ["complete"]
    assert announced(shopper.host, "subscription.activated") == 1
    assert announced(shopper.host, "checkout.completed") == 1


def test_an_abandoned_checkout_stays_open_and_can_be_picked_up(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).abandon()

    assert shopper.back(started.session) == ("open", False)
    assert shopper.start() == started
    assert shopper.plan() == "free"


def test_a_declined_card_leaves_it_open(shopper: Shopper) -> None:
    started = shopper.start()
    person = shopper.host.sandbox.checkout(started.session)

    with pytest.raises(CardDeclinedError):
        person.pay(card="4000000000000002")

    assert shopper.back(started.session) == ("open", False)
    person.pay()
    assert shopper.back(started.session) == ("active", True)


def test_an_expired_checkout_makes_room_for_the_next(shopper: Shopper) -> None:
    first = shopper.start()
    shopper.host.sandbox.clock.advance(hours=24)
    assert shopper.back(first.session) == ("expired", False)
    second = shopper.start()

    assert second.session != first.session
    assert states(shopper.host) == ["expired", "open"]
    assert announced(shopper.host, "checkout.expired") == 1


def test_a_checkout_that_ran_out_unseen_makes_room_too(shopper: Shopper) -> None:
    first = shopper.start()
    shopper.host.sandbox.clock.advance(hours=30)

    assert shopper.start().session != first.session
    assert states(shopper.host) == ["expired", "open"]


def test_nobody_is_sent_to_a_checkout_that_is_about_to_close(shopper: Shopper) -> None:
    first = shopper.start()
    shopper.host.sandbox.clock.advance(hours=22, minutes=45)
    second = shopper.start()

    assert second.session != first.session
    assert [session.status for session in at_stripe(shopper.host)] == ["open", "expired"]


def test_a_checkout_paid_in_its_last_minute_is_not_taken_for_expired(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.clock.advance(hours=22, minutes=59)
    shopper.host.sandbox.checkout(started.session).pay()
    shopper.host.sandbox.clock.advance(hours=2)

    with pytest.raises(AlreadySubscribedError):
        shopper.start()

    assert shopper.plan() == "starter"
    assert states(shopper.host) == ["complete"]


def test_a_bank_debit_is_processing_until_the_money_arrives(shopper: Shopper) -> None:
    started = shopper.start()
    person = shopper.host.sandbox.checkout(started.session)
    person.pay_by_bank()

    assert shopper.back(started.session) == ("processing", False)
    assert shopper.back(started.session) == ("processing", False)
    shopper.host.sandbox.webhooks.release()
    assert shopper.back(started.session) == ("processing", False)
    person.settle()
    shopper.host.sandbox.webhooks.release()
    assert shopper.back(started.session) == ("active", True)


def test_a_bank_debit_that_bounces_is_told(shopper: Shopper) -> None:
    started = shopper.start()
    person = shopper.host.sandbox.checkout(started.session)
    person.pay_by_bank()
    assert shopper.back(started.session) == ("processing", False)
    person.settle(success=False)
    shopper.host.sandbox.webhooks.release()

    assert shopper.back(started.session) == ("unpaid", False)
    assert announced(shopper.host, "checkout.failed") == 1


def test_the_way_back_of_a_plan_that_ended_tells_of_no_checkout(shopper: Shopper) -> None:
    started = shopper.buy()
    set_status(shopper.host, "canceled")

    with pytest.raises(CheckoutNotFoundError):
        shopper.back(started.session)


@pytest.mark.parametrize("session", ["cs_test_unknown", "", "sub_1", "../customers/cus_1"])
def test_a_session_nobody_knows_is_not_found(shopper: Shopper, session: str) -> None:
    shopper.start()
    shopper.host.sandbox.forget_requests()

    with pytest.raises(CheckoutNotFoundError):
        shopper.back(session)

    assert shopper.host.sandbox.requests == []


def test_somebody_elses_session_is_not_found_and_not_looked_at(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).pay()
    shopper.host.sandbox.forget_requests()
    stranger = Shopper(shopper.host, "2")

    with pytest.raises(CheckoutNotFoundError):
        stranger.back(started.session)

    assert shopper.host.sandbox.requests == []
    assert states(shopper.host) == ["open"]
    assert stranger.plan() == "free"
    assert shopper.back(started.session) == ("active", True)


# Outages and crashes.


def check_one_session_and_buy(shopper: Shopper, started: Started) -> None:
    [session] = at_stripe(shopper.host)
    assert session.id == started.session
    assert states(shopper.host) == ["open"]
    shopper.host.sandbox.checkout(started.session).pay()
    assert shopper.back(started.session) == ("active", True)


def test_an_outage_leaves_nothing_half_done(shopper: Shopper) -> None:
    with shopper.host.sandbox.outage(), pytest.raises(StripeUnreachableError):
        shopper.start()

    assert shopper.plan() == "free"
    check_one_session_and_buy(shopper, shopper.start())


@pytest.mark.parametrize("after", [False, True], ids=["before the work", "after the work"])
@pytest.mark.parametrize("status", [None, 500, 503])
@pytest.mark.parametrize("path", ["/v1/customers", SESSIONS])
def test_an_answer_that_is_lost_makes_no_second_session(
    shopper: Shopper, path: str, status: int | None, after: bool
) -> None:
    shopper.host.sandbox.fail("POST", path, times=3, status=status, after=after)

    with pytest.raises(StripeUnreachableError):
        shopper.start()

    check_one_session_and_buy(shopper, shopper.start())
    assert len(shopper.host.sandbox.client().v1.customers.list().data) == 1


def test_one_lost_answer_is_not_even_noticed(shopper: Shopper) -> None:
    shopper.host.sandbox.fail("POST", SESSIONS, status=None, after=True)

    check_one_session_and_buy(shopper, shopper.start())


def test_a_server_error_that_stays_is_left_behind(shopper: Shopper) -> None:
    """Stripe keeps the answer to a key for a day, a server error too."""
    shopper.host.sandbox.fail("POST", SESSIONS, times=9)

    for minutes in (0, 1, 15):
        shopper.host.sandbox.clock.advance(minutes=minutes)

        with pytest.raises(StripeUnreachableError):
            shopper.start()

    check_one_session_and_buy(shopper, shopper.start())
    [asked] = [
        request.idempotency_key
        for request in shopper.host.sandbox.requests
        if (request.method, request.path) == ("POST", SESSIONS) and request.idempotency_key
    ]
    assert asked.startswith("fb:checkout:1:")  # what was failed at the door came without one
    assert asked.endswith(":2")


def test_a_refused_session_does_not_stand_in_the_way(shopper: Shopper) -> None:
    shopper.host.sandbox.fail("POST", SESSIONS, status=400)

    with pytest.raises(StripeError):
        shopper.start()

    assert states(shopper.host) == ["failed"]
    assert shopper.start().url
    assert states(shopper.host) == ["failed", "open"]


def test_a_session_that_cannot_be_expired_is_not_forgotten(shopper: Shopper) -> None:
    old = shopper.start()
    shopper.host.sandbox.fail("POST", f"{SESSIONS}/*/expire", status=400)

    with pytest.raises(StripeError):
        shopper.start("pro")

    assert states(shopper.host) == ["open"]
    assert shopper.start() == old


def test_another_choice_after_a_crash_expires_the_session_it_left(shopper: Shopper) -> None:
    crash_after_stripe(shopper)
    assert [row.session_id for row in shopper.host.rows(Checkout)] == [None]
    new = shopper.start("pro")

    status = [session.status for session in at_stripe(shopper.host)]
    assert status == ["open", "expired"]
    assert at_stripe(shopper.host)[0].id == new.session


class CrashError(BaseException):
    """The process dies: nothing catches this."""


def crash_after_stripe(shopper: Shopper) -> None:
    """Die between Stripe's answer and our commit of it."""
    with shopper.host.app.app_context():
        engine = database.engine()

    def die(*arguments: object) -> None:
        if "UPDATE billing_checkout SET session_id" in str(arguments[2]):
            raise CrashError

    sqlalchemy_event.listen(engine, "before_cursor_execute", die)

    try:
        with pytest.raises(CrashError):
            shopper.start()
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", die)


def test_a_crash_between_stripe_and_our_commit_is_healed_by_the_next_click(
    shopper: Shopper,
) -> None:
    crash_after_stripe(shopper)

    check_one_session_and_buy(shopper, shopper.start())


def test_a_crash_at_any_statement_is_healed_by_the_next_click(
    make_app: MakeApp, tmp_path: Path
) -> None:
    for turn in range(1, 30):
        host = make_app(f"sqlite:///{tmp_path / str(turn)}.sqlite")
        host.sandbox.webhooks.hold()
        shopper = Shopper(host)

        with host.app.app_context():
            engine = database.engine()

        countdown = iter(range(turn, 0, -1))
        crashed: list[bool] = []

        def die(
            *arguments: object,
            countdown: c.Iterator[int] = countdown,
            crashed: list[bool] = crashed,
        ) -> None:
            if not str(arguments[2]).startswith("BEGIN") and next(countdown, None) == 1:
                crashed.append(True)
                raise CrashError

        sqlalchemy_event.listen(engine, "before_cursor_execute", die)

        with contextlib.suppress(CrashError):
            shopper.start()

        sqlalchemy_event.remove(engine, "before_cursor_execute", die)
        check_one_session_and_buy(shopper, shopper.start())
        assert len(host.rows(Customer)) == 1
        assert len(host.sandbox.client().v1.customers.list().data) == 1
        host.close()

        if not crashed:
            break

    assert turn > 5


def test_when_stripe_is_silent_on_the_way_back_the_page_says_updating(shopper: Shopper) -> None:
    started = shopper.start()
    shopper.host.sandbox.checkout(started.session).pay()

    with shopper.host.sandbox.outage():
        assert shopper.back(started.session) == ("updating", False)

    assert shopper.back(started.session) == ("active", True)


# The host's session.


def test_uncommitted_writes_of_the_host_are_refused_before_stripe_is_asked(
    shopper: Shopper,
) -> None:
    host = shopper.host

    for pending in ("new", "flushed"):
        with host.app.app_context():
            customer = host.customer()
            host.sandbox.forget_requests()
            customer.name = "not committed yet"

            if pending == "flushed":
                host.db.session.flush()

            with pytest.raises(HostSessionBusyError, match=r"db\.session\.commit\(\)"):
                checkout.start(
                    customer, plan="starter", interval="month", success_url="/", cancel_url="/"
                )

            assert host.sandbox.requests == []
            host.db.session.rollback()

    assert states(host) == []
    assert shopper.start().url


def test_a_customer_deleted_at_stripe_gets_a_new_one(shopper: Shopper) -> None:
    first = shopper.start()
    [customer] = shopper.host.rows(Customer)
    shopper.host.sandbox.client().v1.customers.delete(customer.stripe_id)
    shopper.host.sandbox.webhooks.release()
    shopper.host.sandbox.webhooks.hold()
    [unlinked] = shopper.host.rows(Customer)
    assert unlinked.stripe_id is None

    shopper.start("pro")
    [linked] = shopper.host.rows(Customer)
    assert linked.stripe_id not in (None, customer.stripe_id)
    assert first.session != at_stripe(shopper.host)[0].id
