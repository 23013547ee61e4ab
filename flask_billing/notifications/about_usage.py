"""Mails about usage: a limit comes near, is reached, or begins afresh."""

from __future__ import annotations

import collections.abc as c
from datetime import datetime

from .. import clock, customers, metering
from ..catalog import Meter, MeteredPrice
from ..formatting import compact, exact, in_units, short_moment
from ..models import Customer
from ..rate_words import RateWords
from ..state import state
from ..translation import gettext as _
from .about_plans import moment
from .letters import Body, Letter, to


def usage_threshold(customer: Customer, body: Body) -> Letter | None:
    """A share of a limit is used."""
    meter = state().catalog.meter(body["meter"])
    reset = moment(body.get("resets_at"))

    if reset is not None and reset <= clock.now():
        return None  # it began afresh meanwhile

    usage = _usage(customer, body)
    goes_on = usage is not None and (usage.goes_on or usage.policy == "soft")
    subject, first = _news(body["percent"], goes_on=goes_on)
    used, limit = _shown(body["used"], meter), _shown(body["limit"], meter)
    further = (
        (_("There is no reset: it is a one-time allowance."),)
        if reset is None
        else (_("It begins afresh on %(when)s.", when=short_moment(reset, customer.timezone)),)
    )
    return Letter(
        "usage_threshold",
        subject % {"percent": body["percent"], "meter": meter.name},
        (first % {"used": used, "limit": limit}, *_beyond(usage, customer, meter), *further),
        action=to(_("See your usage"), "/usage"),
    )


def _news(percent: int, *, goes_on: bool) -> tuple[str, str]:
    """Subject and first sentence: what is included is no stop where more can be used."""
    if goes_on and percent >= 100:
        return (
            _("Your included %(meter)s are used, and you can go on"),
            _("%(used)s of %(limit)s included are used."),
        )

    if goes_on:
        return (
            _("%(percent)s%% of your included %(meter)s are used"),
            _("%(used)s of %(limit)s included are used so far."),
        )

    if percent >= 100:
        return _("Your %(meter)s are used up"), _("%(used)s of %(limit)s are used.")

    return (
        _("%(percent)s%% of your %(meter)s are used"),
        _("%(used)s of %(limit)s are used so far."),
    )


def _usage(customer: Customer, body: Body) -> metering.Usage | None:
    """What a threshold is of, as it stands now; None where nothing limits it so any more."""
    found = [
        usage
        for usage in metering.usages(customer)
        if (usage.meter, usage.window) == (body["meter"], body.get("window"))
    ]
    return max(found, key=lambda usage: usage.limit == body["limit"], default=None)


def _beyond(usage: metering.Usage | None, customer: Customer, meter: Meter) -> c.Iterator[str]:
    """That use goes on beyond what is included, what it costs and where it stops."""
    if usage is not None and usage.policy == "soft":
        yield _("You can go on.")

    if usage is None or not usage.goes_on:
        return

    charge = usage.estimated_charge

    if charge is not None:
        yield _charged(customer, charge.charged_at)
        yield _costs(RateWords(charge.price, charge.currency))
    elif usage.overage_rate is not None:
        rate = MeteredPrice.at_overage_rate(meter.key, usage.overage_rate)
        yield _("You can go on: what you use beyond is charged.")
        yield _costs(RateWords(rate, customers.currency_of(customer)))
    else:
        yield _("You can go on: what you use beyond isn't charged at the moment.")

    if usage.stops_at is not None:
        yield _("It stops at %(most)s.", most=exact(in_units(usage.stops_at, meter)))


def _charged(customer: Customer, at: datetime | None) -> str:
    if at is None:
        return _("You can go on: what you use beyond is charged with your next invoice.")

    return _(
        "You can go on: what you use beyond is charged with your invoice of %(when)s.",
        when=short_moment(at, customer.timezone),
    )


def _costs(words: RateWords) -> str:
    return _("It costs %(rate)s.", rate=words.all())


def quota_refreshed(customer: Customer, body: Body) -> Letter | None:
    """A quota that was used up, or nearly, begins afresh."""
    meter = state().catalog.meter(body["meter"])
    reset = moment(body.get("resets_at"))

    if reset is not None and reset <= clock.now():
        return None

    included = body.get("included")
    first = (
        _("You can use it without a limit again.")
        if included is None or included < 0
        else _(
            "%(amount)s are yours until %(when)s.",
            amount=_shown(included, meter),
            when=short_moment(reset, customer.timezone),
        )
        if reset is not None
        else _("%(amount)s are yours.", amount=_shown(included, meter))
    )
    return Letter(
        "quota_refreshed",
        _("Your %(meter)s begin afresh", meter=meter.name),
        (first,),
        action=to(_("See your usage"), "/usage"),
    )


def _shown(quantity: int, meter: Meter) -> str:
    return compact(in_units(quantity, meter))
