"""Ninety days of the demo's workspaces, lived through rather than written into tables.

The days pass one by one on the sandbox's clock: workspaces join, buy at Checkout and write,
and every renewal, failed payment and cancellation reaches the app as a signed webhook.
"""

from __future__ import annotations

import dataclasses
import random
from datetime import datetime, timedelta

from flask_billing import Customer, checkout, metering
from flask_billing.sandbox import Sandbox

from . import live_sandbox, turns, writer
from .cast import CAST, Purchase, Role
from .extensions import billing, db
from .models import Draft, Workspace

DAYS = 90
#: What an average call comes to.
TOKENS_PER_CALL = 2_400
#: Tokens a day before anything is bought.
FREE_PACE = 1_200
#: Days over which a workspace makes up for what it has used too little.
LAST_DAYS = 5
MODELS = ("linnet-1", "linnet-1", "linnet-1-mini")
#: Drafts that each workspace finds in its list.
DRAFTS = 6
_RETURN = "http://127.0.0.1/billing/checkout/"


def live_through(sandbox: Sandbox, start: datetime, today: datetime) -> None:
    """Let the days from ``start`` to ``today`` pass, on an app with empty tables."""
    sandbox.webhooks.close()  # here each day is delivered before the next begins
    lives = [_Life(role, _workspace(role), sandbox, today) for role in CAST]
    # Given up after its retries, a plan is suspended here, so that there is one to look at.
    settings = dataclasses.replace(sandbox.settings, after_retries="unpaid")

    with sandbox.changing_settings(settings):
        _pass_days(sandbox, lives, start)

    sandbox.clock.follow()


def _pass_days(sandbox: Sandbox, lives: list[_Life], start: datetime) -> None:
    for day in range(DAYS + 1):
        moment = start + timedelta(days=day)
        sandbox.clock.advance(to=moment)
        sandbox.webhooks.deliver()

        for life in lives:
            life.live(moment)

        sandbox.webhooks.deliver()
        metering.export_usage()  # as a job does, every five minutes


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

        if role.calls and billing.access(self.customer).subscription is not None:
            self._call(round(role.calls * self._chance.uniform(0.7, 1.2)))

        if role.purchase is not None and moment == _purchase_day(role.purchase, self.today):
            self._buy(role.purchase)

        for turn in role.turns:
            if ago == turn.days_ago:
                turns.play(turn.act, self.sandbox, self.customer)

        if ago == 0:
            self._catch_up(moment)
            self._catch_up_with_calls()
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
        member = self._member()
        calls = max(1, tokens // TOKENS_PER_CALL)
        billing.record(
            "api_calls", calls, at=at, customer=customer, endpoint="/generate", member=member
        )
        billing.record(
            "tokens",
            tokens,
            at=at,
            customer=customer,
            provider="linnet",
            model=self._chance.choice(MODELS),
            endpoint="/generate",
            member=member,
            input_tokens=4 * calls,
            output_tokens=tokens - 4 * calls,
        )

    def _member(self) -> str | None:
        """Who of the team wrote: the first of it more often than the others."""
        members = self.role.members
        shares = range(len(members), 0, -1)
        return self._chance.choices(members, list(shares))[0] if members else None

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

    def _catch_up_with_calls(self) -> None:
        usage = billing.usage("api_calls", customer=self.customer)

        if self.role.calls_percent is not None and usage.limit is not None:
            missing = usage.limit * self.role.calls_percent // 100 - usage.used

            if missing > 0:
                self._call(missing)

    def _call(self, calls: int) -> None:
        """What scripts of the workspace ask for, as one sum."""
        billing.record("api_calls", calls, customer=self.customer, endpoint="/api/write")

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
