"""The checks, in the order they are made: the table of contents."""

from __future__ import annotations

import collections.abc as c
import importlib
import logging
import typing as t

import sqlalchemy as sa

from .. import missing_tables
from ..errors import BillingError, StripeError
from ..state import state
from . import tables
from .finding import Finding, failure

log = logging.getLogger("flask_billing.doctor")

_DATABASE: t.Final = "See that it runs, can be reached, has room, and is not locked."

Check = c.Callable[[], c.Iterable[Finding]]

#: Name -> function of this package, and whether it asks Stripe.
CHECKS: t.Final[dict[str, tuple[str, bool]]] = {
    "tables": ("tables.check", False),
    "keys": ("keys.check", True),
    "clock": ("skew.check", True),
    "route": ("route.check", False),
    "endpoint": ("endpoint.check", True),
    "destination": ("destination.check", True),
    "catalog": ("catalog.check", True),
    "scheduler": ("scheduler.check", False),
    "inbox": ("queues.inbox", False),
    "outbox": ("queues.outbox", False),
    "changes": ("queues.changes", False),
    "meter-exports": ("queues.meter_exports", False),
    "subscriptions": ("subscriptions.ours", False),
    "metered-items": ("metered_items.check", False),
    "orphans": ("subscriptions.orphans", True),
    "usage": ("usage.check", False),
}


def examine(names: c.Collection[str] = (), *, offline: bool = False) -> list[Finding]:
    """Make the checks.

    :param names: some of :data:`CHECKS`; empty is all.
    :param offline: leave out those that ask Stripe.
    """
    findings: list[Finding] = []

    for name, (where, asks_stripe) in CHECKS.items():
        if (names and name not in names) or (offline and asks_stripe):
            continue

        findings += _made(name, where)

    return findings


def _made(name: str, where: str) -> list[Finding]:
    module, _, function = where.partition(".")
    check: Check = getattr(importlib.import_module(f".{module}", __package__), function)

    try:
        return list(check())
    except StripeError as error:
        return [failure(name, f"Stripe could not be asked: {error}", "Check key and network.")]
    except sa.exc.DBAPIError as error:
        return [_unanswered(name, error)]
    except (BillingError, sa.exc.SQLAlchemyError) as error:
        return [_unmade(name, error)]


def _unanswered(name: str, error: sa.exc.DBAPIError) -> Finding:
    state().db.session.rollback()  # PostgreSQL takes nothing more in what has failed

    if missing_tables.are_the_reason(error):
        return failure(name, "It needs tables that the database lacks.", tables.ADVICE)

    if isinstance(error, sa.exc.OperationalError):
        reason = str(error.orig).splitlines()[0]
        return failure(name, f"The database does not answer: {reason}.", _DATABASE)

    return _unmade(name, error)


def _unmade(name: str, error: Exception) -> Finding:
    log.error("The check %s could not be made", name, exc_info=error)
    reason = str(error).splitlines()[0]
    return failure(name, f"The check could not be made: {reason}", "See the log.")
