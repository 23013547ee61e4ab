"""What admins changed of a customer's quotas: when, what, who and why, the newest first."""

from __future__ import annotations

import dataclasses
from datetime import datetime

import sqlalchemy as sa

from .. import clock, formatting, metering
from ..catalog import UNLIMITED
from ..metering.overrides import overrides_of
from ..models import Customer, UsageEpoch
from ..state import state
from ..translation import gettext as _
from . import admin_actions


@dataclasses.dataclass(frozen=True)
class Entry:
    """One change.

    :param override_id: of an override that holds, or will, and can be ended.
    """

    at: datetime
    what: str
    actor: str
    reason: str
    until: datetime | None = None
    override_id: int | None = None


def entries(customer: Customer) -> list[Entry]:
    """All changes of one customer."""
    found = [*_overrides(customer), *_grants(customer), *_resets(customer)]
    return sorted(found, key=lambda entry: entry.at, reverse=True)


def _overrides(customer: Customer) -> list[Entry]:
    now = clock.now()
    return [
        Entry(
            row.created_at,
            _(
                "%(meter)s: limit %(limit)s, %(window)s",
                meter=_meter(row.meter),
                limit=_limit(row.meter, row.limit),
                window=_window(row.window) if row.window else _("every period"),
            ),
            row.actor,
            row.reason,
            row.ends_at,
            row.id if row.ends_at is None or row.ends_at > now else None,
        )
        for row in overrides_of(customer)
    ]


def _grants(customer: Customer) -> list[Entry]:
    return [
        Entry(
            row.created_at,
            _(
                "%(meter)s: %(amount)s credits, %(used)s used",
                meter=_meter(row.meter),
                amount=_amount(row.meter, row.amount),
                used=_amount(row.meter, row.used),
            ),
            row.actor or "",
            row.reason or (_("Left over from the period before") if row.kind == "rollover" else ""),
            row.expires_at,
        )
        for row in metering.credits_of(customer)
    ]


def _resets(customer: Customer) -> list[Entry]:
    rows = state().db.session.scalars(
        sa.select(UsageEpoch).where(UsageEpoch.customer_id == customer.id)
    )
    return [
        Entry(
            row.starts_at,
            _("%(meter)s: reset, %(window)s", meter=_meter(row.meter), window=_window(row.window)),
            row.actor,
            row.reason,
        )
        for row in rows
    ]


def _meter(key: str) -> str:
    """Its name; a meter the catalog no longer has keeps its key."""
    return next((meter.name for meter in state().catalog.meters if meter.key == key), key)


def _amount(key: str, amount: int) -> str:
    for meter in state().catalog.meters:
        if meter.key == key:
            return formatting.exact(formatting.in_units(amount, meter))

    return formatting.exact(amount)


def _limit(key: str, limit: int | None) -> str:
    if limit is None:
        return _("of the plan")

    return _("unlimited") if limit == UNLIMITED else _amount(key, limit)


def _window(window: str) -> str:
    return admin_actions.windows().get(window, window).lower()
