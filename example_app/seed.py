"""Ninety days of history for the demo, lived through rather than written into tables.

A second app is built on empty databases in a folder of its own, with the sandbox's clock set
90 days back. Then the days pass one by one: workspaces join, buy at Checkout and write, and
every renewal, failed payment and cancellation reaches the app as a signed webhook. What comes
out is put in place at the end, so an interrupted start leaves nothing half-done.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import os
import random
import shutil
import sqlite3
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask import Flask

from flask_billing import Customer, catalog_push, checkout
from flask_billing.sandbox import Sandbox

from . import live_sandbox, writer
from .cast import CAST, Purchase, Role
from .extensions import Base, billing, db
from .models import Draft, Workspace

DAYS = 90
#: The app's database last: where it stands, everything does.
FILES = ("stripe.sqlite", "linnet.sqlite")
#: What an average call comes to.
TOKENS_PER_CALL = 2_400
#: Tokens a day before anything is bought.
FREE_PACE = 1_200
#: Days over which a workspace makes up for what it has used too little.
LAST_DAYS = 5
MODELS = ("linnet-1", "linnet-1", "linnet-1-mini")
#: Drafts that each workspace finds in its list.
DRAFTS = 6
#: Seconds after which another start's folder was left behind by a crash.
LEFT_BEHIND = 600
_RETURN = "http://127.0.0.1/billing/checkout/"


def seed_once(folder: Path) -> None:
    """Fill an instance folder, unless that was done before with the tables of today."""
    if (folder / FILES[-1]).exists() and _has_todays_tables(folder / FILES[-1]):
        return

    click.echo("The first start lives through 90 days of history. This takes some seconds.")

    with _seeded(folder) as made:
        for name in FILES:
            for rest in folder.glob(f"{name}-*"):  # journals of a file that is no more
                rest.unlink()

            os.replace(made / name, folder / name)


def reset(app: Flask) -> None:
    """Start the demo afresh, under a running app: its databases get the content of new ones."""
    folder = Path(app.instance_path)

    with _seeded(folder) as made:
        for name in FILES:
            with (
                contextlib.closing(sqlite3.connect(made / name)) as fresh,
                contextlib.closing(sqlite3.connect(folder / name, timeout=30)) as live,
            ):
                fresh.backup(live)

    live_sandbox.post_webhooks(app)


def _has_todays_tables(file: Path) -> bool:
    """Whether a database of an earlier checkout still fits the models."""
    tables = {**Base.metadata.tables, **Customer.metadata.tables}

    with contextlib.closing(sqlite3.connect(file)) as connection:
        for table in tables.values():
            rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table.name,))

            if not {column.name for column in table.columns} <= {name for (name,) in rows}:
                return False

    return True


@contextlib.contextmanager
def _seeded(folder: Path) -> c.Iterator[Path]:
    """A folder beside the real files, with seeded ones; it is removed afterwards."""
    for left in folder.glob("seeding-*"):
        if time.time() - left.stat().st_mtime > LEFT_BEHIND:
            shutil.rmtree(left, ignore_errors=True)

    made = Path(tempfile.mkdtemp(prefix="seeding-", dir=folder))

    try:
        _live_through(made, today=datetime.now(UTC).replace(microsecond=0))
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _live_through(folder: Path, *, today: datetime) -> None:
    from . import create_app

    start = today - timedelta(days=DAYS)
    Sandbox(folder / FILES[0], now=start).close()
    app = create_app(folder, live=False)

    with app.app_context():
        try:
            db.create_all()
            catalog_push.push()
            _pass_days(live_sandbox.sandbox_of(app), start, today)
        finally:
            live_sandbox.close(app)


def _pass_days(sandbox: Sandbox, start: datetime, today: datetime) -> None:
    sandbox.webhooks.close()  # here each day is delivered before the next begins
    lives = [_Life(role, _workspace(role), sandbox, today) for role in CAST]

    for day in range(DAYS + 1):
        moment = start + timedelta(days=day)
        sandbox.clock.advance(to=moment)
        sandbox.webhooks.deliver()

        for life in lives:
            life.live(moment)

        sandbox.webhooks.deliver()

    sandbox.clock.follow()


def _workspace(role: Role) -> Workspace:
    workspace = Workspace(name=role.name, email=role.email, story=role.story)
    db.session.add(workspace)
    db.session.commit()
    return workspace


@dataclasses.dataclass
class _Life:
    """A workspace on its way through the days."""

    role: Role
    workspace: Workspace
    sandbox: Sandbox
    today: datetime

    def __post_init__(self) -> None:
        self._chance = random.Random(self.role.name)  # noqa: S311  (a story, not a secret)

    @property
    def customer(self) -> Customer:
        """The workspace as a customer, from its first day on."""
        return billing.customer_for(self.workspace)

    def live(self, moment: datetime) -> None:
        """What happens in the 24 hours before this moment, and at it."""
        role = self.role
        ago = (self.today - moment).days

        if ago < role.joined_days_ago:
            self._write(moment)

        if role.purchase is not None and moment == _purchase_day(role.purchase, self.today):
            self._buy(role.purchase)

        if ago == role.card_fails_days_ago:
            live_sandbox.use_card(self.sandbox, self.customer, live_sandbox.FAILING_CARD)

        if ago == role.canceled_days_ago:
            self._cancel()

        if ago == 0:
            self._catch_up(moment)
            self._keep_drafts(moment)

    def _buy(self, purchase: Purchase) -> None:
        started = checkout.start(
            self.customer,
            plan=purchase.plan,
            interval=purchase.interval,
            success_url=f"{_RETURN}success?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=f"{_RETURN}cancelled",
        )
        assert started.session_id is not None
        self.sandbox.checkout(started.session_id).pay(name=self.role.name, email=self.role.email)
        self.sandbox.webhooks.deliver()
        checkout.complete(self.customer, started.session_id)
        db.session.commit()

    def _cancel(self) -> None:
        client = self.sandbox.client()
        subscription = live_sandbox.subscription_id(self.customer)
        client.v1.subscriptions.update(subscription, params={"cancel_at_period_end": True})

    def _write(self, moment: datetime) -> None:
        """A day's work. On most weekends nobody writes."""
        if moment.weekday() >= 5 and self._chance.random() < 0.7:
            return

        paying = billing.access(self.customer).subscription is not None
        pace = self.role.pace if paying else min(self.role.pace, FREE_PACE)
        tokens = round(pace * self._chance.uniform(0.6, 1.4))
        self._record(tokens, moment - timedelta(minutes=self._chance.randint(5, 600)))

    def _record(self, tokens: int, at: datetime) -> None:
        """Book a day as one sum; a real app books each call, as the generator does."""
        customer = self.customer
        calls = max(1, tokens // TOKENS_PER_CALL)
        billing.record("api_calls", calls, at=at, customer=customer, endpoint="/generate")
        billing.record(
            "tokens",
            tokens,
            at=at,
            customer=customer,
            provider="linnet",
            model=self._chance.choice(MODELS),
            endpoint="/generate",
            input_tokens=4 * calls,
            output_tokens=tokens - 4 * calls,
        )

    def _catch_up(self, moment: datetime) -> None:
        """Come to the share of the limit that the workspace's story tells."""
        usage = billing.usage("tokens", customer=self.customer)

        if self.role.used_percent is None or usage.limit is None:
            return

        missing = usage.limit * self.role.used_percent // 100 - usage.used

        if missing <= 0:
            return

        days = LAST_DAYS

        if usage.period_start is not None:
            days = max(1, min(days, (moment - usage.period_start).days))

        for day in range(days):
            share = missing // (days - day)
            missing -= share
            self._record(share, moment - timedelta(days=day, minutes=5))

    def _keep_drafts(self, moment: datetime) -> None:
        """The latest drafts, for the list on the dashboard."""
        for number in range(DRAFTS, 0, -1):
            topic = self.role.topics[number % len(self.role.topics)]
            size = self._chance.choice(writer.LENGTHS[:3])
            key = f"seed{number}:{size.key}:{topic}"
            text = writer.write(topic, size, key)
            db.session.add(
                Draft(
                    workspace_id=self.workspace.id,
                    topic=topic,
                    length=size.key,
                    key=key,
                    words=text.words,
                    tokens=text.tokens,
                    created_at=moment - timedelta(hours=5 * number + self._chance.randint(0, 3)),
                )
            )

        db.session.commit()


def _purchase_day(purchase: Purchase, today: datetime) -> datetime:
    day = today - timedelta(days=purchase.days_ago)
    return live_sandbox.months_on(day, -purchase.months_ago)
