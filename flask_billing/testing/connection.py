"""An app put on the sandbox, and back on the Stripe it had before."""

from __future__ import annotations

import typing as t
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask, g, has_app_context

from .. import clock
from ..sandbox import SandboxError
from ..state import BillingState, StripeAccess
from .moments import Moments

if t.TYPE_CHECKING:
    from ..sandbox import Sandbox


class Connection:
    """What a sandbox changes about an app, remembered and undone."""

    def __init__(self, app: Flask, moments: Moments) -> None:
        if "billing" not in app.extensions:
            raise SandboxError(
                "The app has no billing extension. Call billing.init_app(app) before the test."
            )

        self._app = app
        self._moments = moments
        self._state: BillingState = app.extensions["billing"]
        self._before: tuple[StripeAccess, object, clock.Source | None, object, timedelta] | None
        self._before = None

    @property
    def app_is_closed(self) -> bool:
        """Whether the app is not, or no more, on the sandbox."""
        return self._before is None

    def open(self, sandbox: Sandbox) -> None:
        """Let the app's gateway, clock, hosted pages and webhooks be the sandbox's."""
        config = self._app.config
        before = (
            self._state.stripe,
            self._state.sandbox,
            self._app.extensions.get("billing_clock"),
            self._app.wsgi_app,
            config["BILLING_LIMIT_CACHE"],
        )
        sandbox.connect(self._app, mount=config["BILLING_SANDBOX_PREFIX"])
        wsgi_app = self._moments.after(self._as_in_production(self._app.wsgi_app))
        self._app.wsgi_app = wsgi_app  # type: ignore[method-assign, assignment]
        # A test's next line is to see the limits of what its last line sold.
        config["BILLING_LIMIT_CACHE"] = timedelta(0)
        self._before = before
        self._forget_customer()

    def close(self) -> None:
        """Give the app back as it was."""
        if self._before is None:
            return

        stripe, sandbox, source, wsgi_app, limit_cache = self._before
        self._before = None
        self._state.stripe = stripe
        self._state.sandbox = sandbox
        self._state.caches.clear()
        clock.set_source(self._app, source)
        self._app.wsgi_app = wsgi_app  # type: ignore[method-assign, assignment]
        self._app.config["BILLING_LIMIT_CACHE"] = limit_cache
        self._forget_customer()

    def join_host_transaction(self) -> None:
        """Book everything in ``db.session`` where the test bound that to one connection.

        Such a test rolls back in the end, and transactions of our own would stay. Needs an
        application context.
        """
        if isinstance(self._state.db.session().get_bind(), sa.Connection):
            self._state.caches["own_connection"] = False

    def _forget_customer(self) -> None:
        """Drop what a request knew of who is signed in, from a context that outlives it.

        Tests often run inside one application context, and requests then share its ``g``.
        """
        if has_app_context():
            for name in ("billing_customer", "billing_visitor"):
                g.pop(name, None)

    def _as_in_production(self, app: t.Any) -> t.Any:
        def answer(environ: t.Any, start_response: t.Any) -> t.Any:
            self._forget_customer()

            with self._app.app_context():
                self.join_host_transaction()

            return app(environ, start_response)

        return answer
