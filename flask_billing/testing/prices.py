"""The Stripe price of a plan in the sandbox, whoever would have made it at Stripe."""

from __future__ import annotations

import typing as t

from .. import stripe_metered, stripe_prices
from ..catalog import Plan, Price, lookup_key
from ..errors import StripeMisconfiguredError, UnknownPlanError
from ..state import state
from ..subscriptions.target import Target

if t.TYPE_CHECKING:
    import stripe

    from .sandbox import StripeSandbox

#: Minor units of a price whose amount only the real account knows.
UNKNOWN_AMOUNT: t.Final = 1_000


def make_prices_of_the_account(sandbox: StripeSandbox) -> None:
    """Make the prices that push only looks for: those the catalog says were made at Stripe."""
    for plan in state().catalog.plans:
        for price in plan.prices:
            if price.stripe_price is not None:
                sandbox.rename("price", _make(sandbox.client(), plan, price), price.stripe_price)
            elif price.amount is None:
                _make(sandbox.client(), plan, price)


def target_of(
    client: stripe.StripeClient, plan_key: str, interval: str | None, currency: str
) -> Target:
    """A plan at Stripe, archived ones included, for one seat.

    :param interval: None is the first one that the plan is sold by.
    :raises UnknownPlanError: naming what the catalog has.
    """
    plan, price = _of_catalog(plan_key, interval, currency)
    metered = stripe_metered.metered_prices_of(plan, price)
    return Target(plan, price.interval, 1, _price_of(client, plan, price), price.amount, metered)


def _price_of(client: stripe.StripeClient, plan: Plan, price: Price) -> str:
    try:
        found = stripe_prices.stripe_price_of(plan, price)

        if not _is_known(client, found) and stripe_prices.retire(found):
            # The row is of another test's sandbox, in a database that was kept.
            found = stripe_prices.stripe_price_of(plan, price)
    except StripeMisconfiguredError:
        return _make(client, plan, price)  # of an archived plan, which push leaves out

    return found


def _of_catalog(plan_key: str, interval: str | None, currency: str) -> tuple[Plan, Price]:
    catalog = state().catalog
    plan = catalog.plan(plan_key)

    if plan is None:
        keys = ", ".join(plan.key for plan in catalog.plans)
        raise UnknownPlanError(f"The catalog has no plan {plan_key!r}. It has: {keys}.")

    prices = [price for price in plan.prices if price.currency == currency]

    for price in prices:
        if interval in (None, price.interval):
            return plan, price

    sold = ", ".join(f"{price.interval} in {price.currency}" for price in plan.prices)
    raise UnknownPlanError(
        f"The plan {plan_key!r} has no price by the {interval or 'month'} in {currency}. "
        f"It has: {sold or 'none'}."
    )


def _is_known(client: stripe.StripeClient, price: str) -> bool:
    import stripe

    try:
        client.v1.prices.retrieve(price)
    except stripe.InvalidRequestError:
        return False

    return True


def _make(client: stripe.StripeClient, plan: Plan, price: Price) -> str:
    assert price.currency is not None, "the catalog gave it one"
    made = client.v1.prices.create(
        {
            "currency": price.currency,
            "unit_amount": UNKNOWN_AMOUNT if price.amount is None else price.amount,
            "recurring": {"interval": price.interval},
            "product_data": {"name": plan.name},
            "lookup_key": lookup_key(plan, price),
            "metadata": {"billing_plan": plan.key, "billing_interval": price.interval},
        }
    )
    return made.id
