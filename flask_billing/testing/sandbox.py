"""The sandbox under a host's tests: connected to the app, webhooks prompt, factories at hand."""

from __future__ import annotations

import collections.abc as c
import contextlib
import typing as t
import warnings
from datetime import UTC, datetime, timedelta

from flask import Flask, has_app_context

from .. import clock, database
from ..sandbox import Sandbox, SandboxError, Settings
from ..sandbox.http_client import new_http_client
from ..sandbox.settings import API_VERSION
from . import cards
from .connection import Connection
from .customer import SandboxCustomer
from .moments import Moments
from .prices import make_prices_of_the_account
from .visit import Visit

if t.TYPE_CHECKING:
    import stripe
    from werkzeug.test import Client, TestResponse

_DAY: t.Final = timedelta(days=1)


class WebhookFailedWarning(UserWarning):
    """The app answered a webhook with an error, so Stripe would deliver it again."""


class StripeSandbox(Sandbox):
    """An offline Stripe under one app, for the length of a ``with`` block or a test.

    It is the sandbox's handle with what tests of an app need besides. Webhooks are posted to the
    app, signed, whenever it has answered a request and whenever this handle was used; never in
    the middle of the app's own work. Afterwards the app is on the Stripe it had before.

    :param now: where the clock stands still first; None is the present second.
    :param settings: of the Stripe account, as its dunning.
    """

    def __init__(
        self, app: Flask, *, now: datetime | None = None, settings: Settings | None = None
    ) -> None:
        super().__init__(now=now or clock.wall().replace(microsecond=0), settings=settings)
        self.app = app
        self._moments = Moments(self.deliver)
        self._room.on_events = self._moments.happened
        self._connection = Connection(app, self._moments)

    def __enter__(self) -> t.Self:
        with self.app.app_context():
            make_prices_of_the_account(self)  # before there is anybody to hear of it

        self._connection.open(self)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._connection.close()
        self.close()

    # Who pays.

    def customer(self, owner: object, *, card: str | None = cards.PAYS) -> SandboxCustomer:
        """The customer of an owner, known to Stripe.

        :param owner: what your owner loader returns.
        :param card: number or token of the card to pay with; None keeps what there is.
        """
        with self.in_app():
            return SandboxCustomer(self, owner, card=card)

    def subscribe(self, owner: object, plan: str, **options: t.Any) -> SandboxCustomer:
        """The customer of an owner, on a plan; see :meth:`SandboxCustomer.subscribe`."""
        card = options.pop("card", cards.PAYS)
        return self.customer(owner, card=card).subscribe(plan, **options)

    def buy(
        self,
        client: Client,
        plan: str,
        interval: str | None = None,
        *,
        quantity: int | None = None,
        card: str = cards.PAYS,
    ) -> TestResponse:
        """Buy a plan on the app's pages, as who is signed in on a test client.

        Opens the plans page, presses the button, pays on the hosted page, 3-D Secure included,
        and comes back; returns the page seen then.

        :raises CardDeclinedError: where the card is refused.
        :raises SandboxError: where the app opened no checkout, with what it answered.
        """
        return Visit(self, client).buy(plan, interval, quantity, card)

    # What happens by itself.

    def advance(
        self,
        *,
        to: datetime | None = None,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
    ) -> datetime:
        """Let time pass, a day at a time: the app receives each day's webhooks on that day."""
        step = timedelta(days=days, hours=hours, minutes=minutes)
        target = to if to is not None else self.clock.now() + step

        while (moment := min(target, self.clock.now() + _DAY)) < target:
            self.clock.advance(to=moment)
            self.deliver()

        self.clock.advance(to=target)
        self.deliver()
        return self.clock.now()

    def advance_to_renewal(self, period_end: int) -> None:
        """Let time pass until a period's end, the hour its invoice stays a draft, and a minute.

        :param period_end: in seconds since the epoch, as Stripe says it.
        """
        wait = timedelta(seconds=self.settings.draft_seconds + 60)
        self.advance(to=datetime.fromtimestamp(period_end, UTC) + wait)

    def deliver(self) -> None:
        """Post the webhooks that wait, unless they are held.

        Warns with :class:`WebhookFailedWarning` where the app answers with an error.
        """
        with self._moments.quiet():
            made = self.webhooks.deliver(due_only=True)

        failed = [f"{name} ({status})" for name, status in made if not 200 <= status < 300]

        if failed:
            warnings.warn(
                f"The app answered webhooks with an error: {', '.join(failed)}. "
                "'flask_billing.models.WebhookEvent' keeps each traceback in 'error'.",
                WebhookFailedWarning,
                stacklevel=2,
            )

    # Ways in.

    def client(self, *, max_network_retries: int = 0) -> stripe.StripeClient:
        """A plain ``stripe.StripeClient`` for the test itself."""
        import stripe

        return stripe.StripeClient(
            self.api_key,
            http_client=new_http_client(self.wsgi_app),
            stripe_version=API_VERSION,
            max_network_retries=max_network_retries,
        )

    def http_client(self) -> stripe.HTTPClient:
        """The app's own transport: what it causes is delivered after its work."""
        return new_http_client(self._moments.after(self.wsgi_app, deliver=False))

    def rename(self, kind: str, object_id: str, name: str) -> None:
        """Let an object have the id that a real account gave it."""
        with self._room.account() as account:
            body = account.require(kind, object_id)
            account.forget(body)
            account.add({**body, "id": name})

    @contextlib.contextmanager
    def in_app(self) -> c.Iterator[None]:
        """An application context of its own, in which the app's rows are read and written.

        :raises HostSessionBusyError: where the test holds changes it has not committed.
        """
        if self._connection.app_is_closed:
            raise SandboxError("This sandbox is closed: it lasts for one test or one 'with' block.")

        if has_app_context():
            self._connection.join_host_transaction()
            database.refuse_busy_session("the sandbox's factories")

        with self._moments.quiet(), self.app.app_context():
            self._connection.join_host_transaction()
            yield

        self.deliver()
