"""Plans whose use is billed: bought, changed and undone together with their metered prices."""

from __future__ import annotations

import collections.abc as c
import typing as t
from decimal import Decimal

import pytest

from flask_billing import metering, subscriptions, sync
from flask_billing.catalog_push import push
from flask_billing.errors import CardDeclinedError
from flask_billing.models import Checkout
from flask_billing.subscriptions import refusals

from ..host import Host
from ..test_checkout import Shopper
from .subscriber import BANK_ASKS, DECLINED, Subscriber


def _plan(name: str, rank: int, amount: int, included: int, unit: str | None) -> dict[str, t.Any]:
    prices: list[dict[str, t.Any]] = [
        {"interval": "month", "amount": amount},
        {"interval": "year", "amount": amount * 10},
    ]
    policy = "hard"

    if unit is not None:
        policy = "overage"
        tiers = [{"up_to": 1000, "unit_amount": unit}, {"unit_amount": "0.1", "flat_amount": 50}]

        for price in prices:
            price["metered"] = [{"meter": "tokens", "tiers": tiers}]

    limits = [{"meter": "tokens", "included": included, "policy": policy}]
    return {"name": name, "rank": rank, "prices": prices, "limits": limits, "seats": {"min": 1}}


CATALOG: t.Final[dict[str, t.Any]] = {
    "meters": {"tokens": {"name": "Tokens", "stripe_event": "tokens"}},
    "plans": {
        "plain": _plan("Plain", 1, 1000, 100, None),
        "small": _plan("Small", 2, 2000, 100, "2.5"),
        "large": _plan("Large", 3, 9000, 1000, "1.5"),
    },
}


@pytest.fixture
def customer(make_app: c.Callable[..., Host], database_url: str) -> Subscriber:
    """Somebody on Small by the month, of whose usage Stripe hears."""
    return Subscriber(make_app(database_url, catalog=CATALOG), "small")


def use(customer: Subscriber, units: int) -> None:
    """Use tokens, and report them."""
    with customer.host.app.app_context():
        metering.record("tokens", units, customer=customer.host.customer())
        metering.export_usage()

    customer.host.sandbox.clock.advance(minutes=5)


def items(customer: Subscriber) -> list[str]:
    """The lookup keys of what the subscription is billed for at Stripe."""
    return sorted(str(item.price.lookup_key) for item in customer.at_stripe["items"].data)


def both(plan: str, interval: str = "month") -> list[str]:
    """Those of a plan that bills usage."""
    return [f"billing_{plan}_{interval}_usd", f"billing_{plan}_{interval}_usd:tokens"]


def test_checkout_sells_the_metered_price_beside_the_plan(customer: Subscriber) -> None:
    assert items(customer) == both("small")
    assert customer.plan == ("small", "month", 1)
    assert customer.row.unit_amount == 2000
    assert customer.paid == [2000]
    licensed, metered = sorted(
        customer.at_stripe["items"].data, key=lambda item: str(item.price.lookup_key)
    )
    assert (licensed.quantity, metered.to_dict().get("quantity")) == (1, None)
    [row] = customer.host.rows(Checkout)
    assert row.metered == [metered.price.id]


def test_a_renewal_bills_the_plan_and_what_was_used_beyond_it(customer: Subscriber) -> None:
    use(customer, 90)
    use(customer, 50)
    customer.pass_days(32)

    assert customer.paid == [2000 + 100, 2000]


@pytest.mark.parametrize("order", [1, -1], ids=["as they come", "the other way round"])
def test_the_plan_is_told_by_the_licensed_item_in_any_order(
    customer: Subscriber, order: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = customer.at_stripe.to_dict()
    listed = found["items"]["data"]
    price = {"metadata": {"billing_plan": "large", "billing_interval": "year"}}
    listed.append({**listed[-1], "id": "si_x", "price": {**listed[-1]["price"], **price}})
    metered = [item for item in listed if item.get("quantity") is None]
    assert len(metered) == 2
    found["items"]["data"] = sorted(listed, key=lambda item: item.get("quantity") or 0)[::order]

    with customer.host.app.app_context():
        sync.write({"subscription": found}, {})

    assert customer.plan == ("small", "month", 1)
    assert customer.row.unit_amount == 2000


def test_a_metered_item_alone_stands_for_no_plan(customer: Subscriber) -> None:
    client, found = customer.stripe, customer.at_stripe
    [plan] = [item for item in found["items"].data if item.to_dict().get("quantity")]
    client.v1.subscriptions.update(found.id, {"items": [{"id": plan.id, "deleted": True}]})
    customer.host.sandbox.webhooks.deliver()

    assert (customer.row.plan, customer.row.last_plan) == (None, "small")


def test_an_upgrade_swaps_the_metered_price_and_charges_what_was_used(
    customer: Subscriber,
) -> None:
    use(customer, 300)
    quote = customer.quote("large")
    kinds = {line.kind: line.amount for line in quote.lines}
    assert kinds["usage"] == 500
    assert sum(kinds.values()) == quote.due_now
    assert (quote.next_amount, quote.bills_usage) == (9000, True)

    change = customer.confirm(quote)

    assert (change.state, customer.paid[0]) == ("done", quote.due_now)
    assert items(customer) == both("large")
    use(customer, 800)  # 1100 in all, of which 200 are paid for, and 1000 are included
    customer.pass_days(32)
    assert customer.paid[0] == 9000


@pytest.mark.parametrize("answered", [True, False], ids=["reported", "Stripe takes no usage"])
def test_what_was_used_until_a_quote_is_charged_by_the_plan_it_was_used_on(
    customer: Subscriber, answered: bool
) -> None:
    with customer.host.app.app_context():
        customer.host.sandbox.clock.advance(minutes=5)
        metering.record("tokens", 300, customer=customer.host.customer())

    if not answered:
        customer.host.sandbox.fail("POST", "/v1/billing/meter_events", times=9, status=500)

    quote = customer.quote("large")
    kinds = {line.kind: line.amount for line in quote.lines}
    assert kinds.get("usage") == (500 if answered else None)
    assert customer.confirm(quote).amount == quote.due_now


def test_an_upgrade_to_a_plan_that_bills_usage_begins_to_bill_it(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    customer = Subscriber(make_app(database_url, catalog=CATALOG), "plain")
    use(customer, 95)
    quote = customer.quote("small")
    assert "usage" not in {line.kind for line in quote.lines}
    customer.confirm(quote)
    assert items(customer) == both("small")
    use(customer, 25)
    customer.pass_days(32)
    assert customer.paid[0] == 2000 + 50


def test_another_interval_takes_the_metered_price_of_that_interval(customer: Subscriber) -> None:
    use(customer, 140)
    quote = customer.quote(interval="year")
    customer.confirm(quote)

    assert customer.paid[0] == quote.due_now
    assert items(customer) == both("small", "year")


def test_seats_leave_the_metered_price_alone(customer: Subscriber) -> None:
    use(customer, 140)
    before = customer.at_stripe["items"].data
    quote = customer.quote(quantity=3)
    assert (quote.next_amount, quote.bills_usage) == (6000, True)
    assert "usage" not in {line.kind for line in quote.lines}
    customer.confirm(quote)
    assert {item.id for item in customer.at_stripe["items"].data} == {item.id for item in before}
    customer.pass_days(32)
    assert customer.paid[0] == 6000 + 100


def test_a_downgrade_bills_the_last_period_at_the_price_it_was_used_under(
    customer: Subscriber,
) -> None:
    customer.change("large")
    customer.change("small")
    assert items(customer) == both("large"), "until the period ends"
    use(customer, 1100)
    customer.pass_days(32)

    assert customer.plan == ("small", "month", 1)
    assert items(customer) == both("small")
    assert customer.paid[0] == 2000 + 150
    use(customer, 140)
    customer.pass_days(31)
    assert customer.paid[0] == 2000 + 100


def test_a_downgrade_to_a_plan_that_bills_no_usage_drops_the_metered_item(
    customer: Subscriber,
) -> None:
    use(customer, 140)
    customer.change("plain")
    customer.pass_days(32)

    assert items(customer) == ["billing_plain_month_usd"]
    assert customer.paid[0] == 1000 + 100


def test_a_downgrade_that_is_undone_keeps_everything(customer: Subscriber) -> None:
    customer.change("plain")

    with customer.host.app.app_context():
        subscriptions.undo_change(customer.host.customer())

    use(customer, 140)
    customer.pass_days(32)
    assert items(customer) == both("small")
    assert customer.paid[0] == 2100


def test_a_declined_upgrade_leaves_the_metered_item_and_its_usage(customer: Subscriber) -> None:
    use(customer, 140)
    customer.use_card(DECLINED)

    with pytest.raises(CardDeclinedError):
        customer.change("large")

    assert items(customer) == both("small")
    customer.use_card("4242424242424242")
    customer.pass_days(32)
    assert customer.paid[0] == 2100


def test_an_upgrade_that_waits_for_the_bank_changes_both_items_at_once(
    customer: Subscriber,
) -> None:
    use(customer, 140)
    customer.use_card(BANK_ASKS)
    quote = customer.quote("large")
    assert customer.confirm(quote).state == "pending"
    assert items(customer) == both("small")
    customer.answer_the_bank()
    assert items(customer) == both("large")
    assert customer.paid[0] == quote.due_now


def test_what_is_used_while_the_bank_is_asked_is_charged_as_estimated(
    customer: Subscriber,
) -> None:
    use(customer, 140)
    customer.use_card(BANK_ASKS)
    customer.change("large")
    use(customer, 30)
    customer.answer_the_bank()
    customer.use_card("4242424242424242")
    use(customer, 900)

    with customer.host.app.app_context():
        found = metering.usage("tokens", customer=customer.host.customer()).estimated_charge

    assert found is not None
    customer.pass_days(32)
    assert customer.paid[0] == 9000 + found.amount


def test_usage_reported_since_the_look_is_not_charged_unseen(customer: Subscriber) -> None:
    use(customer, 140)
    quote = customer.quote("large")
    use(customer, 10)

    with pytest.raises(refusals.QuoteChangedError) as error:
        customer.confirm(quote)

    assert error.value.quote.due_now != quote.due_now
    assert items(customer) == both("small")
    assert customer.confirm(error.value.quote).state == "done"


def test_tiers_that_were_pushed_since_the_look_are_looked_at_again(
    customer: Subscriber, make_app: c.Callable[..., Host], database_url: str
) -> None:
    quote = customer.quote("large")
    plans = {**CATALOG["plans"], "large": _plan("Large", 3, 9000, 1000, "1.25")}
    catalog = {**CATALOG, "plans": plans}
    later = make_app(database_url, catalog=catalog, sandbox=customer.host.sandbox)

    with later.app.app_context():
        push()

        with pytest.raises(refusals.QuoteChangedError):
            subscriptions.change_plan(later.customer(), quote.token)

    assert items(customer) == both("small")


def test_a_pause_charges_neither_plan_nor_usage(customer: Subscriber) -> None:
    use(customer, 140)

    with customer.host.app.app_context():
        subscriptions.pause(customer.host.customer(), months=2)

    customer.pass_days(32)
    assert (items(customer), customer.paid) == (both("small"), [2000])

    with customer.host.app.app_context():
        here = customer.host.customer()
        amount = subscriptions.resumption(here).amount
        subscriptions.unpause(here, amount=amount)

    customer.host.sandbox.webhooks.deliver()
    assert (items(customer), customer.paid) == (both("small"), [amount, 2000])
    assert amount == 2000
    use(customer, 140)
    customer.pass_days(32)
    assert customer.paid[0] == 2000 + 100


def test_who_stays_keeps_the_tiers_they_were_sold(
    customer: Subscriber, make_app: c.Callable[..., Host], database_url: str
) -> None:
    before = {item.price.id for item in customer.at_stripe["items"].data}
    plans = {**CATALOG["plans"], "small": _plan("Small", 2, 2000, 100, "3.5")}
    later = make_app(
        database_url, catalog={**CATALOG, "plans": plans}, sandbox=customer.host.sandbox
    )

    with later.app.app_context():
        push()

    customer.host = later
    customer.change(quantity=2)
    assert {item.price.id for item in customer.at_stripe["items"].data} == before
    customer.change("large")
    assert items(customer) == both("large")


def test_a_checkout_that_is_open_makes_way_for_other_tiers(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    host = make_app(database_url, catalog=CATALOG)
    first = Shopper(host).start("small")
    assert Shopper(host).start("small").session == first.session
    plans = {**CATALOG["plans"], "small": _plan("Small", 2, 2000, 100, "3.5")}
    later = make_app(database_url, catalog={**CATALOG, "plans": plans}, sandbox=host.sandbox)
    second = Shopper(later).start("small")

    client = host.sandbox.client()
    assert second.session != first.session
    assert client.v1.checkout.sessions.retrieve(first.session).status == "expired"
    lines = client.v1.checkout.sessions.line_items.list(second.session).data
    tiers = [
        client.v1.prices.retrieve(line.price.id, {"expand": ["tiers"]}).tiers
        for line in lines
        if line.price is not None
    ]
    assert [one[0].unit_amount_decimal for one in tiers if one] == [Decimal("3.5")]


def test_the_change_page_says_that_usage_comes_on_top(customer: Subscriber) -> None:
    page = customer.person.client.get("/billing/change?plan=large&interval=month")
    assert "plus usage" in page.get_data(as_text=True)
    # What is used until a downgrade begins is charged on its day.
    page = customer.person.client.get("/billing/change?plan=plain&interval=month")
    assert "plus usage" in page.get_data(as_text=True)


def test_a_plan_without_usage_does_not_speak_of_it(
    make_app: c.Callable[..., Host], database_url: str
) -> None:
    plans = {**CATALOG["plans"], "more": _plan("More", 4, 20_000, 5000, None)}
    customer = Subscriber(make_app(database_url, catalog={**CATALOG, "plans": plans}), "plain")
    page = customer.person.client.get("/billing/change?plan=more&interval=month")
    assert "plus usage" not in page.get_data(as_text=True)
