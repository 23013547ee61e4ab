"""What a metered price that a subscription has charges, as the subscription at Stripe tells it.

That may be a former price, of which the catalog has other amounts by now. The tiers of a price are
not told with a subscription, so push writes them into the price's metadata, too.
"""

from __future__ import annotations

import re
import typing as t
from decimal import Decimal

from . import stripe_objects
from .catalog import MeteredPrice, Tier

#: Metadata of a tiered price: its tiers, as "graduated 1000:0.5+30 inf:0.2+".
TIERS: t.Final = "billing_tiers"
#: So many characters a value of metadata may have (docs.stripe.com/api/metadata).
_LONGEST: t.Final = 500
_AMOUNTS: t.Final = r"([0-9]+(\.[0-9]+)?)?\+[0-9]*"
_FORM: t.Final = re.compile(
    rf"(graduated|volume)( [1-9][0-9]*:{_AMOUNTS})* inf:{_AMOUNTS}", re.ASCII
)


def metadata(metered: MeteredPrice) -> dict[str, str]:
    """The metadata that tells a price's tiers; empty without tiers, or with very many."""
    tiers = [
        f"{tier.up_to or 'inf'}:{_text(tier.unit_amount)}+{_text(tier.flat_amount)}"
        for tier in metered.tiers
    ]
    text = " ".join([metered.tiers_mode, *tiers])
    return {TIERS: text} if tiers and len(text) <= _LONGEST else {}


def held(
    subscription: stripe_objects.StripeObject, sold: MeteredPrice, name: str
) -> MeteredPrice | None:
    """The price by which Stripe bills a subscription's use of a meter; None where none does.

    :param sold: the catalog's, for the same meter.
    :param name: the lookup key of that.
    """
    for item in stripe_objects.list_data(subscription.get("items")):
        price = item.get("price") or {}
        told = price.get("metadata") or {}

        if stripe_objects.METER not in told and price.get("lookup_key") == name:
            return sold

        if told.get(stripe_objects.METER) != sold.meter:
            continue

        if price.get("billing_scheme") != "tiered":
            each = price.get("unit_amount_decimal") or price.get("unit_amount") or 0
            return MeteredPrice(meter=sold.meter, unit_amount=Decimal(str(each)))

        if (tiered := _read(sold.meter, told.get(TIERS, ""))) is not None:
            return tiered

        return sold if price.get("lookup_key") == name else None

    return None


def _read(meter: str, text: str) -> MeteredPrice | None:
    """The price of a metadata's tiers; None where there are none, or somebody edited them."""
    if not _FORM.fullmatch(text):
        return None

    mode, *tiers = text.split(" ")
    return MeteredPrice.of(
        {"meter": meter, "tiers": tuple(_tier(one) for one in tiers), "tiers_mode": mode}
    )


def _tier(text: str) -> Tier:
    up_to, _, amounts = text.partition(":")
    unit, _, flat = amounts.partition("+")
    return Tier(
        up_to=None if up_to == "inf" else int(up_to),
        unit_amount=Decimal(unit) if unit else None,
        flat_amount=int(flat) if flat else None,
    )


def _text(amount: Decimal | int | None) -> str:
    if isinstance(amount, Decimal):
        return f"{amount.normalize():f}"

    return "" if amount is None else str(amount)
