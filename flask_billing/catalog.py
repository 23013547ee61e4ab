"""Plans as code: what is sold, at which price, with which limits.

A catalog is a TOML file or Python calling :class:`Catalog` with the same names. It is
immutable once loaded. ``flask billing catalog push`` brings Stripe in line with it, and
docs/catalog.md describes every key.
"""

from __future__ import annotations

import collections.abc as c
import os
import re
import tomllib
import typing as t
from pathlib import Path

import pydantic as p

from .errors import CatalogError, UnknownPlanError

Interval = t.Literal["month", "year"]
Window = t.Literal["hour", "day", "week", "month", "billing_period", "lifetime"]
Policy = t.Literal["hard", "soft", "overage", "credits"]

INTERVALS: t.Final[tuple[Interval, ...]] = ("month", "year")
UNLIMITED: t.Final = -1

#: A key is part of URLs, metadata and Stripe lookup keys, so it is kept plain.
Key = t.Annotated[str, p.StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Currency = t.Annotated[str, p.StringConstraints(pattern=r"^[a-z]{3}$", to_lower=True)]
Text = t.Annotated[str, p.StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Percent = t.Annotated[int, p.Field(ge=1, le=1000)]

_VARIABLE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")


class _Part(p.BaseModel):
    model_config = p.ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Meter(_Part):
    """Something that is counted, in whole numbers of its smallest unit."""

    key: Key
    name: Text
    #: Singular word for one unit, shown in texts: "token".
    unit: Text = "unit"
    #: Smallest units in one shown unit, for meters kept finer than they are shown.
    scale: t.Annotated[int, p.Field(ge=1)] = 1
    aggregation: t.Literal["sum", "count"] = "sum"
    #: Event name of the Stripe Billing Meter, where usage is billed by Stripe.
    stripe_event: str | None = None
    dimensions: tuple[str, ...] = ()
    #: What a request meets while the usage store is down: "open" goes on, "closed" answers 503.
    on_error: t.Literal["open", "closed"] = "open"


class Limit(_Part):
    """How much of a meter a plan includes in one window."""

    meter: Key
    #: Smallest units per window; -1 is unlimited, 0 is not included.
    included: t.Annotated[int, p.Field(ge=UNLIMITED)]
    window: Window = "billing_period"
    scope: t.Literal["customer", "member"] = "customer"
    policy: Policy = "hard"
    #: Price of one unit beyond the included ones, in millionths of the currency's minor unit.
    overage_rate: t.Annotated[int, p.Field(ge=0)] | None = None
    #: Most units beyond the included ones; None is no cap.
    overage_cap: t.Annotated[int, p.Field(ge=0)] | None = None
    thresholds: tuple[Percent, ...] = (80, 95, 100)
    rollover: bool = False

    @property
    def unlimited(self) -> bool:
        """Whether nothing is ever refused."""
        return self.included == UNLIMITED


class Price(_Part):
    """What a plan costs for one interval in one currency."""

    interval: Interval
    #: Minor units. May be left out where ``stripe_price`` names a price made at Stripe.
    amount: t.Annotated[int, p.Field(ge=0)] | None = None
    currency: Currency | None = None
    stripe_price: str | None = None
    lookup_key: t.Annotated[str, p.StringConstraints(min_length=1, max_length=200)] | None = None
    #: Stripe price ids this price had before; subscriptions on them keep the plan.
    former: tuple[str, ...] = ()
    tax_behavior: t.Literal["inclusive", "exclusive", "unspecified"] = "unspecified"


class Feature(_Part):
    """A line of the feature list. ``key`` makes it one that ``requires_feature`` can ask for."""

    text: Text
    included: bool = True
    key: Key | None = None


class Seats(_Part):
    """Bounds of a plan that is sold per seat."""

    min: t.Annotated[int, p.Field(ge=1)] = 1
    max: t.Annotated[int, p.Field(ge=1)] | None = None


class Plan(_Part):
    """What a customer can be on. A plan without prices and contact is the free plan."""

    key: Key
    name: Text
    description: str = ""
    #: Higher is more. Decides upgrade from downgrade, and which of two live plans counts.
    rank: int = 0
    features: tuple[Feature, ...] = ()
    trial_days: t.Annotated[int, p.Field(ge=0, le=730)] = 0
    #: Kept by those who have it, hidden from everybody else.
    archived: bool = False
    #: Marked on the plans page as the one most people want.
    highlight: bool = False
    #: URL of "Talk to us" for a plan without a public price.
    contact: str | None = None
    prices: tuple[Price, ...] = ()
    limits: tuple[Limit, ...] = ()
    #: Limits that hold while the plan is on trial, instead of ``limits``.
    trial_limits: tuple[Limit, ...] | None = None
    seats: Seats | None = None
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

    def has_feature(self, key: str) -> bool:
        """Whether the feature of that key is included."""
        return any(feature.key == key and feature.included for feature in self.features)

    def limits_for(self, *, trialing: bool) -> tuple[Limit, ...]:
        """The limits in force, on trial or paid."""
        if trialing and self.trial_limits is not None:
            return self.trial_limits

        return self.limits


class Offer(_Part):
    """A retention offer, shown beside "Cancel plan" and never before it."""

    key: Key
    kind: t.Literal["discount", "pause", "plan", "trial_extension", "contact"]
    percent_off: t.Annotated[int, p.Field(ge=1, le=100)] | None = None
    amount_off: t.Annotated[int, p.Field(ge=1)] | None = None
    currency: Currency | None = None
    months: t.Annotated[int, p.Field(ge=1, le=24)] | None = None
    days: t.Annotated[int, p.Field(ge=1, le=90)] | None = None
    plan: Key | None = None
    reasons: tuple[str, ...] = ()
    plans: tuple[Key, ...] = ()
    cooldown_days: t.Annotated[int, p.Field(ge=0)] = 180
    title: str | None = None


class Catalog(_Part):
    """Everything that is sold. Build one with :meth:`load`, or in Python by these names."""

    currency: Currency = "usd"
    meters: tuple[Meter, ...] = ()
    plans: tuple[Plan, ...]
    offers: tuple[Offer, ...] = ()
    #: Limits of a customer who has no plan at all, in a catalog without a free one.
    default_limits: tuple[Limit, ...] = ()
    #: Where it came from, for messages.
    source: str = p.Field(default="(Python)", exclude=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Catalog:
        """Read a TOML file.

        :raises CatalogError: listing every problem with its path in the file.
        """
        file = Path(path)

        try:
            content = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as error:
            raise CatalogError(str(file), [f"cannot be read: {error.strerror}"]) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CatalogError(str(file), [f"is not TOML: {error}"]) from error

        return cls.parse(content, source=str(file))

    @classmethod
    def parse(cls, content: c.Mapping[str, object], *, source: str = "(Python)") -> Catalog:
        """Build a catalog from plain mappings, as :mod:`tomllib` gives them.

        :raises CatalogError: listing every problem with its path.
        """
        content = {**content, "source": source}

        for table in ("meters", "plans"):
            content[table] = _keyed(content.get(table, {}))

        variables: list[str] = []
        resolved = _resolve_variables(content, "", variables)

        try:
            catalog = cls.model_validate(_with_currency(resolved))
        except p.ValidationError as error:
            raise CatalogError(source, variables + _problems(error, resolved)) from None

        problems = variables + list(_inconsistencies(catalog))

        if problems:
            raise CatalogError(source, problems)

        return catalog

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


def _keyed(table: object) -> object:
    """``[plans.pro]`` as a list of tables that know their key; lists are left alone."""
    if not isinstance(table, c.Mapping):
        return table

    return [
        {"key": key, **value} if isinstance(value, c.Mapping) else value
        for key, value in table.items()
    ]


def _resolve_variables(node: object, path: str, problems: list[str]) -> object:
    """Replace ``"${NAME}"`` by the environment, noting what is missing."""
    if isinstance(node, c.Mapping):
        return {
            key: _resolve_variables(value, f"{path}.{key}" if path else str(key), problems)
            for key, value in node.items()
        }

    if isinstance(node, list | tuple):
        return [
            _resolve_variables(value, _indexed(path, index, value), problems)
            for index, value in enumerate(node)
        ]

    if isinstance(node, str) and (match := _VARIABLE.match(node)):
        value = os.environ.get(match[1], "").strip()

        if not value:
            problems.append(f"{path}: the environment variable {match[1]} is not set")

        return value or node

    return node


def _indexed(path: str, index: int, value: object) -> str:
    key = value.get("key") if isinstance(value, c.Mapping) else None
    return f"{path}.{key}" if key is not None and path != "offers" else f"{path}[{index}]"


def _with_currency(content: object) -> object:
    """Prices without a currency are in the catalog's."""
    if not isinstance(content, dict):
        return content

    currency = content.get("currency", "usd")

    for plan in _tables(content.get("plans")):
        prices = plan.get("prices")

        if isinstance(prices, list):
            plan["prices"] = [
                {"currency": currency, **price} if isinstance(price, dict) else price
                for price in prices
            ]

    return content


def _tables(value: object) -> list[dict[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _problems(error: p.ValidationError, content: object) -> list[str]:
    return [
        f"{_path(detail['loc'], content)}: {_sentence(detail['msg'])}" for detail in error.errors()
    ]


def _path(location: tuple[int | str, ...], content: object) -> str:
    """``plans.1.prices.0.amount`` as ``plans.pro.prices[0].amount``."""
    path, node = "", content

    for part in location:
        if isinstance(part, int):
            value = node[part] if isinstance(node, list) and part < len(node) else None
            path = _indexed(path, part, value)
            node = value
        else:
            path = f"{path}.{part}" if path else part
            node = node.get(part) if isinstance(node, dict) else None

    return path or "(file)"


def _sentence(message: str) -> str:
    return message[:1].lower() + message[1:]


def _inconsistencies(catalog: Catalog) -> c.Iterator[str]:
    yield from _duplicates("meters", [meter.key for meter in catalog.meters])
    yield from _duplicates("plans", [plan.key for plan in catalog.plans])
    yield from _duplicates("offers", [offer.key for offer in catalog.offers])
    yield from _duplicate_price_ids(catalog)

    free = [plan.key for plan in catalog.plans if plan.is_free and not plan.archived]

    if len(free) > 1:
        yield (
            f"plans: {', '.join(free)} have no prices, so each would be the free plan; keep one, "
            "and give the others a price or a contact"
        )

    meters = {meter.key for meter in catalog.meters}

    for path, limits in _limit_lists(catalog):
        yield from _limit_problems(path, limits, meters)

    for plan in catalog.plans:
        yield from _plan_problems(plan)

    keys = {plan.key for plan in catalog.plans}

    for index, offer in enumerate(catalog.offers):
        yield from _offer_problems(f"offers[{index}]", offer, keys)


def _duplicates(path: str, keys: list[str]) -> c.Iterator[str]:
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{path}: the key {key!r} is used {keys.count(key)} times"


def _duplicate_price_ids(catalog: Catalog) -> c.Iterator[str]:
    owners: dict[str, str] = {}

    for plan in catalog.plans:
        for index, price in enumerate(plan.prices):
            path = f"plans.{plan.key}.prices[{index}]"
            names = [price.stripe_price, *price.former, lookup_key(plan, price)]

            for name in filter(None, names):
                if owners.setdefault(name, path) != path:
                    yield f"{path}: {name!r} already belongs to {owners[name]}"


def _limit_lists(catalog: Catalog) -> c.Iterator[tuple[str, tuple[Limit, ...]]]:
    yield "default_limits", catalog.default_limits

    for plan in catalog.plans:
        yield f"plans.{plan.key}.limits", plan.limits
        yield f"plans.{plan.key}.trial_limits", plan.trial_limits or ()


def _limit_problems(path: str, limits: tuple[Limit, ...], meters: set[str]) -> c.Iterator[str]:
    seen: set[tuple[str, str, str]] = set()

    for index, limit in enumerate(limits):
        here = f"{path}[{index}]"
        identity = (limit.meter, limit.window, limit.scope)

        if limit.meter not in meters:
            yield f"{here}.meter: there is no meter {limit.meter!r}"

        if identity in seen:
            yield f"{here}: a second limit for {limit.meter!r} by the {limit.window}"

        seen.add(identity)

        if limit.policy == "overage" and limit.overage_rate is None:
            yield f"{here}.overage_rate: needed with policy 'overage'"

        if limit.policy != "overage" and limit.overage_rate is not None:
            yield f"{here}.overage_rate: only with policy 'overage'"


def _plan_problems(plan: Plan) -> c.Iterator[str]:
    terms = [f"{price.interval} {price.currency}" for price in plan.prices]

    for term in sorted({term for term in terms if terms.count(term) > 1}):
        yield f"plans.{plan.key}.prices: two prices for {term}"

    for index, price in enumerate(plan.prices):
        if price.amount is None and price.stripe_price is None:
            yield f"plans.{plan.key}.prices[{index}]: needs an amount or a stripe_price"

    if plan.is_free and plan.trial_days:
        yield f"plans.{plan.key}.trial_days: the free plan has nothing to try"

    if plan.seats and plan.seats.max is not None and plan.seats.max < plan.seats.min:
        yield f"plans.{plan.key}.seats: max is below min"


def _offer_problems(path: str, offer: Offer, plans: set[str]) -> c.Iterator[str]:
    if offer.kind == "discount" and (offer.percent_off is None) == (offer.amount_off is None):
        yield f"{path}: a discount needs either percent_off or amount_off"

    if offer.kind == "plan" and offer.plan is None:
        yield f"{path}.plan: needed with kind 'plan'"

    for key in filter(None, (offer.plan, *offer.plans)):
        if key not in plans:
            yield f"{path}: there is no plan {key!r}"
