"""Several processes confirm a customer's change at once: one change, one charge."""

from __future__ import annotations

import collections
import collections.abc as c
import multiprocessing
import typing as t
from pathlib import Path

import pytest

from flask_billing import subscriptions
from flask_billing.errors import BillingError
from flask_billing.models import SubscriptionChange
from flask_billing.sandbox import Sandbox
from flask_billing.stripe_gateway import gateway

from ..host import Host, make_host
from ..patience import PATIENCE
from .subscriber import Subscriber

if t.TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

PROCESSES: t.Final = 4


def confirm(url: str, stripe: Path, token: str, together: Barrier, told: Queue[str]) -> None:
    """What each process does."""
    host = make_host(url, sandbox=Sandbox(stripe), create=False)

    with host.app.app_context():
        customer = host.customer()
        gateway().server_time()  # all that is slow the first time is done
        together.wait(PATIENCE)

        try:
            told.put(subscriptions.change_plan(customer, token).state)
        except BillingError as error:
            told.put(type(error).__name__)

    host.close()


@pytest.fixture
def customer(make_app: c.Callable[..., Host], database_url: str, tmp_path: Path) -> Subscriber:
    """Somebody on Starter, ten days into their month, at a Stripe that processes share."""
    stripe = tmp_path / "stripe.sqlite"
    customer = Subscriber(make_app(database_url, sandbox=Sandbox(stripe)))
    customer.pass_days(10)
    return customer


def at_once(customer: Subscriber, tokens: c.Sequence[str]) -> collections.Counter[str]:
    """Let each token be confirmed by a process; what each was told."""
    host = customer.host
    context = multiprocessing.get_context("spawn")
    together, told = context.Barrier(len(tokens)), context.Queue()
    stripe = t.cast("str", host.sandbox.path)

    with host.app.app_context():
        url = host.db.engine.url.render_as_string(hide_password=False)

    workers = [
        context.Process(target=confirm, args=(url, Path(stripe), token, together, told))
        for token in tokens
    ]

    for worker in workers:
        worker.start()

    found = collections.Counter(told.get(timeout=PATIENCE) for _ in workers)

    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0

    return found


def test_one_quote_is_charged_once(customer: Subscriber) -> None:
    quote = customer.quote("pro")
    told = at_once(customer, [quote.token] * PROCESSES)

    assert set(told) <= {"done", "ChangeUnderWayError"}
    assert told["done"] > 0
    assert customer.paid == [quote.due_now, 2900]
    assert customer.changes == [("upgrade", "done")]
    assert customer.plan == ("pro", "month", 1)


def test_of_two_quotes_one_is_charged(customer: Subscriber) -> None:
    quotes = [customer.quote("pro"), customer.quote("enterprise")]
    told = at_once(customer, [quote.token for quote in quotes] * (PROCESSES // 2))

    shown = {quote.plan.key: quote.due_now for quote in quotes}
    done = [row for row in customer.host.rows(SubscriptionChange) if row.state == "done"]
    assert len(done) == 1, told
    assert customer.paid == [shown[done[0].to_plan], 2900]
    assert customer.row.plan == done[0].to_plan
    assert {row.state for row in customer.host.rows(SubscriptionChange)} <= {"done", "failed"}
