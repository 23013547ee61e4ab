"""Whatever is changed, the amount that was shown is the amount that is charged."""

from __future__ import annotations

import collections.abc as c
import itertools
import typing as t
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_billing import metering, money, subscriptions, sync
from flask_billing.stripe_customers import ensure_stripe_customer
from flask_billing.stripe_metered import metered_prices_of
from flask_billing.stripe_prices import stripe_price_of

from ..host import Host, make_host

#: Minor units by currency, with none, two and three decimals; odd, so that shares are rounded.
AMOUNTS: t.Final = {"usd": (2999, 28_791), "jpy": (3301, 31_111), "kwd": (9_370, 90_030)}


def _plan(name: str, rank: int, factor: int) -> dict[str, object]:
    prices = [
        {
            "interval": interval,
            "amount": amount * factor + rank * money.charged_in(currency),
            "currency": currency,
        }
        for currency, amounts in AMOUNTS.items()
        for interval, amount in zip(("month", "year"), amounts, strict=True)
    ]
    return {"name": name, "rank": rank, "seats": {"min": 1}, "prices": prices} | (
        _billed(prices) if name != "Mid" else {}
    )


def _billed(prices: list[dict[str, object]]) -> dict[str, object]:
    """Usage of tokens beyond 10 is billed, by tiers in fractions of a minor unit."""
    for price in prices:
        tiers = [{"up_to": 100, "unit_amount": "7.31"}, {"unit_amount": "2.5", "flat_amount": 99}]
        price["metered"] = [{"meter": "tokens", "tiers": tiers}]

    return {"limits": [{"meter": "tokens", "included": 10, "policy": "overage"}]}


CATALOG: t.Final = {
    "meters": {"tokens": {"name": "Tokens", "stripe_event": "tokens"}},
    "plans": {"small": _plan("Small", 1, 1), "mid": _plan("Mid", 2, 3), "big": _plan("Big", 3, 11)},
}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> c.Iterator[Host]:
    """One host for all examples, each of which has a customer of its own."""
    folder: Path = tmp_path_factory.mktemp("amounts")
    found = make_host(f"sqlite:///{folder / 'host.sqlite'}", CATALOG)
    found.sandbox.webhooks.hold()
    yield found
    found.close()


class Example(t.NamedTuple):
    """A subscription, and what is wanted of it."""

    currency: str
    had: tuple[str, str, int]
    wanted: tuple[str, str, int]
    hours: int
    discount: str | None
    tax: tuple[float, bool] | None
    balance: int
    trial: bool
    used: int


TERMS: t.Final = st.tuples(
    st.sampled_from(["small", "mid", "big"]), st.sampled_from(["month", "year"]), st.integers(1, 9)
)
EXAMPLES: t.Final = st.builds(
    Example,
    currency=st.sampled_from(sorted(AMOUNTS)),
    had=TERMS,
    wanted=TERMS,
    hours=st.integers(0, 27 * 24),
    discount=st.sampled_from([None, "third", "fixed"]),
    tax=st.sampled_from([None, (19.0, False), (8.1, False), (21.0, True), (7.7, True)]),
    balance=st.sampled_from([0, -1234, 77, -900_000]),
    trial=st.booleans(),
    used=st.sampled_from([0, 9, 64, 4000]),
)
OWNERS: t.Final = itertools.count(1)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(example=EXAMPLES)
def test_charged_is_quoted(host: Host, example: Example) -> None:
    owner = str(next(OWNERS))

    with host.app.app_context():
        stripe_id = _subscribe(host, owner, example)
        customer = host.customer(owner)
        client = host.sandbox.client()
        host.sandbox.clock.advance(hours=example.hours % 24 if example.trial else example.hours)
        _use(host, owner, example.used)
        earlier = {invoice.id for invoice in client.v1.invoices.list({"limit": 100}).data}

        try:
            quote = subscriptions.quote_change(customer, *example.wanted, end_trial=example.trial)
        except subscriptions.SamePlanError:
            return
        else:
            assert sum(line.amount for line in quote.lines) == quote.due_now

            host.sandbox.clock.advance(minutes=7)
            change = subscriptions.change_plan(customer, quote.token)
            made = [
                invoice
                for invoice in client.v1.invoices.list({"subscription": stripe_id}).data
                if invoice.id not in earlier
            ]

            if quote.kind == "downgrade":
                assert (change.state, made, quote.due_now) == ("pending", [], 0)
            else:
                assert change.state == "done"
                assert [one.amount_paid for one in made] == [quote.due_now] == [change.amount or 0]
                assert [one.amount_due for one in made] == [quote.due_now]
        finally:
            client.v1.subscriptions.cancel(stripe_id)


def _use(host: Host, owner: str, units: int) -> None:
    """Use tokens, of which Stripe hears."""
    if units:
        metering.record("tokens", units, customer=host.customer(owner))

    metering.export_usage()
    host.sandbox.clock.advance(minutes=5)


def _subscribe(host: Host, owner: str, example: Example) -> str:
    """A subscription on the example's terms, made at Stripe."""
    client = host.sandbox.client()
    customer = host.customer(owner)
    stripe_customer = ensure_stripe_customer(customer, "A test")
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": stripe_customer})
    plan_key, interval, quantity = example.had
    plan = host.state.catalog.plan(plan_key)
    assert plan is not None
    price = plan.price(interval, example.currency)
    assert price is not None
    params: dict[str, t.Any] = {
        "customer": stripe_customer,
        "items": [
            *({"price": metered} for metered in metered_prices_of(plan, price)),
            {"price": stripe_price_of(plan, price), "quantity": quantity},
        ],
        "default_payment_method": method.id,
    }

    if example.tax is not None:
        percentage, inclusive = example.tax
        rate = client.v1.tax_rates.create(
            {"display_name": "VAT", "percentage": percentage, "inclusive": inclusive}
        )
        params["default_tax_rates"] = [rate.id]

    if example.discount is not None:
        params["discounts"] = [{"coupon": _coupon(host, example)}]

    if example.trial:
        params["trial_period_days"] = 14

    made = client.v1.subscriptions.create(params)  # type: ignore[arg-type]

    if example.balance:
        client.v1.customers.balance_transactions.create(
            stripe_customer, {"amount": example.balance, "currency": example.currency}
        )

    sync.pull("subscription", made.id)
    return made.id


def _coupon(host: Host, example: Example) -> str:
    terms: dict[str, t.Any] = {"duration": "repeating", "duration_in_months": 3}

    if example.discount == "third":
        terms["percent_off"] = 33.3
    else:
        terms |= {"amount_off": 777, "currency": example.currency}

    return host.sandbox.client().v1.coupons.create(terms).id  # type: ignore[arg-type]


def test_time_is_counted_as_of_the_look(host: Host) -> None:
    """The clock goes on between look and click, by up to the quote's whole life."""
    owner = str(next(OWNERS))
    example = Example("usd", ("small", "month", 2), ("big", "month", 2), 5, None, None, 0, False, 0)

    with host.app.app_context():
        stripe_id = _subscribe(host, owner, example)
        host.sandbox.clock.advance(hours=5)
        quote = subscriptions.quote_change(host.customer(owner), *example.wanted)
        host.sandbox.clock.advance(
            hours=host.app.config["BILLING_QUOTE_LIFETIME"] / timedelta(hours=1)
        )
        assert subscriptions.change_plan(host.customer(owner), quote.token).amount == quote.due_now
        host.sandbox.client().v1.subscriptions.cancel(stripe_id)
