"""What a plan costs, ready to be shown: large figure, small print, saving."""

from __future__ import annotations

import collections.abc as c
import dataclasses

import sqlalchemy as sa

from .. import formatting, money
from ..catalog import INTERVALS, Interval, Plan
from ..models import StripePrice
from ..state import state
from ..translation import gettext as _
from . import usage_rates
from .usage_rates import UsageRate

#: (plan key, interval) -> minor units
Amounts = c.Mapping[tuple[str, str], int]


@dataclasses.dataclass(frozen=True)
class PriceTag:
    """One price of a plan.

    :param figure: the large figure, by the month where that is possible.
    :param per: what stands beside it, "/mo".
    :param spoken: the price as a sentence part, for screen readers: "$99 per month".
    :param terms: what is really billed: "billed $986.04 yearly".
    :param saving: "Save $201.96 a year", where it is cheaper than by the month.
    :param usage: what use costs beyond what is included.
    """

    interval: Interval
    amount: int
    currency: str
    figure: str
    per: str
    spoken: str
    terms: str
    saving: str | None = None
    usage: tuple[UsageRate, ...] = ()


def known_amounts(plans: c.Iterable[Plan], currency: str) -> Amounts:
    """What each plan costs per interval in this currency, as far as it is known here.

    A price that only names a Stripe price has its amount in the synced prices.
    """
    found: dict[tuple[str, str], int] = {}
    unknown = False

    for plan in plans:
        for price in plan.prices:
            if price.currency != currency:
                continue

            if price.amount is None:
                unknown = True
            else:
                found[plan.key, price.interval] = price.amount

    return {**_synced_amounts(currency), **found} if unknown else found


def tags(plan: Plan, currency: str, amounts: Amounts) -> dict[Interval, PriceTag]:
    """The plan's prices in this currency by interval; empty where none is known."""
    known = {
        interval: amounts[plan.key, interval]
        for interval in INTERVALS
        if plan.price(interval, currency) is not None and (plan.key, interval) in amounts
    }
    monthly = known.get("month")
    found = {
        interval: _monthly(amount, currency)
        if interval == "month"
        else _yearly(amount, currency, monthly)
        for interval, amount in known.items()
    }

    found = {
        interval: dataclasses.replace(tag, usage=usage_rates.of_plan(plan, interval, currency))
        for interval, tag in found.items()
    }

    if plan.seats is None:
        return found

    return {
        interval: dataclasses.replace(tag, terms=_("per seat, %(terms)s", terms=tag.terms))
        for interval, tag in found.items()
    }


def saving_label(plans: c.Iterable[Plan], amounts: Amounts) -> str | None:
    """What the yearly interval saves over all plans: "Save 17%", "Save up to 20%", or nothing."""
    percents = {
        money.saving_percent(amounts[plan.key, "month"], amounts[plan.key, "year"])
        for plan in plans
        if (plan.key, "month") in amounts and (plan.key, "year") in amounts
    }
    best = max(percents, default=0)

    if best <= 0:
        return None

    text = _("Save %(percent)s%%") if len(percents) == 1 else _("Save up to %(percent)s%%")
    return text % {"percent": best}


def _monthly(amount: int, currency: str) -> PriceTag:
    figure = formatting.price(amount, currency, drop_zeros=True)
    return PriceTag(
        interval="month",
        amount=amount,
        currency=currency,
        figure=figure,
        per=_("/mo"),
        spoken=_("%(price)s per month", price=figure),
        terms=_("billed monthly"),
    )


def _yearly(amount: int, currency: str, monthly: int | None) -> PriceTag:
    share = formatting.price(money.monthly_share(amount), currency, drop_zeros=True)
    total = formatting.price(amount, currency, drop_zeros=True)
    saving = money.yearly_saving(monthly, amount) if monthly is not None else 0
    return PriceTag(
        interval="year",
        amount=amount,
        currency=currency,
        figure=share,
        per=_("/mo"),
        spoken=_("%(price)s per month", price=share),
        terms=_("billed %(price)s yearly", price=total),
        saving=_("Save %(price)s a year", price=formatting.price(saving, currency, drop_zeros=True))
        if saving > 0
        else None,
    )


def _synced_amounts(currency: str) -> dict[tuple[str, str], int]:
    rows = (
        state()
        .db.session.execute(
            sa.select(StripePrice.plan, StripePrice.interval, StripePrice.amount).where(
                StripePrice.currency == currency,
                StripePrice.current.is_(True),
                StripePrice.amount.is_not(None),
            )
        )
        .all()
    )
    return {(row.plan, row.interval): row.amount for row in rows}
