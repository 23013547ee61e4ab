"""The handle: a Stripe of one's own, for development, demos and tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from flask_billing.sandbox import clock as clock_module
from flask_billing.sandbox import connect as connecting
from flask_billing.sandbox.api import Request
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.clock import Clock
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.faults import Fault
from flask_billing.sandbox.front import Front
from flask_billing.sandbox.http_client import new_http_client
from flask_billing.sandbox.ids import random_text
from flask_billing.sandbox.pages import Pages
from flask_billing.sandbox.person import PersonAtCheckout
from flask_billing.sandbox.settings import API_VERSION, Settings
from flask_billing.sandbox.store import Store
from flask_billing.sandbox.webhooks import Webhooks

if TYPE_CHECKING:
    import stripe
    from _typeshed.wsgi import WSGIApplication

_PUBLIC_URL = "http://localhost/sandbox/stripe"


class Sandbox:
    """A stateful offline Stripe that speaks Stripe's HTTP API.

    ``path`` is a SQLite file that keeps the state, safe with several threads and processes; None
    keeps it in memory. ``now`` starts a fresh sandbox at a moment and freezes its clock there;
    without it the clock follows the wall clock. ``public_url`` is where a browser reaches the
    hosted pages; a mounted sandbox learns it from the requests. ``settings`` are the account's:
    dunning, country, minimum charge.
    """

    api_key = "sk_test_sandbox"
    publishable_key = "pk_test_sandbox"

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        now: datetime | None = None,
        public_url: str | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.has_fixed_public_url = public_url is not None
        url = (public_url or _PUBLIC_URL).rstrip("/")
        self._room = EngineRoom(Store(path), settings or Settings(), url)
        self.webhooks = Webhooks(self._room)
        self._room.on_events = self.webhooks.notify
        self.clock = Clock(self._room, self.webhooks.notify)
        if now is not None:
            self.clock.set(now)
        self._front = Front(self._room, Pages(self._room))
        self.store_id = self._store_id()

    def _store_id(self) -> str:
        with self._room.store.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO meta (name, value) VALUES ('store_id', ?)",
                (random_text(24),),
            )
            row = connection.execute("SELECT value FROM meta WHERE name = 'store_id'").fetchone()
        return str(row[0])

    # ways in

    @property
    def path(self) -> str | None:
        """The file that keeps the state; None is memory."""
        return self._room.store.path

    @property
    def wsgi_app(self) -> WSGIApplication:
        """The WSGI application: the API and the hosted pages, to mount or to serve."""
        return self._front

    @property
    def public_url(self) -> str:
        """Where a browser reaches the hosted pages, without a slash at the end."""
        return self._room.public_url

    @public_url.setter
    def public_url(self, url: str) -> None:
        self.has_fixed_public_url = True
        self._room.public_url = url.rstrip("/")

    def note_public_url(self, url: str) -> None:
        """A browser was seen to reach the hosted pages here; a url that was set wins."""
        if not self.has_fixed_public_url:
            self._room.public_url = url

    def http_client(self) -> stripe.HTTPClient:
        """A transport for stripe-python that calls the sandbox in process."""
        return new_http_client(self._front)

    def client(self, *, max_network_retries: int = 0) -> stripe.StripeClient:
        """A plain ``stripe.StripeClient`` on the sandbox."""
        import stripe

        return stripe.StripeClient(
            self.api_key,
            http_client=self.http_client(),
            stripe_version=API_VERSION,
            max_network_retries=max_network_retries,
        )

    def connect(
        self,
        app: connecting.App,
        *,
        webhook_url: str | None = None,
        mount: str | None = None,
        allow_remote: bool = False,
    ) -> None:
        """Put an app on the sandbox: its gateway, its webhooks and its clock.

        Webhooks are posted, signed, to the app's own route: in process, or over HTTP with
        ``webhook_url``. ``mount`` serves API and pages under a path of the app, to this machine
        only unless ``allow_remote``.
        """
        connecting.connect(
            self, app, webhook_url=webhook_url, mount=mount, allow_remote=allow_remote
        )

    def checkout(self, session_id: str) -> PersonAtCheckout:
        """A person on the hosted page of a Checkout Session."""
        return PersonAtCheckout(self._room, session_id)

    # looking inside

    @property
    def requests(self) -> list[Request]:
        """Every API request this process received, oldest first."""
        return list(self._front.requests)

    def forget_requests(self) -> None:
        """Start the list of requests anew."""
        self._front.requests.clear()

    def events(self, event_type: str | None = None) -> list[Body]:
        """The events so far, oldest first."""
        with self._room.account() as account:
            return [dict(event) for event in account.find("event", parent=event_type)]

    # faults

    def fail(
        self,
        method: str,
        path: str,
        times: int = 1,
        status: int | None = 500,
        *,
        after: bool = False,
        error_type: str | None = None,
        code: str | None = None,
        decline_code: str | None = None,
        message: str | None = None,
        param: str | None = None,
    ) -> None:
        """Break the next requests to an endpoint.

        ``path`` is exact or has ``*`` or ``{object_id}`` for an id. ``status`` None breaks the
        connection; with ``after`` the work is done and its answer lost. ``error_type``, ``code``
        and the others are those of Stripe's error; without them it fits the status.
        """
        self._front.faults.add(
            Fault(
                method.upper(),
                path,
                times,
                status,
                after,
                error_type=error_type,
                code=code,
                decline_code=decline_code,
                message=message,
                param=param,
            )
        )

    def outage(self, on: bool = True) -> Outage:
        """Stripe cannot be reached: until ``outage(False)``, or for the length of a ``with``."""
        self._front.faults.outage = on
        return Outage(self)

    def slow(
        self, seconds: float, method: str | None = None, path: str = "*", times: int = 1
    ) -> None:
        """Every answer takes this long, until ``slow(0)``; with ``method`` only the next ones."""
        if method is None:
            self._front.faults.delay = seconds
        else:
            self._front.faults.add(Fault(method.upper(), path, times, 0, delay=seconds))

    def repair(self) -> None:
        """End all faults."""
        self._front.faults.clear()

    # life

    @contextmanager
    def changing_settings(self, settings: Settings) -> Iterator[None]:
        """Other account settings inside the block."""
        before, self._room.settings = self._room.settings, settings
        try:
            yield
        finally:
            self._room.settings = before

    @property
    def settings(self) -> Settings:
        """The account's settings."""
        return self._room.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._room.settings = settings

    def reset(self) -> None:
        """Forget everything, endpoints and the clock's offset included.

        A frozen clock stays where it is, and the store is the same one, so that an app that is
        connected again has the secret it had.
        """
        with self._room.store.transaction() as connection:
            frozen = clock_module.is_frozen(connection)
            moment = clock_module.read(connection)
        self._room.store.clear()
        with self._room.store.transaction() as connection:
            connection.execute(
                "INSERT INTO meta (name, value) VALUES ('store_id', ?)", (self.store_id,)
            )
            if frozen:
                clock_module.write(connection, moment, frozen=True)
        self.forget_requests()
        self.repair()

    def close(self) -> None:
        """Stop the delivering thread and close the store."""
        self.webhooks.close()
        self._room.store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Outage:
    """An outage that ends with its ``with`` block."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exc: object) -> None:
        self._sandbox.outage(False)
