"""The Stripe prices by which the use that a plan does not include is billed."""

from __future__ import annotations

import typing as t
from decimal import Decimal

from . import stripe_objects
from .catalog import MeteredPrice, Plan, Price, metered_lookup_key
from .errors import StripeMisconfiguredError
from .state import state
from .stripe_gateway import Params, StripeObject, gateway
from .stripe_prices import fill_in

#: Lookup keys that one request may ask for.
_LOOKUP_KEYS: t.Final = 10
#: Up to, for each unit, for the tier as a whole.
_Tier = tuple[int | None, Decimal, Decimal]


class Amounts(t.NamedTuple):
    """What a metered price charges, in the catalog or at Stripe.

    :param mode: how the tiers are meant; None is one amount for every unit.
    """

    mode: str | None
    tiers: tuple[_Tier, ...]

    def __str__(self) -> str:
        return ", ".join(self._told(*tier) for tier in self.tiers) + (
            f" ({self.mode})" if self.mode else ""
        )

    def _told(self, up_to: int | None, unit: Decimal, flat: Decimal) -> str:
        text = f"{unit:f}" + f" + {flat:f}" * bool(flat)
        return text if self.mode is None else f"{text} up to {up_to or 'any number'}"


def amounts(metered: MeteredPrice) -> Amounts:
    """What a metered price of the catalog charges."""
    if metered.unit_amount is not None:
        return Amounts(None, ((None, metered.unit_amount, Decimal(0)),))

    return Amounts(
        metered.tiers_mode,
        tuple(
            (tier.up_to, tier.unit_amount or Decimal(0), Decimal(tier.flat_amount or 0))
            for tier in metered.tiers
        ),
    )


def amounts_at_stripe(found: stripe_objects.StripeObject) -> Amounts:
    """What a price at Stripe charges, its tiers being expanded."""
    if found.get("billing_scheme") != "tiered":
        return Amounts(None, ((None, _decimal(found, "unit_amount"), Decimal(0)),))

    return Amounts(
        found.get("tiers_mode"),
        tuple(
            (tier.get("up_to"), _decimal(tier, "unit_amount"), _decimal(tier, "flat_amount"))
            for tier in found.get("tiers") or ()
        ),
    )


def params(metered: MeteredPrice) -> Params:
    """The same as the parameters of a new price."""
    if metered.unit_amount is not None:
        return {"unit_amount_decimal": f"{metered.unit_amount:f}"}

    tiers = []

    for tier in metered.tiers:
        entry: dict[str, object] = {"up_to": "inf" if tier.up_to is None else tier.up_to}

        if tier.unit_amount is not None:
            entry["unit_amount_decimal"] = f"{tier.unit_amount:f}"

        if tier.flat_amount is not None:
            entry["flat_amount"] = tier.flat_amount

        tiers.append(entry)

    return {"billing_scheme": "tiered", "tiers_mode": metered.tiers_mode, "tiers": tiers}


def differs(price: Price, metered: MeteredPrice, found: stripe_objects.StripeObject) -> bool:
    """Whether a price at Stripe, its tiers being expanded, charges otherwise than the catalog's."""
    recurring = found.get("recurring") or {}
    there = found["currency"], recurring.get("interval"), recurring.get("interval_count", 1)
    return there != (price.currency, price.interval, 1) or (
        amounts(metered) != amounts_at_stripe(found)
    )


def by_lookup_keys(keys: list[str], **query: object) -> dict[str, StripeObject]:
    """The prices at Stripe that hold lookup keys, with their tiers."""
    found: dict[str, StripeObject] = {}

    for start in range(0, len(keys), _LOOKUP_KEYS):
        some = {"lookup_keys": keys[start : start + _LOOKUP_KEYS], "expand": ["data.tiers"]}
        found |= {one["lookup_key"]: one for one in gateway().list("/v1/prices", some | query)}

    return found


def metered_prices_of(plan: Plan, price: Price) -> tuple[str, ...]:
    """The ids of the Stripe prices that go with a plan's price, as the catalog has them.

    Stripe is asked each time, so nothing is sold that it would charge otherwise. The sandbox,
    which starts empty, is brought in line with the catalog where it is not.

    :raises StripeMisconfiguredError: where Stripe has no such price, or at other amounts.
    :raises StripeError: where Stripe could not be asked.
    """
    if not price.metered:
        return ()

    try:
        return _looked_up(plan, price)
    except StripeMisconfiguredError:
        if not state().stripe.sandbox:
            raise

    return fill_in(lambda: _looked_up(plan, price))


def _looked_up(plan: Plan, price: Price) -> tuple[str, ...]:
    keys = [metered_lookup_key(plan, price, metered) for metered in price.metered]
    found = by_lookup_keys(keys, active=True)
    return tuple(
        _checked(price, metered, key, found.get(key))
        for key, metered in zip(keys, price.metered, strict=True)
    )


def _checked(price: Price, metered: MeteredPrice, key: str, found: StripeObject | None) -> str:
    if found is None:
        raise StripeMisconfiguredError(
            f"Stripe has no active price with the lookup key {key!r}. Nothing was charged. "
            "Run 'flask billing catalog push'."
        )

    if differs(price, metered, found):
        raise StripeMisconfiguredError(
            f"Stripe's price {found['id']} with the lookup key {key!r} is not the catalog's, "
            f"which is {amounts(metered)} by the {price.interval} in {price.currency}. Nothing "
            "was charged. Run 'flask billing catalog push'."
        )

    return str(found["id"])


def _decimal(found: stripe_objects.StripeObject, name: str) -> Decimal:
    return Decimal(str(found.get(f"{name}_decimal") or found.get(name) or 0))
