"""The prices by use of a plan at Stripe, each for the meter that its usage is reported to."""

from __future__ import annotations

import collections.abc as c
import typing as t

from .. import metered_prices
from ..catalog import Catalog, Meter, MeteredPrice, Plan, Price, metered_lookup_key
from ..metering.stripe_meters import FORMULA
from ..stripe_metered import amounts, amounts_at_stripe, differs, params
from ..stripe_objects import METER
from .products import usage_product_id
from .steps import Body, Change, Step, differing, idempotency_key, update


class Place(t.NamedTuple):
    """Where a metered price stands in the catalog."""

    catalog: Catalog
    plan: Plan
    price: Price
    metered: MeteredPrice

    @property
    def name(self) -> str:
        """As it is shown to people."""
        return f"{self.plan.key} {self.price.interval} {self.price.currency} {self.metered.meter}"

    @property
    def event(self) -> str:
        """The event name of its meter."""
        event = self.catalog.meter(self.metered.meter).stripe_event
        assert event is not None, "the catalog was checked"
        return event

    @property
    def product(self) -> str:
        """The id of its product."""
        return usage_product_id(self.plan, self.catalog.meter(self.metered.meter))

    @property
    def lookup_key(self) -> str:
        """Stripe's name for it."""
        return metered_lookup_key(self.plan, self.price, self.metered)

    @property
    def mark(self) -> dict[str, str]:
        """The metadata by which it is known, whatever it charges."""
        return {
            "billing_plan": self.plan.key,
            "billing_interval": self.price.interval,
            METER: self.metered.meter,
        }

    @property
    def wanted(self) -> Body:
        """What Stripe lets us change."""
        metadata = self.mark | metered_prices.metadata(self.metered)
        behavior = self.price.tax_behavior
        return {"metadata": metadata} | (
            {} if behavior == "unspecified" else {"tax_behavior": behavior}
        )


def metered_steps(
    catalog: Catalog,
    plan: Plan,
    meter: Meter,
    by_lookup_key: c.Mapping[str, Body],
    active: list[Body],
    meters: c.Mapping[str, Body],
) -> c.Iterator[Step]:
    """What differs from the metered prices that Stripe has for a plan's use of a meter.

    :param by_lookup_key: the prices that hold lookup keys of the catalog, with their tiers.
    :param active: all active prices of the product that this use is.
    :param meters: the active meters at Stripe, by event name.
    """
    for price in plan.prices:
        metered = price.metered_by(meter.key)

        if metered is None:
            continue

        place = Place(catalog, plan, price, metered)
        at_stripe = meters.get(place.event)

        if at_stripe is not None and at_stripe["default_aggregation"]["formula"] != FORMULA:
            continue  # a conflict of the meter, by which the price would bill wrongly

        yield from _price(place, by_lookup_key.get(place.lookup_key), active, at_stripe)


def _price(
    place: Place, found: Body | None, active: list[Body], meter: Body | None
) -> c.Iterator[Step]:
    kept = None

    if found is None or _is_replaced(place, found, meter):
        yield _new(place, found, meter)
    else:
        kept = found["id"]

        if changed := differing(found, {"active": True, **place.wanted}):
            yield update("price", place.name, f"/v1/prices/{kept}", changed)

    # One that is replaced now, or was by a push that broke off.
    for there in active:
        if there["id"] != kept and _stands_for(place, there):
            archive = Change("archive", "price", place.name, f"{there['id']}, replaced")
            yield Step(archive, f"/v1/prices/{there['id']}", {"active": False})


def _stands_for(place: Place, there: Body) -> bool:
    metadata = there.get("metadata") or {}
    return place.mark.items() <= metadata.items() and there["currency"] == place.price.currency


def _is_replaced(place: Place, found: Body, meter: Body | None) -> bool:
    """Whether something differs that Stripe never changes on a price."""
    behavior = place.wanted.get("tax_behavior", "unspecified")
    known = found.get("tax_behavior") or "unspecified"
    return (
        differs(place.price, place.metered, found)
        or found["product"] != place.product
        or meter is None
        or (found.get("recurring") or {}).get("meter") != meter["id"]
        or (behavior != known and "unspecified" not in (behavior, known))
    )


def _new(place: Place, replaced: Body | None, meter: Body | None) -> Step:
    wanted: Body = {
        "product": place.product,
        "currency": place.price.currency,
        "recurring": {"interval": place.price.interval, "usage_type": "metered"},
        "lookup_key": place.lookup_key,
        "transfer_lookup_key": True,
        **place.wanted,
        **params(place.metered),
    }
    named = {**wanted, "event": place.event, "replaces": replaced["id"] if replaced else None}
    before = f", was {amounts_at_stripe(replaced)}" if replaced else ""
    change = Change("create", "price", place.name, f"{amounts(place.metered)}{before}")

    if meter is not None:
        wanted["recurring"] = {**wanted["recurring"], "meter": meter["id"]}

    key = idempotency_key("price", named)
    return Step(change, "/v1/prices", wanted, key, None if meter is not None else place.event)
