"""Plans as code: what is sold, at which price, with which limits.

A catalog is a TOML file or Python calling :class:`Catalog` with the same names. It is
immutable once loaded. ``flask billing catalog push`` brings Stripe in line with it, and
docs/catalog.md describes every key.

Annotations are not postponed here: pydantic would read each back from text at every start.
"""

import collections.abc as c
import os
import typing as t

import pydantic as p

from . import catalog_file, catalog_rules
from .errors import CatalogError, UnknownPlanError

Interval = t.Literal["month", "year"]
Window = t.Literal["hour", "day", "week", "month", "billing_period", "lifetime"]
Policy = t.Literal["hard", "soft", "overage", "credits"]

INTERVALS: t.Final[tuple[Interval, ...]] = ("month", "year")
UNLIMITED: t.Final = -1


def _whole(value: object) -> object:
    # 29.00 would quietly become 29 cents.
    if isinstance(value, bool | float):
        raise ValueError(f"{value!r} is not a whole number; amounts are in minor units, as cents")

    return value


WHOLE: t.Final = p.BeforeValidator(_whole)
Whole = t.Annotated[int, WHOLE]
Count = t.Annotated[int, p.Field(ge=0), WHOLE]
#: A key is part of URLs, metadata and Stripe lookup keys, so it is kept plain.
Key = t.Annotated[str, p.StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Currency = t.Annotated[str, p.StringConstraints(pattern=r"^[A-Za-z]{3}$", to_lower=True)]
Text = t.Annotated[str, p.StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
#: Rendered as a link, so nothing that runs: no ``javascript:``.
Link = t.Annotated[str, p.StringConstraints(pattern=r"^(https?://|mailto:|/)", max_length=500)]
Percent = t.Annotated[int, p.Field(ge=1, le=1000), WHOLE]


class Part(p.BaseModel):
    """A table of the catalog."""

    # Read from a file, only the catalog as a whole is validated: the parts need no validators
    # of their own before somebody makes one in Python.
    model_config = p.ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Meter(Part):
    """Something that is counted, in whole numbers of its smallest unit."""

    key: Key
    name: Text
    #: Singular word for one unit, shown in texts: "token".
    unit: Text = "unit"
    #: Smallest units in one shown unit, for meters kept finer than they are shown.
    scale: t.Annotated[int, p.Field(ge=1), WHOLE] = 1
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
    included: t.Annotated[int, p.Field(ge=UNLIMITED), WHOLE]
    #: What the amount is for; "lifetime" is given once and never renewed.
    window: Window = "billing_period"
    #: Whether the customer has it as a whole, or each member.
    scope: t.Literal["customer", "member"] = "customer"
    #: What happens beyond it: refused, allowed, allowed and billed, or taken from credits.
    policy: Policy = "hard"
    #: Price of one unit beyond the included ones, in millionths of the currency's minor unit.
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
    stripe_price: t.Annotated[str, p.StringConstraints(min_length=1, max_length=255)] | None = None
    #: Stripe's name for the price, instead of ``billing_<plan>_<interval>_<currency>``.
    lookup_key: t.Annotated[str, p.StringConstraints(min_length=1, max_length=200)] | None = None
    #: Stripe price ids this price had before; subscriptions on them keep the plan.
    former: tuple[str, ...] = ()
    #: Whether the amount holds the tax.
    tax_behavior: t.Literal["inclusive", "exclusive", "unspecified"] = "unspecified"


class Feature(Part):
    """A line of the feature list."""

    text: Text
    #: A line that is not included is shown crossed out.
    included: bool = True
    #: What "requires_feature" asks for.
    key: Key | None = None


class Seats(Part):
    """Bounds of a plan that is sold per seat."""

    min: t.Annotated[int, p.Field(ge=1), WHOLE] = 1
    max: t.Annotated[int, p.Field(ge=1), WHOLE] | None = None


class Plan(Part):
    """What a customer can be on. A plan without prices and contact is the free plan."""

    key: Key
    name: Text
    #: A line below the name.
    description: t.Annotated[str, p.StringConstraints(max_length=500)] = ""
    #: Higher is more. Decides upgrade from downgrade, and which of two live plans counts.
    rank: Whole = 0
    features: tuple[Feature, ...] = ()
    #: Days of trial for an owner who never had one.
    trial_days: t.Annotated[int, p.Field(ge=0, le=730), WHOLE] = 0
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

    @p.field_validator("features", mode="before")
    @classmethod
    def _plain_features(cls, value: object) -> object:
        if isinstance(value, c.Sequence) and not isinstance(value, str):
            return [{"text": item} if isinstance(item, str) else item for item in value]

        return value

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

    def in_currency(self, currency: str) -> "Plan":
        """The same plan, with prices that named no currency in this one."""
        prices = tuple(
            price if price.currency else price.model_copy(update={"currency": currency})
            for price in self.prices
        )
        return self.model_copy(update={"prices": prices})

    def has_feature(self, key: str) -> bool:
        """Whether the feature of that key is included."""
        return any(feature.key == key and feature.included for feature in self.features)

    def limits_for(self, *, trialing: bool) -> tuple[Limit, ...]:
        """The limits in force, on trial or paid."""
        if trialing and self.trial_limits is not None:
            return self.trial_limits

        return self.limits


class Offer(Part):
    """A retention offer, shown beside "Cancel plan" and never before it."""

    key: Key
    kind: t.Literal["discount", "pause", "plan", "trial_extension", "contact"]
    #: Percent of a discount.
    percent_off: t.Annotated[int, p.Field(ge=1, le=100), WHOLE] | None = None
    #: Minor units of a discount.
    amount_off: t.Annotated[int, p.Field(ge=1), WHOLE] | None = None
    #: Of "amount_off"; the catalog's where left out.
    currency: Currency | None = None
    #: How long a discount or pause lasts. A yearly plan gets the discount on one renewal.
    months: t.Annotated[int, p.Field(ge=1, le=24), WHOLE] | None = None
    #: How much longer a trial gets.
    days: t.Annotated[int, p.Field(ge=1, le=90), WHOLE] | None = None
    #: The plan that is offered instead.
    plan: Key | None = None
    #: Reasons for leaving that it answers; empty is any.
    reasons: tuple[str, ...] = ()
    #: Plans it is offered on; empty is any.
    plans: tuple[Key, ...] = ()
    #: Days after taking it until it is offered again.
    cooldown_days: Count = 180
    #: Headline, instead of one made from the terms.
    title: Text | None = None


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
    #: Limits of a customer who has no plan at all, in a catalog without a free one.
    default_limits: tuple[Limit, ...] = ()
    _source: str = p.PrivateAttr(default="(Python)")

    @p.field_validator("plans")
    @classmethod
    def _in_its_currency(cls, plans: tuple[Plan, ...], info: p.ValidationInfo) -> tuple[Plan, ...]:
        """Prices that name no currency are in the catalog's."""
        currency = info.data.get("currency", "usd")
        return tuple(plan.in_currency(currency) for plan in plans)

    @p.model_validator(mode="after")
    def _consistent(self, info: p.ValidationInfo) -> "Catalog":
        problems = list(catalog_rules.problems(self, info.context))

        if problems:
            raise CatalogError(self._source, problems)

        return self

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
        catalog._source = source
        return catalog

    @property
    def source(self) -> str:
        """Where it came from, for messages."""
        return self._source

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

    def meter(self, key: str) -> Meter:
        """The meter of that key.

        :raises KeyError: with the keys there are.
        """
        for meter in self.meters:
            if meter.key == key:
                return meter

        known = ", ".join(meter.key for meter in self.meters) or "none"
        raise KeyError(f"The catalog has no meter {key!r}. It has: {known}.")

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


def lookup_key(plan: Plan, price: Price) -> str:
    """The Stripe lookup key of a price: the catalog's own, or a name made of plan and terms."""
    return price.lookup_key or f"billing_{plan.key}_{price.interval}_{price.currency}"


def _offers_more(candidate: Plan, plan: Plan | None, meter: str) -> bool:
    def most(owner: Plan | None) -> float:
        amounts = (
            [limit.included for limit in owner.limits if limit.meter == meter] if owner else []
        )
        return float("inf") if UNLIMITED in amounts else max(amounts, default=0)

    return most(candidate) > most(plan)
