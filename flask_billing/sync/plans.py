"""Which plan a Stripe price stands for.

By price id, present or former, in the catalog or in ``billing_price``; then by lookup key;
then by the metadata that ``catalog push`` writes on the price and its product.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import stripe_objects
from ..catalog import Catalog, lookup_key
from ..database import reading
from ..models import StripePrice
from ..state import state


class Terms(t.NamedTuple):
    """A plan and how often it is paid."""

    plan: str
    interval: str | None


def terms_of(connection: sa.Connection, price: stripe_objects.StripeObject) -> Terms | None:
    """The plan and interval a price stands for; None where nothing tells."""
    return _told(price, _known(connection))


def is_known(price: stripe_objects.StripeObject) -> bool:
    """Whether a plan can be told without the price's product.

    Reads ``billing_price`` again for a price not seen before, which another process may have
    pushed since.
    """
    known: dict[str, Terms] | None = state().caches.get("price_terms")

    if known is not None and _told(price, known) is not None:
        return True

    with reading() as connection:
        return _told(price, _reread(connection)) is not None


def forget() -> None:
    """Drop what is remembered of ``billing_price``, after writing to it."""
    state().caches.pop("price_terms", None)


def _told(price: stripe_objects.StripeObject, known: dict[str, Terms]) -> Terms | None:
    price_id: str | None = price.get("id")

    # A price by use stands beside a plan's and for none, though it may hold the plan's metadata.
    if price_id is None or stripe_objects.is_metered(price):
        return None

    return (
        known.get(price_id)
        or _by_lookup_key().get(price.get("lookup_key") or "")
        or _by_metadata(price)
    )


def _known(connection: sa.Connection) -> dict[str, Terms]:
    cached: dict[str, Terms] | None = state().caches.get("price_terms")
    return cached if cached is not None else _reread(connection)


def _reread(connection: sa.Connection) -> dict[str, Terms]:
    rows = connection.execute(
        sa.select(StripePrice.stripe_id, StripePrice.plan, StripePrice.interval)
    )
    known = {row.stripe_id: Terms(row.plan, row.interval) for row in rows}
    known |= _in_catalog(state().catalog)
    state().caches["price_terms"] = known
    return known


def _in_catalog(catalog: Catalog) -> dict[str, Terms]:
    return {
        price_id: Terms(plan.key, price.interval)
        for plan in catalog.plans
        for price in plan.prices
        for price_id in (price.stripe_price, *price.former)
        if price_id is not None
    }


def _by_lookup_key() -> dict[str, Terms]:
    cached: dict[str, Terms] | None = state().caches.get("lookup_keys")

    if cached is None:
        cached = state().caches["lookup_keys"] = {
            lookup_key(plan, price): Terms(plan.key, price.interval)
            for plan in state().catalog.plans
            for price in plan.prices
        }

    return cached


def _by_metadata(price: stripe_objects.StripeObject) -> Terms | None:
    product = stripe_objects.product_of(price) or {}

    for holder in (price, product):
        metadata = holder.get("metadata") or {}
        plan = state().catalog.plan(metadata.get("billing_plan"))

        if plan is not None:
            recurring = price.get("recurring") or {}
            return Terms(plan.key, metadata.get("billing_interval") or recurring.get("interval"))

    return None
