"""What one Flask app knows about its billing. ``app.extensions["billing"]`` is one of these."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from flask import Flask, current_app

from . import clock, config
from .catalog import Catalog
from .errors import NotInitialisedError

if t.TYPE_CHECKING:
    import sqlalchemy as sa
    from flask_sqlalchemy import SQLAlchemy

    from .owners import Owner

#: The app itself. An attribute that is looked up on the proxy takes seven times as long, and
#: pages and bookings look for the state all the time.
_app: t.Final[c.Callable[[], Flask]] = t.cast("t.Any", current_app)._get_current_object


@dataclasses.dataclass
class Hooks:
    """The host's answers to our questions, set by the decorators of ``Billing``."""

    owner: c.Callable[[], object] | None = None
    member: c.Callable[[], object] | None = None
    is_member: c.Callable[[Owner, str], bool] | None = None
    admin: c.Callable[[], bool] | None = None
    can_manage_billing: c.Callable[[], bool] | None = None
    is_consumer: c.Callable[[object], bool] | None = None
    jurisdiction: c.Callable[[object], str] | None = None
    currency_for: c.Callable[[object], str | None] | None = None
    retention_mode: c.Callable[[object], str] | None = None
    #: Signal name -> who listens to it in the apps of this ``Billing``.
    listeners: dict[str, list[c.Callable[..., object]]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class StripeAccess:
    """How this app reaches Stripe.

    :param http_client: makes the SDK's HTTP client; None is the SDK's own.
    """

    api_key: str | None = dataclasses.field(default=None, repr=False)
    webhook_secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    http_client: c.Callable[[], object] | None = None
    #: The gateway's client, built at the first call.
    client: object | None = None
    #: Whether this is the offline sandbox.
    sandbox: bool = False


@dataclasses.dataclass(eq=False)
class BillingState:
    """Catalog, hooks, database and Stripe access of one app."""

    app: Flask
    db: SQLAlchemy
    catalog: Catalog
    hooks: Hooks
    stripe: StripeAccess
    #: The sandbox this app runs on, where it does.
    sandbox: object | None = None
    own_engine: sa.Engine | None = None
    #: Whether one connection of it may stay out of its pool between two transactions, and that one.
    keeps_one: bool = False
    at_hand: list[sa.Connection] = dataclasses.field(default_factory=list)
    #: Small per-app caches, by the module that owns them.
    caches: dict[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def webhook_path(self) -> str:
        """Path of the route Stripe posts to."""
        prefix: str = self.app.config["BILLING_URL_PREFIX"]
        return f"{prefix}/webhooks/stripe"

    def use_stripe(
        self,
        *,
        http_client: c.Callable[[], object] | None = None,
        api_key: str,
        webhook_secrets: tuple[str, ...] = (),
        now: clock.Source | None = None,
        sandbox: object | None = None,
    ) -> None:
        """Send this app's calls elsewhere: what ``sandbox.connect(app)`` calls.

        :param http_client: makes the HTTP client the SDK uses.
        :param webhook_secrets: added to the secrets that deliveries may be signed with.
        :param now: source of business time; None keeps the wall clock.
        :raises ConfigError: for a sandbox where the configured key is a live one.
        """
        if sandbox is not None:
            config.refuse_live_sandbox(self.app)

        secrets: tuple[str, ...] = self.app.config["BILLING_STRIPE_WEBHOOK_SECRETS"]

        self.stripe = StripeAccess(
            api_key=api_key,
            webhook_secrets=(*webhook_secrets, *secrets),
            http_client=http_client,
            sandbox=sandbox is not None,
        )
        self.sandbox = sandbox
        self.caches.clear()
        clock.set_source(self.app, now)


def state() -> BillingState:
    """The current app's billing.

    :raises NotInitialisedError: where ``init_app`` was not called on it.
    """
    found: BillingState | None = _app().extensions.get("billing")

    if found is None:
        raise NotInitialisedError

    return found
