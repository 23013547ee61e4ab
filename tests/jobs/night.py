"""A night in which every job has something to do, and the process that runs one may die.

The host, its Stripe, its spool and its mails are files of one folder (on PostgreSQL the host is a
database), so that a night is copied, lived through, and compared with another one.
"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import os
import tomllib
import typing as t
from pathlib import Path

import flask_mailman
import sqlalchemy as sa
from sqlalchemy import event as sqlalchemy_event

from flask_billing import catalog_push, clock, database, metering
from flask_billing.jobs import Outcome, find_job, run_job
from flask_billing.metering import spool
from flask_billing.models import Base, Customer, JobLease, Subscription, WebhookEvent
from flask_billing.sandbox import Sandbox
from flask_billing.signals import NAMES

from ..host import CATALOGS, Host, make_host
from ..payment_methods.cards import Cards
from ..retention.shop import OFFERS, pass_days, visit
from ..subscriptions.leaving import cancel
from ..views.person import Person

SPRING: t.Final = dt.datetime(2027, 3, 3, 12, tzinfo=dt.UTC)
MOVED: t.Final = {
    "name": "A Test", "email": "a@host.example", "line1": "1 Street", "line2": "",
    "postal_code": "53111", "city": "Bonn", "state": "", "country": "DE",
}  # fmt: skip
#: Exit status of a process that died on its way.
DEAD: t.Final = 9
#: Columns that tell when or how often something was tried, or number what was tried.
_OF_THE_ATTEMPT: t.Final = {
    "id", "attempt", "attempts", "next_attempt_at", "received_at", "handled_at", "synced_at",
    "sent_at", "asked_at", "announced_at", "ticket", "applied_ticket", "error",
}  # fmt: skip
_OF_THE_ATTEMPT_IN: t.Final = {
    "billing_outbox": {"created_at"},
    "billing_webhook_event": {"stripe_id"},
}
#: What is not about the work of the jobs.
_ASIDE: t.Final = {"billing_job_lease", "billing_sync_ticket"}


class Night:
    """A running host on such a folder.

    :param catalog: of another version; None is today's.
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        create: bool = False,
        catalog: c.Mapping[str, t.Any] | None = None,
    ) -> None:
        (folder / "mails").mkdir(exist_ok=True)
        self.folder = folder
        self.host = make_host(
            url,
            catalog or catalog_of_today(),
            sandbox=Sandbox(folder / "stripe.sqlite", now=SPRING if create else None),
            create=create,
            BILLING_SPOOL=folder / "spool.jsonl",
            BILLING_BASE_URL="https://host.example",
            BILLING_STRIPE_RETRIES=0,
            # A job takes the same steps however long they take.
            BILLING_LIMIT_CACHE=dt.timedelta(hours=1),
            BILLING_JOB_LEASE=dt.timedelta(hours=1),
            MAIL_BACKEND="file",
            MAIL_FILE_PATH=str(folder / "mails"),
        )
        flask_mailman.Mail(self.host.app)

    def listen(self, before: c.Callable[[], None] = lambda: None) -> None:
        """Write down the signals, each before it is answered for."""
        for name in NAMES:

            def heard(app: object, *, name: str = name, **facts: t.Any) -> None:
                before()

                with (self.folder / "heard").open("a") as file:
                    file.write(f"{name} of customer {facts['customer_id']}\n")

            self.host.billing.on(name)(heard)

    def run(self, name: str) -> Outcome:
        """Run a job."""
        with self.host.app.app_context():
            return run_job(find_job(name))

    def settle(self, name: str) -> Outcome:
        """Let the lease of the dead end, the job run again, and what it left waiting go on."""
        with self.host.app.app_context(), database.transaction() as connection:
            connection.execute(sa.update(JobLease).values(expires_at=None))

        outcome = self.run(name)
        self.host.sandbox.webhooks.deliver()

        for other in ("webhook-retries", "outbox", "mail"):
            self.run(other)

        return outcome

    def die_at(self, turn: int) -> _Steps:
        """End this process, as if it were killed, before that step of its; 0 counts them alone."""
        return _Steps(self, turn)


class _Steps:
    """Statements, commits, calls to Stripe, mails and signals of this process."""

    def __init__(self, night: Night, turn: int) -> None:
        self.count = 0
        self._turn = turn
        host = night.host
        night.listen(self)

        with host.app.app_context():
            for engine in (database.engine(), host.db.engine):
                sqlalchemy_event.listen(engine, "before_cursor_execute", self._statement)
                sqlalchemy_event.listen(engine, "commit", self)

        client: t.Any = host.sandbox.http_client()
        request, send = client.request, flask_mailman.EmailMultiAlternatives.send
        client.request = self._before(request)
        host.state.stripe.http_client = lambda: client
        flask_mailman.EmailMultiAlternatives.send = self._before(send)

    def __call__(self, *_arguments: object) -> None:
        self.count += 1

        if self.count == self._turn:
            os._exit(DEAD)

    def _statement(self, *arguments: object) -> None:
        # Nobody dies of opening a transaction that has nothing in it yet.
        if not str(arguments[2]).startswith("BEGIN"):
            self()

    def _before(self, call: c.Callable[..., t.Any]) -> c.Callable[..., t.Any]:
        def stepping(*arguments: t.Any, **options: t.Any) -> t.Any:
            self()
            return call(*arguments, **options)

        return stepping


def fall(url: str, folder: Path) -> None:
    """Let a night fall in a folder."""
    night = Night(url, folder, create=True)
    host = night.host

    with host.app.app_context():
        catalog_push.push()

    _sell(host)
    _use(host)
    night.run("mail")
    _fail(host)
    host.close()


def _sell(host: Host) -> None:
    """Four customers pay, and the first looks at the way out now and then."""
    host.billing.retention_mode(lambda customer: "inline")

    for owner_id in ("1", "2", "3", "4"):
        Person(host, owner_id).buy("starter")

    pass_days(host, 2)

    with host.app.app_context():
        visit(host.customer(), "unused")
        host.db.session.commit()
        host.sandbox.clock.advance(hours=3)
        run_job(find_job("retention"))

    pass_days(host, 40)

    with host.app.app_context():
        visit(host.customer(), "unused")
        host.db.session.commit()


def _use(host: Host) -> None:
    """Customer 1 uses what is billed and holds more; 6 nearly uses a free day up."""
    with host.app.app_context():
        customer = host.customer()
        metering.record("minutes", 60, customer=customer)
        metering.record("api_calls", 9, customer=host.customer("6"))
        host.billing.reserve("tokens", 100, customer=customer).__enter__()
        at = clock.now().isoformat()
        assert spool.keep(host.state, spool.Fact("minutes", 7, "kept", at, {}, customer.id))

    pass_days(host, 1)
    card = Cards(host, "3").attach("pm_card_mastercard", default=True)
    stripe = host.sandbox.client()
    stripe.v1.payment_methods.update(card, {"card": {"exp_month": 4, "exp_year": 2027}})
    host.sandbox.webhooks.deliver()


def _fail(host: Host) -> None:
    """A listener fails, Stripe is down when 2 leaves, and nobody hears that 4 has left."""

    def fail(app: object, **facts: object) -> None:
        raise OSError("the host's disk is full")

    host.billing.on("subscription.cancel_scheduled")(fail)
    stripe = host.sandbox.client()
    leaving = _subscription_of(host, "3")
    stripe.v1.subscriptions.update(leaving, {"cancel_at_period_end": True})
    host.sandbox.webhooks.deliver()
    person, moving = Person(host, "2"), Person(host, "1")
    person.open("/billing/cancel")
    moving.open("/billing/payment-methods/add")
    Person(host, "5").pay("starter")

    with host.sandbox.outage():
        assert cancel(person).status_code == 503
        assert moving.press("/billing/address", htmx=False, token=None, **MOVED).status_code == 503
        host.sandbox.webhooks.deliver()

    assert host.rows(WebhookEvent, state="failed") != []
    host.sandbox.webhooks.hold()
    stripe.v1.subscriptions.cancel(_subscription_of(host, "4"))
    host.sandbox.webhooks.drop(host.sandbox.webhooks.pending())
    host.sandbox.webhooks.release()

    with host.app.app_context(), database.transaction() as connection:
        connection.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.id <= 3)
            .values(received_at=clock.wall() - dt.timedelta(days=100))
        )


def _subscription_of(host: Host, owner_id: str) -> str:
    (customer,) = host.rows(Customer, owner_id=owner_id)
    (row,) = host.rows(Subscription, customer_id=customer.id)
    return str(row.stripe_id)


def facts_of(night: Night) -> dict[str, list[t.Any]]:
    """All that is known after a night, but for when and how often it was tried."""
    found: dict[str, list[t.Any]] = {}
    host = night.host

    with host.app.app_context(), database.reading() as connection:
        for name, table in Base.metadata.tables.items():
            aside = _OF_THE_ATTEMPT | _OF_THE_ATTEMPT_IN.get(name, set())
            columns = [column for column in table.columns if column.name not in aside]

            if name not in _ASIDE:
                rows = connection.execute(sa.select(*columns)).mappings()
                found[name] = sorted(str(_told(dict(row))) for row in rows)

    events = [event["type"] for event in host.sandbox.events()]
    found["Stripe's events"] = sorted(events)
    found["heard"] = _lines(night.folder / "heard")
    found["mails"] = sorted(
        subject for file in (night.folder / "mails").iterdir() for subject in _subjects(file)
    )
    return found


def _told(facts: dict[str, t.Any]) -> list[tuple[str, object]]:
    """A row without the ticket that an attempt drew, and without the names Stripe makes up."""
    if "dedupe_key" in facts:
        facts["dedupe_key"] = facts["dedupe_key"].rpartition(":")[0]

    if "payload" in facts:
        facts["payload"] = facts["payload"] is not None

    return sorted(facts.items())


def _lines(file: Path) -> list[str]:
    return sorted(file.read_text().splitlines()) if file.exists() else []


def _subjects(file: Path) -> list[str]:
    heads = ("Subject: ", "To: ")
    lines = [line for line in file.read_text().splitlines() if line.startswith(heads)]
    return [f"{one} {other}" for one, other in zip(lines[::2], lines[1::2], strict=True)]


def catalog_of_today() -> dict[str, t.Any]:
    """Plans, a meter that Stripe bills, quotas that roll over, and offers."""
    catalog: dict[str, t.Any] = tomllib.loads((CATALOGS / "ladder.toml").read_text())
    catalog["offers"] = OFFERS
    catalog["meters"]["minutes"] = {"name": "Minutes", "stripe_event": "minutes"}
    catalog["plans"]["free"]["limits"][1].update(included=10, rollover=True)
    catalog["plans"]["starter"]["limits"].append(
        {"meter": "minutes", "included": 50, "policy": "overage", "overage_rate": 200}
    )
    return catalog
