"""Duplicates that arrive together, in threads and in processes, have one effect."""

from __future__ import annotations

import collections.abc as c
import multiprocessing
import threading
import typing as t

import pytest

from flask_billing.models import Outbox, Subscription, WebhookEvent

from ..patience import PATIENCE
from ..stripe_double import CannedHost, StripeObject, canned_host, event
from .stories import announced, inbox, made, rows, sign_up

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

Make = c.Callable[..., CannedHost]

ONE_EFFECT = [
    "mail receipt",
    "mail welcome",
    "signal payment.succeeded",
    "signal subscription.activated",
]


def first_payment() -> list[StripeObject]:
    """The events of a first payment."""
    return [
        event("checkout.session.completed", made("session")),
        event("customer.subscription.created", made("subscription")),
        event("invoice.paid", made("invoice")),
        event("invoice.payment_succeeded", made("invoice")),
    ]


def objects() -> list[StripeObject]:
    return [made("session"), made("subscription"), made("invoice"), made("card")]


def check_one_effect(host: CannedHost, deliveries: int) -> None:
    assert announced(host) == ONE_EFFECT
    assert [row.status for row in rows(host, Subscription)] == ["active"]
    assert set(inbox(host).values()) == {"handled"}
    assert sum(row.deliveries for row in rows(host, WebhookEvent)) == deliveries


@pytest.mark.parametrize("round_", range(3))
def test_the_same_event_in_many_threads_has_one_effect(
    make_canned: Make, database_url: str, round_: int
) -> None:
    host = make_canned(*objects(), database_url=database_url)
    sign_up(host)
    heard: list[int] = []

    @host.billing.on("subscription.activated")
    def listen(app: object, *, transition: int, **facts: object) -> None:
        heard.append(transition)

    together = threading.Barrier(8)
    host.stripe.before_answer = lambda request: together.wait(PATIENCE)
    sent = event("invoice.paid", made("invoice"))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(host.deliver(sent).status_code))
        for _ in range(8)
    ]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    assert statuses == [200] * 8
    check_one_effect(host, deliveries=8)
    assert len(set(heard)) == 1


def test_all_events_of_a_payment_in_many_threads_have_one_effect_each(
    make_canned: Make, database_url: str
) -> None:
    host = make_canned(*objects(), database_url=database_url)
    sign_up(host)
    sent = first_payment() * 3
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: statuses.append(host.deliver(one).status_code))
        for one in sent
    ]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    assert statuses == [200] * len(sent)
    check_one_effect(host, deliveries=len(sent))


def test_duplicates_in_many_processes_have_one_effect(make_canned: Make, database_url: str) -> None:
    host = make_canned(*objects(), database_url=database_url)
    sign_up(host)
    sent = first_payment()
    spawn = multiprocessing.get_context("spawn")
    barrier, answers = spawn.Barrier(4), spawn.Queue()

    with host.app.app_context():
        url = host.db.engine.url.render_as_string(hide_password=False)

    processes = [
        spawn.Process(target=deliver_all, args=(url, sent, barrier, answers)) for _ in range(4)
    ]

    for process in processes:
        process.start()

    found = [answers.get(timeout=PATIENCE) for _ in processes]

    for process in processes:
        process.join(PATIENCE)
        process.close()

    answers.close()
    answers.join_thread()
    assert found == [[200] * len(sent)] * 4
    check_one_effect(host, deliveries=4 * len(sent))
    assert {row.state for row in rows(host, Outbox) if row.kind == "signal"} == {"sent"}


def deliver_all(
    url: str, sent: list[StripeObject], barrier: Barrier, answers: Queue[list[int]]
) -> None:
    """What one of the processes does."""
    host = canned_host(url, *objects(), create=False)
    statuses = []

    for one in sent:
        barrier.wait(PATIENCE)
        statuses.append(host.deliver(one).status_code)

    host.close()
    answers.put(statuses)
