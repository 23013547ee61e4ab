"""Plans as code: what is sold, at which price, with which limits.

A catalog is a TOML file or Python calling :class:`Catalog` with the same names. It is
immutable once loaded. ``flask billing catalog push`` brings Stripe in line with it, and
docs/catalog.md describes every key.

Annotations are not postponed here: the fields are read by them.
"""

import collections.abc as c
import hashlib
import os
import typing as t

from . import catalog_file, catalog_rules
from .catalog_form import Part, Text, Whole
from .catalog_metered import MeteredPrice as MeteredPrice
from .catalog_metered import Tier as Tier
from .catalog_offers import Experiment as Experiment
from .catalog_offers import Offer as Offer
from .catalog_offers import Variant as Variant
from .catalog_values import LARGEST, Count, Currency, Key, Link, Percent, Positive, Title
from .errors import CatalogError, UnknownPlanError

Interval = t.Literal["month", "year"]
Window = t.Literal["hour", "day", "week", "month", "billing_period", "lifetime"]
Scope = t.Literal["customer", "member"]
Policy = t.Literal["hard", "soft", "overage", "credits"]

INTERVALS: t.Final[tuple[Interval, ...]] = ("month", "year")
UNLIMITED: t.Final = -1


class Meter(Part):
    """Something that is counted, in whole numbers of its smallest unit."""

    key: Key
    name: Title
    #: Singular word for one unit, shown in texts: "token".
    unit: Title = "unit"
    #: Smallest units in one shown unit, for meters kept finer than they are shown.
    scale: Positive = 1
    #: Whether quantities add up, or each event counts one.
    aggregation: t.Literal["sum", "count"] = "sum"
    #: Event name of the Stripe Billing Meter, where usage is billed by Stripe.
    stripe_event: str | None = None
    #: Names of what usage is broken down by, beside the built-in ones.
    dimensions: tuple[str, ...] = ()
    #: What a request meets while the usage store is down: "open" goes on, "closed" answers 503.
    on_error: t.Literal["open", "closed"] = "open"


class Limit(Part):
    """How much of a meter a plan includes in one window."""

    #: Key of the meter.
    meter: Key
    #: Smallest units per window; -1 is unlimited, 0 is not included.
    included: t.Annotated[int, Whole(UNLIMITED, LARGEST)]
    #: What the amount is for; "lifetime" is given once and never renewed.
    window: Window = "billing_period"
    #: Whether the customer has it as a whole, or each member.
    scope: Scope = "customer"
    #: What happens beyond it: refused, allowed, allowed and billed, or taken from credits.
    policy: Policy = "hard"
    #: Price of one unit beyond the included ones, in millionths of the currency's minor unit,
    #: where the plan's prices have no metered one for it.
    overage_rate: Count | None = None
    #: Most units beyond the included ones; without it there is no cap.
    overage_cap: Count | None = None
    #: Percent at which a notice is given.
    thresholds: tuple[Percent, ...] = (80, 95, 100)
    #: Whether what is left is added to the next window.
    rollover: bool = False

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever refused."""
        return self.included == UNLIMITED


class Price(Part):
    """What a plan costs for one interval in one currency."""

    interval: Interval
    #: Minor units. May be left out where ``stripe_price`` or ``lookup_key`` names a price that
    #: was made at Stripe.
    amount: Count | None = None
    #: Three letters; the catalog's where left out.
    currency: Currency | None = None
    #: Id of a price made at Stripe, which push checks and never creates.
    stripe_price: t.Annotated[str, Text(least=1, most=255)] | None = None
    #: Stripe's name for the price, instead of ``billing_<plan>_<interval>_<currency>``.
    lookup_key: t.Annotated[str, Text(least=1, most=200)] | None = None
    #: Stripe price ids this price had before; subscriptions on them keep the plan.
    former: tuple[str, ...] = ()
    #: Whether the amount holds the tax.
    tax_behavior: t.Literal["inclusive", "exclusive", "unspecified"] = "unspecified"
    #: What Stripe bills beside it for units that the plan does not include.
    metered: tuple[MeteredPrice, ...] = ()

    def metered_by(self, meter: str) -> MeteredPrice | None:
        """What units of a meter cost beyond the included ones, where Stripe bills them."""
        return next((price for price in self.metered if price.meter == meter), None)


class Feature(Part, shorthand="text"):
    """A line of the feature list."""

    text: Title
    #: A line that is not included is shown crossed out.
    included: bool = True
    #: What "requires_feature" asks for.
    key: Key | None = None


class Seats(Part):
    """Bounds of a plan that is sold per seat."""

    min: Positive = 1
    max: Positive | None = None


class Plan(Part):
    """What a customer can be on. A plan without prices and contact is the free plan."""

    key: Key
    name: Title
    #: A line below the name.
    description: t.Annotated[str, Text(most=500)] = ""
    #: Higher is more. Decides upgrade from downgrade, and which of two live plans counts.
    rank: t.Annotated[int, Whole()] = 0
    features: tuple[Feature, ...] = ()
    #: Days of trial for an owner who never had one.
    trial_days: t.Annotated[int, Whole(0, 730)] = 0
    #: Kept by those who have it, hidden from everybody else.
    archived: bool = False
    #: Marked on the plans page as the one most people want.
    highlight: bool = False
    #: URL or mailto address of "Talk to us", for a plan without a public price.
    contact: Link | None = None
    prices: tuple[Price, ...] = ()
    limits: tuple[Limit, ...] = ()
    #: Limits that hold while the plan is on trial, instead of ``limits``.
    trial_limits: tuple[Limit, ...] | None = None
    #: Makes the plan one that is sold per seat; prices are then for one seat.
    seats: Seats | None = None
    #: Stripe's tax code of the product, as "txcd_10103001".
    tax_code: str | None = None

    @property
    def is_free(self) -> bool:
        """Whether customers are on this plan without buying anything."""
        return not self.prices and self.contact is None

    def price(self, interval: str, currency: str) -> Price | None:
        """The price for that interval and currency, or None where it is not sold so."""
        for price in self.prices:
            if price.interval == interval and price.currency == currency:
                return price

        return None

    def bills(self, meter: str) -> bool:
        """Whether Stripe bills what is used of a meter beyond what the plan includes."""
        return any(price.metered_by(meter) is not None for price in self.prices)

    def price_beyond(self, limit: Limit, interval: str, currency: str) -> MeteredPrice | None:
        """What units beyond a limit cost, of who pays by that interval; None where none is sold.

        Stripe bills by a metered price, and the app itself by an ``overage_rate``.
        """
        if limit.policy != "overage":
            return None

        if limit.overage_rate is not None:
            return MeteredPrice.at_overage_rate(limit.meter, limit.overage_rate)

        price = self.price(interval, currency)
        return None if price is None else price.metered_by(limit.meter)

    def in_currency(self, currency: str) -> "Plan":
        """The same plan, with prices that named no currency in this one."""
        prices = tuple(
            price if price.currency else price.replace(currency=currency) for price in self.prices
        )
        return self.replace(prices=prices)

    def has_feature(self, key: str) -> bool:
        """Whether the feature of that key is included."""
        return any(feature.key == key and feature.included for feature in self.features)

    def limits_for(self, *, trialing: bool) -> tuple[Limit, ...]:
        """The limits in force, on trial or paid."""
        if trialing and self.trial_limits is not None:
            return self.trial_limits

        return self.limits


class Catalog(Part):
    """Everything that is sold. Build one with :meth:`load`, or in Python by these names."""

    #: Of prices and discounts that name none.
    currency: Currency = "usd"
    #: What is counted, by key.
    meters: tuple[Meter, ...] = ()
    #: What is sold, by key.
    plans: tuple[Plan, ...]
    #: Retention offers, the first that fits is shown.
    offers: tuple[Offer, ...] = ()
    #: What is tried out with the offers.
    experiment: Experiment | None = None
    #: Limits of a customer who has no plan at all, in a catalog without a free one.
    default_limits: tuple[Limit, ...] = ()
    _source = "(Python)"

    def _hold(self, fields: c.Mapping[str, object]) -> None:
        super()._hold(fields)
        # Prices that name no currency are in the catalog's.
        vars(self)["plans"] = tuple(plan.in_currency(self.currency) for plan in self.plans)

    def _check(self) -> None:
        problems = list(catalog_rules.problems(self))

        if problems:
            raise CatalogError(self._source, problems)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Catalog":
        """Read a TOML file.

        :raises CatalogError: listing every problem with its path in the file.
        """
        return cls.parse(catalog_file.read(path), source=os.fspath(path))

    @classmethod
    def parse(cls, content: c.Mapping[str, object], *, source: str = "(Python)") -> "Catalog":
        """Build a catalog from plain mappings, as :mod:`tomllib` gives them.

        :raises CatalogError: listing every problem with its path.
        """
        catalog = catalog_file.build(cls, content, source)
        vars(catalog)["_source"] = source
        return catalog

    @property
    def source(self) -> str:
        """Where it came from, for messages."""
        return self._source

    @property
    def fingerprint(self) -> str:
        """Sixteen characters, by which processes see whether they have the same catalog."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def free_plan(self) -> Plan | None:
        """The plan new customers are on, or None where nothing is free."""
        return next((plan for plan in self.plans if plan.is_free and not plan.archived), None)

    @property
    def public_plans(self) -> tuple[Plan, ...]:
        """The plans to show, lowest rank first."""
        return tuple(
            sorted((plan for plan in self.plans if not plan.archived), key=lambda plan: plan.rank)
        )

    def plan(self, key: str | None) -> Plan | None:
        """The plan of that key, archived ones too, or None."""
        return next((plan for plan in self.plans if plan.key == key), None)

    def offer(self, key: str) -> Offer | None:
        """The offer of that key, or None."""
        return next((offer for offer in self.offers if offer.key == key), None)

    def meter(self, key: str) -> Meter:
        """The meter of that key.

        :raises KeyError: with the keys there are.
        """
        for meter in self.meters:
            if meter.key == key:
                return meter

        known = ", ".join(meter.key for meter in self.meters) or "none"
        raise KeyError(f"The catalog has no meter {key!r}. It has: {known}.")

    def reported_window(self, meter: str) -> Window | None:
        """The window whose counters are reported to Stripe, so that each unit is so once.

        The invoice's cycle where any plan limits the meter in it, as a meter does that no plan
        limits; else that of an overage, and else the longest. None where only members have limits.
        """
        every = self._limits_of(meter)
        mine = [limit for limit in every if limit.scope == "customer"]

        if not every or any(limit.window == "billing_period" for limit in mine):
            return "billing_period"

        chosen = [limit for limit in mine if limit.policy == "overage"] or mine
        return max((limit.window for limit in chosen), key=_BY_LENGTH.index, default=None)

    def is_billed(self, meter: str) -> bool:
        """Whether any plan has a metered price for a meter."""
        return any(plan.bills(meter) for plan in self.plans)

    def _limits_of(self, meter: str) -> list[Limit]:
        lists = [self.default_limits]

        for plan in self.plans:
            lists += [plan.limits, plan.trial_limits or ()]

        return [limit for limits in lists for limit in limits if limit.meter == meter]

    def purchasable(self, plan: str | None, interval: str | None, currency: str) -> Price:
        """The price a checkout may sell: of a plan that is public and not free.

        :raises UnknownPlanError: for anything else; views answer 404.
        """
        found = self.plan(plan)

        if found is not None and not found.archived and interval is not None:
            price = found.price(interval, currency)

            if price is not None:
                return price

        raise UnknownPlanError(
            f"There is no plan {plan!r} by the {interval!r} in {currency!r} to buy. "
            "Nothing was charged. The plans page lists what there is."
        )

    def next_plan(self, plan: Plan | None, meter: str | None = None) -> Plan | None:
        """The plan to suggest to someone who ran out: the next rank that offers more.

        :param meter: only a plan that includes more of this meter.
        """
        for candidate in self.public_plans:
            if candidate.is_free or (plan is not None and candidate.rank <= plan.rank):
                continue

            if meter is None or _offers_more(candidate, plan, meter):
                return candidate

        return None


#: Windows, the shortest first.
_BY_LENGTH: t.Final[tuple[Window, ...]] = (
    "hour", "day", "week", "month", "billing_period", "lifetime",
)  # fmt: skip


def lookup_key(plan: Plan, price: Price) -> str:
    """The Stripe lookup key of a price: the catalog's own, or a name made of plan and terms."""
    return price.lookup_key or f"billing_{plan.key}_{price.interval}_{price.currency}"


def metered_lookup_key(plan: Plan, price: Price, metered: MeteredPrice) -> str:
    """The Stripe lookup key of a metered price. No key holds a colon, so it is nobody else's."""
    return f"billing_{plan.key}_{price.interval}_{price.currency}:{metered.meter}"


def _offers_more(candidate: Plan, plan: Plan | None, meter: str) -> bool:
    def most(owner: Plan | None) -> float:
        amounts = (
            [limit.included for limit in owner.limits if limit.meter == meter] if owner else []
        )
        return float("inf") if UNLIMITED in amounts else max(amounts, default=0)

    return most(candidate) > most(plan)
