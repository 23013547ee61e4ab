"""What an admin's forms ask for: an override, credits, a reset, each with who and why."""

from __future__ import annotations

import collections.abc as c
import secrets
import typing as t
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, DecimalException

from .. import metering
from ..catalog import UNLIMITED, Meter, Window
from ..catalog_values import LARGEST
from ..metering import overrides
from ..models import Customer
from ..state import state
from ..translation import gettext as _
from .actors import actor

Form = c.Mapping[str, str]


class UnclearFormError(ValueError):
    """A form that cannot be followed. The text is for the admin who sent it."""


def override(customer: Customer, form: Form) -> None:
    """Give the customer a limit of their own, until a day or for good."""
    meter = _meter(form)
    kind = form.get("limit_kind", "number")
    limits = {"number": None, "unlimited": UNLIMITED, "blocked": 0, "plan": None}

    if kind not in limits:
        raise UnclearFormError(_("Choose what the limit is. Nothing was changed."))

    overrides.set_override(
        customer,
        meter.key,
        _amount(form, meter, least=0) if kind == "number" else limits[kind],
        actor=actor(),
        reason=_reason(form),
        window=_window(form) if form.get("window") else None,
        ends_at=_end(form),
    )


def grant(customer: Customer, form: Form) -> None:
    """Give the customer credits; the form sent twice gives them once."""
    meter = _meter(form)
    key = form.get("key", "")
    metering.grant_credits(
        customer,
        meter.key,
        _amount(form, meter, least=1),
        kind="promo",
        source_key=f"admin:{key if key.isalnum() and len(key) <= 64 else new_key()}",
        actor=actor(),
        reason=_reason(form),
        expires_at=_end(form),
    )


def reset(customer: Customer, form: Form) -> None:
    """Let one quota, a meter in one of its windows, begin afresh."""
    quota = form.get("quota", "")

    if quota not in quotas(customer):
        raise UnclearFormError(_("There is no such quota. Nothing was changed."))

    meter, _colon, window = quota.partition(":")
    metering.reset_quota(
        customer, meter, t.cast(Window, window), actor=actor(), reason=_reason(form)
    )


def new_key() -> str:
    """What makes a form sent twice one grant."""
    return secrets.token_hex(16)


def windows() -> dict[str, str]:
    """The windows there are, in words."""
    return {
        "hour": _("Hour"),
        "day": _("Day"),
        "week": _("Week"),
        "month": _("Month"),
        "billing_period": _("Billing period"),
        "lifetime": _("One-time allowance"),
    }


def quotas(customer: Customer) -> dict[str, str]:
    """Meter and window of each of the customer's limits -> the two in words."""
    names = windows()
    return {
        f"{usage.meter}:{usage.window}": f"{usage.name}, {names[usage.window].lower()}"
        for usage in metering.usages(customer)
        if usage.window is not None
    }


def _meter(form: Form) -> Meter:
    key = form.get("meter", "")

    for meter in state().catalog.meters:
        if meter.key == key:
            return meter

    raise UnclearFormError(_("There is no such meter. Nothing was changed."))


def _window(form: Form) -> Window:
    window = form.get("window", "")

    if window not in t.get_args(Window):
        raise UnclearFormError(_("There is no such period. Nothing was changed."))

    return t.cast(Window, window)


def _reason(form: Form) -> str:
    reason = form.get("reason", "").replace("\0", "").strip()  # databases keep no NUL

    if not reason:
        raise UnclearFormError(_("Say why: it is kept with the change. Nothing was changed."))

    return reason[:2000]


def _amount(form: Form, meter: Meter, *, least: int) -> int:
    """The amount in smallest units, sent in those the meter is shown in."""
    try:
        amount = Decimal(form.get("amount", "").strip()) * meter.scale
    except DecimalException:
        amount = Decimal("NaN")

    # Bounded first: "1e999999" takes minutes to be written out.
    if (
        not amount.is_finite()
        or not least <= amount <= LARGEST
        or amount != amount.to_integral_value()
    ):
        raise UnclearFormError(_("Give the amount as a whole number. Nothing was changed."))

    return int(amount)


def _end(form: Form) -> datetime | None:
    """The end of the day that was given (UTC)."""
    text = form.get("until", "").strip()

    if not text:
        return None

    try:
        day = date.fromisoformat(text)
        return datetime.combine(day, time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise UnclearFormError(_("Give the day as 2026-11-30. Nothing was changed.")) from None
