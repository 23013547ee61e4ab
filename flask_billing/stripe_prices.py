"""The Stripe price to sell a plan at."""

from __future__ import annotations

import collections.abc as c
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
from .stripe_gateway import StripeObject, gateway
from .sync import plans

Found = t.TypeVar("Found")

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
        return _named(plan, price, price.stripe_price)

    try:
        return _remembered(plan, price) or _looked_up(plan, price)
    except StripeMisconfiguredError:
        if not state().stripe.sandbox:
            raise

    return fill_in(lambda: _looked_up(plan, price))


def retire(stripe_id: str) -> bool:
    """Sell at a remembered price no more, which Stripe refused. False where none was remembered."""
    with transaction() as connection:
        retired = connection.execute(
            sa.update(StripePrice)
            .where(StripePrice.stripe_id == stripe_id, StripePrice.current)
            .values(current=False)
        )
        return retired.rowcount == 1


def _named(plan: Plan, price: Price, stripe_id: str) -> str:
    """The id the catalog names, once it is sure that Stripe charges what the pages show."""
    known = amount_of(stripe_id)

    if known is None or price.amount not in (None, known):
        found = gateway().get(f"/v1/prices/{stripe_id}")
        _check(price, found)
        _remember(plan, price, stripe_id, found.get("unit_amount"))

    return stripe_id


def amount_of(stripe_id: str) -> int | None:
    """What a remembered price charges, in minor units; None where it is not known."""
    found: int | None = state().db.session.scalar(
        sa.select(StripePrice.amount).where(StripePrice.stripe_id == stripe_id)
    )
    return found


def fill_in(look_up: c.Callable[[], Found]) -> Found:
    """What is found after bringing the sandbox in line, which one thread does for all."""
    from .catalog_push import push

    with _filling:
        with contextlib.suppress(StripeMisconfiguredError):
            return look_up()

        push()

    return look_up()


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

    _check(price, found)
    _remember(plan, price, found["id"], found.get("unit_amount"))
    return str(found["id"])


def _check(price: Price, found: StripeObject) -> None:
    """Make sure that a Stripe price is the one the catalog describes.

    :raises StripeMisconfiguredError: where it is not; selling it would charge what no page shows.
    """
    amount, currency = found.get("unit_amount"), found.get("currency")
    interval = (found.get("recurring") or {}).get("interval")
    expected = amount if price.amount is None else price.amount

    if (amount, currency, interval) != (expected, price.currency, price.interval):
        raise StripeMisconfiguredError(
            f"Stripe's price {found['id']} is {amount} {currency} by the {interval}, the "
            f"catalog's is {expected} {price.currency} by the {price.interval}. Nothing was "
            "charged. Correct the catalog, or run 'flask billing catalog push'."
        )


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
