"""The Stripe price to sell a plan at."""

from __future__ import annotations

import contextlib
import threading
import typing as t

import sqlalchemy as sa

from . import clock
from .catalog import Plan, Price, lookup_key
from .database import insert, transaction
from .errors import StripeMisconfiguredError
from .models import StripePrice
from .state import state
from .stripe_gateway import gateway
from .sync import plans

_filling: t.Final = threading.Lock()


def stripe_price_of(plan: Plan, price: Price) -> str:
    """The id of the Stripe price for a plan's price.

    Named in the catalog, or found by its lookup key and remembered. The sandbox, which starts
    empty, is brought in line with the catalog where it is not.

    :raises StripeMisconfiguredError: where Stripe has no such price, or at another amount than
        the pages show.
    :raises StripeError: where Stripe could not be asked.
    """
    if price.stripe_price is not None:
        return price.stripe_price

    try:
        return _remembered(plan, price) or _looked_up(plan, price)
    except StripeMisconfiguredError:
        if not state().stripe.sandbox:
            raise

    return _filled_in(plan, price)


def _filled_in(plan: Plan, price: Price) -> str:
    """The id after bringing the sandbox in line, which one thread does for all."""
    from .catalog_push import push

    with _filling:
        with contextlib.suppress(StripeMisconfiguredError):
            return _looked_up(plan, price)

        push()

    return _looked_up(plan, price)


def _remembered(plan: Plan, price: Price) -> str | None:
    as_shown = sa.true() if price.amount is None else StripePrice.amount == price.amount
    found: str | None = state().db.session.scalar(
        sa.select(StripePrice.stripe_id).where(
            StripePrice.plan == plan.key,
            StripePrice.interval == price.interval,
            StripePrice.currency == price.currency,
            StripePrice.current,
            as_shown,
        )
    )
    return found


def _looked_up(plan: Plan, price: Price) -> str:
    key = lookup_key(plan, price)
    page = gateway().get("/v1/prices", {"lookup_keys": [key], "active": True})
    found = next(iter(page["data"]), None)

    if found is None:
        raise StripeMisconfiguredError(
            f"Stripe has no active price with the lookup key {key!r}. Nothing was charged. "
            "Run 'flask billing catalog push'."
        )

    if price.amount not in (None, found.get("unit_amount")) or found["currency"] != price.currency:
        raise StripeMisconfiguredError(
            f"Stripe's price {key!r} is {found.get('unit_amount')} {found['currency']}, the "
            f"catalog's is {price.amount} {price.currency}. Nothing was charged. "
            "Run 'flask billing catalog push'."
        )

    _remember(plan, price, found["id"], found.get("unit_amount"))
    return str(found["id"])


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
