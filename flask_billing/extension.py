"""The extension: ``Billing``, its loaders and decorators, and the steps of ``init_app``."""

from __future__ import annotations

import collections.abc as c
import os
import typing as t
from pathlib import Path

from . import config, signals
from .catalog import Catalog, Window
from .errors import ConfigError
from .models import CreditGrant, Customer, UsageEpoch, include_tables
from .state import BillingState, Hooks, StripeAccess, state

if t.TYPE_CHECKING:
    from datetime import date, datetime, timedelta

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from .access import Access
    from .metering import (
        CycleTotal,
        Decision,
        Dimensions,
        Fact,
        MeteredStream,
        OwnerSummary,
        Recorded,
        Reservation,
        RunSummary,
        Usage,
        UsageSum,
    )
    from .metering.history import By
    from .metering.llm import LlmCall
    from .metering.reservations import OnError
    from .owners import Owner

CatalogSource = Catalog | c.Mapping[str, object] | str | os.PathLike[str]
Loader = t.TypeVar("Loader", bound=c.Callable[..., object])
Chunk = t.TypeVar("Chunk")
View = t.TypeVar("View", bound=c.Callable[..., t.Any])


class Billing:
    """Subscription billing for Flask apps.

    Nothing of an app is kept here, so one instance serves several apps; what an app knows
    is its :class:`~flask_billing.state.BillingState` in ``app.extensions["billing"]``.

    :param db: the host's Flask-SQLAlchemy instance; may be given to :meth:`init_app` instead.
    :param catalog: a TOML path, a :class:`Catalog` or a mapping of its names.
    """

    def __init__(
        self,
        app: Flask | None = None,
        db: SQLAlchemy | None = None,
        catalog: CatalogSource | None = None,
    ) -> None:
        self._db = db
        self._catalog = catalog
        self._hooks = Hooks()

        if app is not None:
            self.init_app(app)

    def init_app(
        self,
        app: Flask,
        db: SQLAlchemy | None = None,
        catalog: CatalogSource | None = None,
    ) -> None:
        """Add billing to an app: settings, tables, catalog, pages, webhook route and commands.

        :raises ConfigError: naming the setting and the fix.
        :raises CatalogError: listing every problem of the catalog.
        """
        if "billing" in app.extensions:
            raise ConfigError("This app already has billing. Call 'init_app' once per app.")

        config.apply_defaults(app)
        database = _database(app, db or self._db)
        include_tables(database.metadata)
        current = BillingState(
            app=app,
            db=database,
            catalog=_catalog(app, catalog or self._catalog),
            hooks=self._hooks,
            stripe=_stripe_access(app),
        )
        app.extensions["billing"] = current
        _add_pages(app)
        _add_commands(app)
        _add_metering(current)
        _add_scheduler(app)

        if app.config["BILLING_SANDBOX"]:
            _add_sandbox(app)

    # Loaders: how the host answers our questions.

    def owner_loader(self, loader: Loader) -> Loader:
        """Register the function that returns who pays; None where nobody is signed in."""
        self._hooks.owner = loader
        return loader

    def member_loader(self, loader: Loader) -> Loader:
        """Register the function that returns who acts inside the owner, for usage by member."""
        self._hooks.member = loader
        return loader

    def is_member(self, hook: Loader) -> Loader:
        """Register the function that says whether somebody named ``member=`` is an owner's."""
        self._hooks.is_member = t.cast("c.Callable[[Owner, str], bool]", hook)
        return hook

    def admin_loader(self, loader: Loader) -> Loader:
        """Register the function that says whether this request may see the admin pages."""
        self._hooks.admin = t.cast(c.Callable[[], bool], loader)
        return loader

    def can_manage_billing(self, hook: Loader) -> Loader:
        """Register the function that says whether the member may change the plan."""
        self._hooks.can_manage_billing = t.cast(c.Callable[[], bool], hook)
        return hook

    def is_consumer(self, hook: Loader) -> Loader:
        """Register the function that says whether a customer buys as a consumer."""
        self._hooks.is_consumer = t.cast(c.Callable[[object], bool], hook)
        return hook

    def jurisdiction(self, hook: Loader) -> Loader:
        """Register the function that names the law a customer is under, as "us-mn" or "de"."""
        self._hooks.jurisdiction = t.cast(c.Callable[[object], str], hook)
        return hook

    def currency_for(self, hook: Loader) -> Loader:
        """Register the function that chooses a new customer's currency, as "eur"."""
        self._hooks.currency_for = t.cast(c.Callable[[object], str | None], hook)
        return hook

    def retention_mode(self, hook: Loader) -> Loader:
        """Register the function that says when a leaving customer may be shown an offer.

        It returns "inline", "after" or "off"; see docs/retention.md.
        """
        self._hooks.retention_mode = t.cast(c.Callable[[object], str], hook)
        return hook

    def on(self, name: str) -> c.Callable[[Loader], Loader]:
        """Register a listener of a domain event, as ``@billing.on("subscription.activated")``.

        It hears the apps of this instance; the blinker signal underneath is sent by all apps.

        :raises KeyError: for a name not in :data:`flask_billing.signals.NAMES`.
        """
        signals.signal(name)

        def register(listener: Loader) -> Loader:
            self._hooks.listeners.setdefault(name, []).append(listener)
            return listener

        return register

    # Customers and access.

    def customer_for(self, owner: object) -> Customer:
        """The customer of an owner, created if new."""
        from . import customers

        return customers.customer_for(owner)

    def close(self, owner: object, *, bill_usage: bool = True) -> Customer | None:
        """End all that could be charged to an owner, then forget who they were.

        Call it before you delete them, with nothing uncommitted. Invoices stay.

        :param bill_usage: whether what they used so far is charged, where a metered price bills
            it. False forgives it.
        :returns: the closed customer; None where the owner never was one.
        :raises BillingError: where something could not be ended: nobody was forgotten, so delete
            nothing, and call it again.
        """
        from . import closing

        return closing.close(owner, bill_usage=bill_usage)

    def access(self, customer: Customer | None = None) -> Access:
        """What a customer may do now, and why. None is the signed-in one."""
        from . import access, customers

        return access.access_for(customer or customers.require_current_customer())

    def requires_plan(self, plan: str) -> c.Callable[[View], View]:
        """Let a view be used from this plan's rank on; others meet the upgrade page (402)."""
        from .views.gates import requires_plan

        return requires_plan(plan)

    def requires_feature(self, feature: str) -> c.Callable[[View], View]:
        """Let a view be used by plans that include this feature; others meet a 402."""
        from .views.gates import requires_feature

        return requires_feature(feature)

    # Metering.

    def check(self, meter: str, quantity: int = 1, *, customer: Customer | None = None) -> Decision:
        """Say whether ``quantity`` would be allowed now. Advice only: nothing is booked."""
        from . import metering

        return metering.check(meter, quantity, customer=customer)

    def consume(
        self,
        meter: str,
        quantity: int = 1,
        *,
        key: str | None = None,
        customer: Customer | None = None,
        **dimensions: t.Unpack[Dimensions],
    ) -> Decision:
        """Book ``quantity`` if the quota allows it, atomically.

        :param key: makes a repeated call book once and give the same answer.
        :raises QuotaExceeded: an HTTP 429 that renders itself; nothing was booked.
        """
        from . import metering

        return metering.consume(meter, quantity, key=key, customer=customer, **dimensions)

    def record(
        self,
        meter: str,
        quantity: int = 1,
        *,
        key: str | None = None,
        at: datetime | None = None,
        customer: Customer | None = None,
        **dimensions: t.Unpack[Dimensions],
    ) -> Decision:
        """Book a fact: always in full, whatever the quota says."""
        from . import metering

        return metering.record(meter, quantity, key=key, at=at, customer=customer, **dimensions)

    def record_many(self, facts: c.Iterable[Fact]) -> list[Recorded]:
        """Book many facts, each exactly once; what became of each."""
        from . import metering

        return metering.record_many(facts)

    def reserve(
        self,
        meter: str,
        amount: int,
        *,
        key: str | None = None,
        ttl: timedelta | None = None,
        on_error: OnError = "release",
        customer: Customer | None = None,
        **dimensions: t.Unpack[Dimensions],
    ) -> Reservation:
        """Hold ``amount`` until it is known what was used, as ``with billing.reserve(...)``.

        :param key: makes a repeated call find the same reservation.
        :param on_error: what leaving the block by an exception does: "release" or "charge".
        :raises QuotaExceeded: where not all of it is left; nothing is held.
        """
        from . import metering

        return metering.reserve(
            meter, amount, key=key, ttl=ttl, on_error=on_error, customer=customer, **dimensions
        )

    def metered_stream(
        self,
        meter: str,
        estimate: int,
        chunks: c.Iterable[Chunk],
        *,
        cost: c.Callable[[Chunk], int],
        key: str | None = None,
        ttl: timedelta | None = None,
        customer: Customer | None = None,
        **dimensions: t.Unpack[Dimensions],
    ) -> MeteredStream[Chunk]:
        """Hold an estimate, pass the chunks on, and settle what they really cost.

        :param cost: units of one chunk.
        :raises QuotaExceeded: where the estimate is not left; before the first chunk.
        """
        from . import metering

        return metering.metered_stream(
            meter, estimate, chunks, cost=cost, key=key, ttl=ttl, customer=customer, **dimensions
        )

    def grant_credits(
        self,
        customer: Customer,
        meter: str,
        amount: int,
        *,
        kind: t.Literal["topup", "promo"],
        source_key: str,
        actor: str,
        reason: str,
        priority: int = 100,
        expires_at: datetime | None = None,
    ) -> CreditGrant:
        """Give a customer units beside the plan's. Flushes on ``db.session``; commit it.

        :param source_key: what they were given for; granting it again does nothing.
        :param priority: of several grants the lowest goes first, then what expires first.
        """
        from . import metering

        return metering.grant_credits(
            customer,
            meter,
            amount,
            kind=kind,
            source_key=source_key,
            actor=actor,
            reason=reason,
            priority=priority,
            expires_at=expires_at,
        )

    def reset_quota(
        self, customer: Customer, meter: str, window: Window, *, actor: str, reason: str
    ) -> UsageEpoch:
        """Let a customer's quota begin afresh now. Flushes on ``db.session``; commit it."""
        from . import metering

        return metering.reset_quota(customer, meter, window, actor=actor, reason=reason)

    def usage(self, meter: str, *, customer: Customer | None = None) -> Usage:
        """How much of a meter is used in its current period."""
        from . import metering

        return metering.usage(meter, customer=customer)

    def history(
        self,
        customer: Customer,
        meter: str | None,
        start: date,
        end: date,
        *,
        by: By | c.Sequence[By] = "day",
    ) -> list[UsageSum]:
        """What was used of a meter in some days (UTC, both included), by day or by a dimension."""
        from . import metering

        return metering.history(customer, meter, start, end, by=by)

    def summary(
        self, owner: Owner | Customer, start: date | None = None, end: date | None = None
    ) -> OwnerSummary:
        """An owner's usage with that of its members; by default in the open invoice cycle."""
        from . import metering

        return metering.summary(owner, start, end)

    def correct(
        self,
        event: str | int,
        quantity: int | None = None,
        *,
        reason: str,
        actor: str,
        meter: str | None = None,
        customer: Customer | None = None,
    ) -> int:
        """Take an event back, or put another quantity in its place, by an event beside it.

        :param event: its key, or its id.
        :returns: units the books changed by; 0 where they said so already.
        """
        from . import metering

        return metering.correct(
            event, quantity, reason=reason, actor=actor, meter=meter, customer=customer
        )

    def record_llm(self, provider: str, model: str, **call: t.Unpack[LlmCall]) -> list[Decision]:
        """Book a whole call of a language model, with its cost, on ``BILLING_LLM_METERS``.

        :param call: ``tokens`` (a total, or a mapping in either vocabulary), ``latency_ms``,
            ``cost``, ``run``, ``phase``, ``key``, ``customer``, ``member`` and more.
        :raises InvalidUsageError: for usage that cannot be booked as asked.
        """
        from . import metering

        return metering.record_llm(provider, model, **call)

    def run_summary(self, run: str, *, customer: Customer | None = None) -> RunSummary:
        """Tokens, time and cost of a run (a job, session or document), by phase."""
        from . import metering

        return metering.run_summary(run, customer=customer)

    def cycle_totals(self, customer: Customer, at: datetime | None = None) -> list[CycleTotal]:
        """What every meter comes to in an invoice cycle; by default the open one."""
        from . import metering

        return metering.cycle_totals(customer, at)

    def metered(
        self, meter: str, quantity: int | c.Callable[[], int] = 1
    ) -> c.Callable[[View], View]:
        """Count each call of a view; a call beyond the quota meets a 429 with a way out.

        :param quantity: units a call costs, or a function that tells for the current request; 0
            is not counted.
        """
        from .metering.decorator import metered
        from .views.gates import signed_out

        return metered(meter, quantity, signed_out=signed_out)

    def counters(self) -> dict[str, int]:
        """Events, outbox rows and subscription changes by state, for the host's metrics."""
        from .doctor import health

        return health.counters()

    @property
    def metering_enabled(self) -> bool:
        """Whether usage is tracked in the current app."""
        return bool(state().app.config["BILLING_METERING_ENABLED"])


def _database(app: Flask, db: SQLAlchemy | None) -> SQLAlchemy:
    found = db or app.extensions.get("sqlalchemy")

    if found is None:
        raise ConfigError(
            "Flask-Billing keeps its tables in the host's Flask-SQLAlchemy database and found "
            "none. Pass it: Billing(db=db), or billing.init_app(app, db=db)."
        )

    return t.cast("SQLAlchemy", found)


def _catalog(app: Flask, source: CatalogSource | None) -> Catalog:
    source = source or app.config["BILLING_CATALOG"]

    if source is None or source == "":
        raise ConfigError(
            "There is no catalog of plans. Pass one, as billing.init_app(app, "
            "catalog='billing.toml'), or set BILLING_CATALOG."
        )

    if isinstance(source, Catalog):
        return source

    if isinstance(source, c.Mapping):
        return Catalog.parse(source)

    if not isinstance(source, (str, os.PathLike)):
        raise ConfigError(
            f"The catalog is {source!r}. Pass the path of a TOML file, a Catalog or a mapping to "
            "init_app, or set BILLING_CATALOG to it."
        )

    return Catalog.load(Path(app.root_path) / source)


def _stripe_access(app: Flask) -> StripeAccess:
    return StripeAccess(
        api_key=app.config["BILLING_STRIPE_SECRET_KEY"],
        webhook_secrets=app.config["BILLING_STRIPE_WEBHOOK_SECRETS"],
    )


def _add_pages(app: Flask) -> None:
    from .views import create_blueprint

    app.register_blueprint(create_blueprint(app.config["BILLING_URL_PREFIX"]))

    if app.url_map.host_matching and any(
        rule.host is None and rule.endpoint.startswith("billing.")
        for rule in app.url_map.iter_rules()
    ):
        raise ConfigError(
            "This app finds its views by host (host_matching=True), and a blueprint names none, so "
            "nobody would find the billing pages. Set app.url_rule_class to a werkzeug Rule that "
            "takes your host where it is given none, before init_app."
        )


def _add_commands(app: Flask) -> None:
    from .cli import billing

    if "billing" not in app.cli.commands:
        app.cli.add_command(billing)


def _add_metering(current: BillingState) -> None:
    from . import afterwards

    afterwards.install(current)

    if current.app.config["BILLING_TRACKING"] != ():
        from .metering import tracking

        tracking.install(current)


def _add_scheduler(app: Flask) -> None:
    if app.config["BILLING_SCHEDULER"] == "embedded":
        from .jobs import embedded

        embedded.install(app)


def _add_sandbox(app: Flask) -> None:
    from .sandbox import Sandbox

    store = app.config["BILLING_SANDBOX_STORE"]

    if store is not None:
        Path(app.instance_path).mkdir(parents=True, exist_ok=True)
        store = Path(app.instance_path) / store

    sandbox = Sandbox(store)
    sandbox.connect(
        app,
        mount=app.config["BILLING_SANDBOX_PREFIX"],
        allow_remote=app.config["BILLING_SANDBOX_ALLOW_REMOTE"],
    )

    if not app.testing:  # tests say when something is delivered
        sandbox.webhooks.automate()
