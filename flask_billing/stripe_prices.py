"""The Stripe price to sell a plan at."""

from __future__ import annotations

import sqlalchemy as sa

from . import clock
from .catalog import Plan, Price, lookup_key
from .database import insert, transaction
from .errors import StripeMisconfiguredError
from .models import StripePrice
from .state import state
from .stripe_gateway import gateway
from .sync import plans


def stripe_price_of(plan: Plan, price: Price) -> str:
    """The id of the Stripe price for a plan's price.

    Named in the catalog, or found by its lookup key and remembered. The sandbox, which starts
    empty, is filled from the catalog when a price is missing.

    :raises StripeMisconfiguredError: where Stripe has no such price.
    :raises StripeError: where Stripe could not be asked.
    """
    if price.stripe_price is not None:
        return price.stripe_price

    found = _remembered(plan, price) or _looked_up(plan, price)

    if found is None and state().stripe.sandbox:
        from .catalog_push import push

        push()
        found = _looked_up(plan, price)

    if found is None:
        raise StripeMisconfiguredError(
            f"Stripe has no active price with the lookup key {lookup_key(plan, price)!r}. "
            "Nothing was charged. Run 'flask billing catalog push'."
        )

    return found


def _remembered(plan: Plan, price: Price) -> str | None:
    found: str | None = state().db.session.scalar(
        sa.select(StripePrice.stripe_id).where(
            StripePrice.plan == plan.key,
            StripePrice.interval == price.interval,
            StripePrice.currency == price.currency,
            StripePrice.amount == price.amount,
            StripePrice.current,
        )
    )
    return found


def _looked_up(plan: Plan, price: Price) -> str | None:
    key = lookup_key(plan, price)
    page = gateway().get("/v1/prices", {"lookup_keys": [key], "active": True})

    for found in page["data"]:
        _remember(plan, price, found["id"], found.get("unit_amount"))
        return str(found["id"])

    return None


def _remember(plan: Plan, price: Price, stripe_id: str, amount: int | None) -> None:
    with transaction() as connection:
        connection.execute(
            insert(connection, StripePrice)
            .values(
                stripe_id=stripe_id,
                plan=plan.key,
                interval=price.interval,
                currency=price.currency,
                amount=amount,
                current=True,
                synced_at=clock.wall(),
            )
            .on_conflict_do_nothing(index_elements=["stripe_id"])
        )

    plans.forget()
