"""Usage on invoices: tiers, currencies, and what happens to it when subscriptions change.

The amounts are worked out by hand in the comments.
"""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
DAY = 86_400
#: Noon of 31 January to noon of 28 February.
PERIOD = 28

#: 1 each up to 1,000 and 500 for them, then 0.3 each and 200, from 10,001 on 0.1 each.
TIERS = [
    {"up_to": 1_000, "unit_amount": 1, "flat_amount": 500},
    {"up_to": 10_000, "unit_amount_decimal": "0.3", "flat_amount": 200},
    {"up_to": "inf", "unit_amount_decimal": "0.1"},
]


class Calls:
    """Calls that Ada makes, and prices for them."""

    def __init__(self, client: stripe.StripeClient, shop: Shop, card: str = "pm_card_visa") -> None:
        self.client = client
        self.shop = shop
        self.customer = shop.customer(card)
        self.meter = client.v1.billing.meters.create(
            {
                "display_name": "Calls",
                "event_name": "calls",
                "default_aggregation": {"formula": "sum"},
            }
        ).id
        self.product = client.v1.products.create({"name": "API", "unit_label": "call"}).id

    def price(self, **terms: t.Any) -> str:
        """A price by usage: a cent a call unless said otherwise."""
        if "tiers" in terms:
            terms = {"billing_scheme": "tiered", "tiers_mode": "graduated", **terms}
        elif "unit_amount_decimal" not in terms:
            terms = {"unit_amount": 1, **terms}
        params: t.Any = {
            "product": self.product,
            "currency": "usd",
            "recurring": {"interval": "month", "usage_type": "metered", "meter": self.meter},
            **terms,
        }
        return self.client.v1.prices.create(params).id

    def subscribe(self, *prices: str, **more: t.Any) -> stripe.Subscription:
        """A subscription to these prices."""
        params: t.Any = {
            "customer": self.customer,
            "items": [{"price": price} for price in prices],
            **more,
        }
        return self.client.v1.subscriptions.create(params)

    def change(self, subscription: str, *items: t.Any, **more: t.Any) -> stripe.Subscription:
        """Change the items of a subscription."""
        params: t.Any = {"items": list(items), **more}
        return self.client.v1.subscriptions.update(subscription, params)

    def make(self, calls: int, **more: t.Any) -> None:
        """Report calls."""
        payload = {"stripe_customer_id": self.customer, "value": str(calls)}
        params: t.Any = {"event_name": "calls", "payload": payload, **more}
        self.client.v1.billing.meter_events.create(params)

    def invoices(self) -> list[stripe.Invoice]:
        """All invoices of Ada, the oldest first."""
        return self.client.v1.invoices.list({"customer": self.customer, "limit": 100}).data[::-1]

    def preview(self, subscription: str, **more: t.Any) -> list[tuple[int, int]]:
        """(quantity, amount) of the lines of the invoice to come."""
        params: t.Any = {"customer": self.customer, "subscription": subscription, **more}
        return lines(self.client.v1.invoices.create_preview(params))


def lines(invoice: stripe.Invoice) -> list[tuple[int, int]]:
    """(quantity, amount) of an invoice's lines."""
    return [(line.quantity or 0, line.amount) for line in invoice.lines.data]


def item_of(subscription: stripe.Subscription, number: int = 0) -> str:
    """The id of a subscription's item."""
    return str(subscription["items"].data[number].id)


def default_card(client: stripe.StripeClient, customer: str, card: str | None = None) -> str:
    """The default card of a customer, after another was put in its place where one is given."""
    if card is not None:
        settings: t.Any = {"invoice_settings": {"default_payment_method": card}}
        client.v1.customers.update(customer, settings)
    found = client.v1.customers.retrieve(customer).invoice_settings
    assert found is not None
    return str(found.default_payment_method)


@pytest.fixture
def calls(client: stripe.StripeClient, shop: Shop) -> Calls:
    """Nobody has called yet."""
    return Calls(client, shop)


# tiers


@pytest.mark.parametrize(
    ("mode", "used", "expected"),
    [
        # The first tier's flat fee is charged without any use too.
        ("graduated", 0, [(0, 0), (0, 500)]),
        ("volume", 0, [(0, 0), (0, 500)]),
        ("graduated", 1_000, [(1_000, 1_000), (0, 500)]),
        ("volume", 1_000, [(1_000, 1_000), (0, 500)]),
        # Graduated, the one unit of the second tier costs 0.3, and its flat fee comes on top.
        ("graduated", 1_001, [(1_000, 1_000), (0, 500), (1, 0), (0, 200)]),
        # By volume all are of the second tier: 1,001 x 0.3 = 300.3.
        ("volume", 1_001, [(1_001, 300), (0, 200)]),
        # 9,000 x 0.3 = 2,700; 2,346 x 0.1 = 234.6.
        (
            "graduated",
            12_346,
            [(1_000, 1_000), (0, 500), (9_000, 2_700), (0, 200), (2_346, 235)],
        ),
        # 12,346 x 0.1 = 1,234.6, and the last tier has no flat fee.
        ("volume", 12_346, [(12_346, 1_235)]),
    ],
)
def test_tiers_by_hand(
    calls: Calls, sandbox: Sandbox, mode: str, used: int, expected: list[tuple[int, int]]
) -> None:
    calls.subscribe(calls.price(tiers=TIERS, tiers_mode=mode))
    if used:
        calls.make(used)
    sandbox.clock.advance(days=PERIOD, hours=2)
    [renewal] = calls.invoices()
    assert lines(renewal) == expected
    assert renewal.total == sum(amount for _quantity, amount in expected)


def test_each_tier_has_a_line_and_its_flat_fee_another(calls: Calls, sandbox: Sandbox) -> None:
    """The lines and words of an invoice seen at 2022-08-01: $9 for 1,000, then $0.036 each."""
    calls.subscribe(
        calls.price(
            tiers=[
                {"up_to": 1_000, "unit_amount": 0, "flat_amount": 900},
                {"up_to": "inf", "unit_amount_decimal": "3.6", "flat_amount": 0},
            ]
        )
    )
    calls.make(1_031)
    sandbox.clock.advance(days=PERIOD, hours=2)
    [renewal] = calls.invoices()
    assert [(line.description, line.quantity, line.amount) for line in renewal.lines.data] == [
        ("1000 call × API (Tier 1 at $0.00 / month)", 1_000, 0),
        ("API (Tier 1 at $9.00 / month)", 0, 900),
        ("31 call × API (Tier 2 at $0.036 / month)", 31, 112),  # 111.6
        ("API (Tier 2 at $0.00 / month)", 0, 0),
    ]
    assert renewal.total == 1_012
    decimals = [line.pricing.unit_amount_decimal for line in renewal.lines.data if line.pricing]
    assert [str(one) for one in decimals] == ["0", "900", "3.6", "0"]


@pytest.mark.parametrize(
    ("currency", "each", "used", "amount", "words"),
    [
        ("jpy", "0.3", 9, 3, "9 call × API (at ¥0.3 / month)"),  # 2.7 yen
        ("jpy", "15", 9, 135, "9 call × API (at ¥15 / month)"),
        ("kwd", "1.2", 7, 8, "7 call × API (at KWD 0.0012 / month)"),  # 8.4 of 1,000
        ("ugx", "50000", 9, 450_000, "9 call × API (at UGX 500.00 / month)"),  # sent in hundredths
        ("usd", "0.000000000001", 1, 0, "1 call × API (at $0.00000000000001 / month)"),
        ("usd", "0.000000000001", 10**12, 1, "1000000000000 call × API"),
        ("usd", "2.5", 0, 0, "0 call × API (at $0.025 / month)"),
    ],
)
def test_decimals_are_rounded_once_a_line_in_every_currency(
    client: stripe.StripeClient,
    calls: Calls,
    sandbox: Sandbox,
    currency: str,
    each: str,
    used: int,
    amount: int,
    words: str,
) -> None:
    calls.subscribe(calls.price(unit_amount_decimal=each, currency=currency))
    if used:
        calls.make(used)
    sandbox.clock.advance(days=PERIOD, hours=2)
    [renewal] = calls.invoices()
    assert (renewal.currency, lines(renewal)) == (currency, [(used, amount)])
    assert str(renewal.lines.data[0].description).startswith(words)


def test_licensed_tiers_have_lines_too(calls: Calls, client: stripe.StripeClient) -> None:
    price = client.v1.prices.create(
        {
            "product": calls.product,
            "currency": "usd",
            "recurring": {"interval": "month"},
            "billing_scheme": "tiered",
            "tiers_mode": "graduated",
            "tiers": [{"up_to": 5, "unit_amount": 900}, {"up_to": "inf", "unit_amount": 800}],
        }
    ).id
    client.v1.subscriptions.create(
        {"customer": calls.customer, "items": [{"price": price, "quantity": 7}]}
    )
    assert lines(calls.invoices()[0]) == [(5, 4_500), (2, 1_600)]


# the time of usage


def test_nothing_is_invoiced_before_anything_was_used(calls: Calls, sandbox: Sandbox) -> None:
    subscription = calls.subscribe(calls.price())
    assert (subscription.status, subscription.latest_invoice) == ("active", None)
    assert calls.invoices() == []
    calls.make(12)
    assert calls.preview(subscription.id) == [(12, 12)]


def test_classic_mode_begins_with_an_invoice_over_nothing(calls: Calls) -> None:
    calls.subscribe(calls.price(tiers=TIERS), billing_mode={"type": "classic"})
    assert [(one.total, lines(one)) for one in calls.invoices()] == [(0, [(0, 0)])]


def test_checkout_of_usage_alone(
    client: stripe.StripeClient, calls: Calls, sandbox: Sandbox
) -> None:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": calls.customer,
            "line_items": [{"price": calls.price()}],
            "success_url": "https://app.example/done",
        }
    )
    sandbox.checkout(session.id).pay()
    done = client.v1.checkout.sessions.retrieve(session.id)
    assert (done.status, done.payment_status, done.invoice) == (
        "complete",
        "no_payment_required",
        None,
    )


def test_usage_of_a_trial_is_free(calls: Calls, sandbox: Sandbox) -> None:
    calls.subscribe(calls.shop.month, calls.price(), trial_period_days=10)
    calls.make(100)
    sandbox.clock.advance(days=10, hours=2)
    calls.make(7)
    sandbox.clock.advance(days=29)
    assert [lines(one) for one in calls.invoices()] == [
        [(1, 0)],
        [(1, 2_500)],
        [(1, 2_500), (7, 7)],
    ]


def test_what_is_reported_in_the_draft_hour_is_billed(calls: Calls, sandbox: Sandbox) -> None:
    calls.subscribe(calls.shop.month, calls.price(tiers=TIERS))
    calls.make(1_000)
    sandbox.clock.advance(days=PERIOD, minutes=30)
    draft = calls.invoices()[-1]
    assert (draft.status, lines(draft)) == ("draft", [(1, 2_500), (1_000, 1_000), (0, 500)])
    calls.make(10, timestamp=NOW + PERIOD * DAY - 1)
    calls.make(5)  # of the next period
    sandbox.clock.advance(hours=1)
    # 10 x 0.3 = 3, and 200 for the tier.
    expected = [(1, 2_500), (1_000, 1_000), (0, 500), (10, 3), (0, 200)]
    final = calls.invoices()[-1]
    assert (final.status, lines(final), final.amount_paid) == ("paid", expected, 4_203)
    told = sandbox.events("invoice.updated")[-3]["data"]["previous_attributes"]
    assert (told["total"], len(told["lines"]["data"])) == (4_000, 3)
    calls.make(100, timestamp=NOW + PERIOD * DAY - 1)  # too late
    assert lines(calls.invoices()[-1]) == expected


# changes


def test_usage_is_billed_at_the_price_it_was_used_under(calls: Calls, sandbox: Sandbox) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price())
    calls.make(40)
    sandbox.clock.advance(days=10)
    dearer = calls.price(unit_amount=3)
    calls.change(subscription.id, {"id": item_of(subscription, 1), "price": dearer})
    calls.make(20)
    # What waits comes first: 40 x 1; then 20 x 3 on the new price.
    expected = [(40, 40), (1, 2_500), (20, 60)]
    assert calls.preview(subscription.id) == expected
    sandbox.clock.advance(days=18, hours=2)
    assert [lines(one) for one in calls.invoices()[1:]] == [expected]


def test_classic_mode_bills_all_of_it_at_the_price_of_the_end(
    calls: Calls, sandbox: Sandbox
) -> None:
    subscription = calls.subscribe(
        calls.shop.month, calls.price(), billing_mode={"type": "classic"}
    )
    calls.make(40)
    sandbox.clock.advance(days=10)
    calls.change(
        subscription.id, {"id": item_of(subscription, 1), "price": calls.price(unit_amount=3)}
    )
    calls.make(20)
    sandbox.clock.advance(days=18, hours=2)
    assert lines(calls.invoices()[-1]) == [(1, 2_500), (60, 180)]


@pytest.mark.parametrize(("mode", "billed"), [("flexible", [(40, 40)]), ("classic", [])])
def test_an_item_that_goes(
    calls: Calls, sandbox: Sandbox, mode: str, billed: list[tuple[int, int]]
) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price(), billing_mode={"type": mode})
    calls.make(40)
    sandbox.clock.advance(days=10)
    gone = {"id": item_of(subscription, 1), "deleted": True}
    calls.change(subscription.id, gone)
    calls.make(99)  # belongs to no item
    sandbox.clock.advance(days=18, hours=2)
    assert lines(calls.invoices()[-1]) == [*billed, (1, 2_500)]


def test_an_item_that_comes_counts_from_then_on(calls: Calls, sandbox: Sandbox) -> None:
    subscription = calls.subscribe(calls.shop.month)
    calls.make(40)
    sandbox.clock.advance(days=10)
    calls.change(subscription.id, {"price": calls.price()})
    calls.make(20)
    sandbox.clock.advance(days=18, hours=2)
    renewal = calls.invoices()[-1]
    assert lines(renewal) == [(1, 2_500), (20, 20)]
    assert renewal.lines.data[1].period.start == NOW + 10 * DAY


@pytest.mark.parametrize("behavior", ["always_invoice", "create_prorations", "none"])
def test_usage_is_never_prorated(calls: Calls, sandbox: Sandbox, behavior: str) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price())
    calls.make(40)
    sandbox.clock.advance(days=14)  # half of the period
    change = calls.change(
        subscription.id,
        {"id": item_of(subscription, 1), "price": calls.price(unit_amount=3)},
        proration_behavior=behavior,
    )
    at_once = [lines(one) for one in calls.invoices()[1:]]
    assert at_once == ([[(40, 40)]] if behavior == "always_invoice" else [])
    sandbox.clock.advance(days=14, hours=2)
    waited = [(40, 40)] if behavior == "create_prorations" else []
    assert lines(calls.invoices()[-1]) == [*waited, (1, 2_500), (0, 0)]
    assert calls.client.v1.subscriptions.retrieve(change.id).status == "active"


def test_a_change_that_is_not_paid_neither_loses_nor_doubles_usage(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    calls = Calls(client, shop)
    subscription = calls.subscribe(shop.month, calls.price())
    calls.make(140)
    good = default_card(client, calls.customer)
    broken = client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": calls.customer}
    )
    default_card(client, calls.customer, broken.id)
    sandbox.clock.advance(days=10)
    changed = calls.change(
        subscription.id,
        {"id": item_of(subscription, 1), "price": calls.price(unit_amount=3)},
        proration_behavior="always_invoice",
        payment_behavior="pending_if_incomplete",
    )
    assert changed.pending_update is not None
    assert (calls.invoices()[-1].status, lines(calls.invoices()[-1])) == ("open", [(140, 140)])
    default_card(client, calls.customer, good)
    sandbox.clock.advance(days=1)
    assert calls.invoices()[-1].status == "void"
    sandbox.clock.advance(days=17, hours=2)
    assert lines(calls.invoices()[-1]) == [(1, 2_500), (140, 140)]


def test_a_new_anchor_bills_what_was_used_so_far(calls: Calls, sandbox: Sandbox) -> None:
    subscription = calls.subscribe(calls.price())
    calls.make(40)
    sandbox.clock.advance(days=10)
    calls.change(subscription.id, billing_cycle_anchor={"type": "now"})
    calls.make(20)
    sandbox.clock.advance(days=32)
    assert [lines(one) for one in calls.invoices()] == [[(40, 40)], [(20, 20)]]


def test_a_phase_bills_the_period_before_it_at_its_own_price(
    client: stripe.StripeClient, calls: Calls, sandbox: Sandbox
) -> None:
    first, second = calls.price(), calls.price(unit_amount=3)
    subscription = calls.subscribe(calls.shop.month, first)
    calls.make(40)
    schedule = client.v1.subscription_schedules.create({"from_subscription": subscription.id})
    now = schedule.phases[0]
    client.v1.subscription_schedules.update(
        schedule.id,
        {
            "end_behavior": "release",
            "phases": [
                {
                    "items": [{"price": calls.shop.month}, {"price": first}],
                    "start_date": now.start_date,
                    "end_date": now.end_date,
                },
                {
                    "items": [{"price": calls.shop.month}, {"price": second}],
                    "duration": {"interval": "month", "interval_count": 1},
                    "proration_behavior": "none",
                },
            ],
        },
    )
    sandbox.clock.advance(days=PERIOD, hours=2)
    calls.make(20)
    assert lines(calls.invoices()[-1]) == [(40, 40), (1, 2_500)]
    sandbox.clock.advance(days=32)
    assert lines(calls.invoices()[-1]) == [(1, 2_500), (20, 60)]


# the end


def test_an_appointed_end_drafts_what_was_used_and_collects_nothing(
    calls: Calls, sandbox: Sandbox
) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price(tiers=TIERS))
    calls.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    calls.make(10)
    expected = [(10, 10), (0, 500)]
    assert calls.preview(subscription.id) == expected
    assert len(calls.invoices()) == 1, "a preview keeps nothing"
    sandbox.clock.advance(days=PERIOD, hours=2)
    last = calls.invoices()[-1]
    assert (last.status, last.auto_advance, lines(last)) == ("draft", False, expected)
    sandbox.clock.advance(days=60)
    last = calls.client.v1.invoices.retrieve(last.id)
    assert (last.status, calls.invoices()[-1].id) == ("draft", last.id)


def last_invoice(calls: Calls, sandbox: Sandbox) -> str:
    """The draft of a subscription that ran until its date."""
    subscription = calls.subscribe(calls.shop.month, calls.price(unit_amount=20))
    calls.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    calls.make(10)
    sandbox.clock.advance(days=PERIOD, minutes=1)
    return str(calls.invoices()[-1].id)


def test_the_last_invoice_is_collected_once_it_may_advance_with_usage_that_came_late(
    calls: Calls, sandbox: Sandbox
) -> None:
    last = last_invoice(calls, sandbox)
    calls.client.v1.invoices.update(last, {"auto_advance": True})
    calls.make(5, timestamp=NOW + PERIOD * DAY - 1)
    calls.make(70)  # after the end
    sandbox.clock.advance(minutes=55)
    assert calls.client.v1.invoices.retrieve(last).status == "draft"
    sandbox.clock.advance(minutes=10)
    found = calls.client.v1.invoices.retrieve(last)
    assert (found.status, found.amount_paid, lines(found)) == ("paid", 300, [(15, 300)])


def test_a_last_invoice_that_is_refused_is_tried_again(calls: Calls, sandbox: Sandbox) -> None:
    last = last_invoice(calls, sandbox)
    good = default_card(calls.client, calls.customer)
    bad = calls.client.v1.payment_methods.attach(
        "pm_card_chargeCustomerFail", {"customer": calls.customer}
    )
    default_card(calls.client, calls.customer, bad.id)
    calls.client.v1.invoices.update(last, {"auto_advance": True})
    sandbox.clock.advance(hours=2)
    found = calls.client.v1.invoices.retrieve(last)
    assert (found.status, found.attempt_count) == ("open", 1)
    assert found.next_payment_attempt is not None
    default_card(calls.client, calls.customer, good)
    sandbox.clock.advance(days=2)
    assert calls.client.v1.invoices.retrieve(last).status == "paid"


def test_without_usage_an_appointed_end_bills_nothing(calls: Calls, sandbox: Sandbox) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price())
    calls.client.v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True})
    with pytest.raises(stripe.InvalidRequestError) as nothing:
        calls.preview(subscription.id)
    assert nothing.value.code == "invoice_upcoming_none"
    sandbox.clock.advance(days=PERIOD, hours=2)
    assert len(calls.invoices()) == 1


@pytest.mark.parametrize(("invoice_now", "billed"), [(True, [[(40, 40)]]), (False, [])])
def test_an_end_at_once_drafts_usage_where_asked(
    calls: Calls, sandbox: Sandbox, invoice_now: bool, billed: list[list[tuple[int, int]]]
) -> None:
    subscription = calls.subscribe(calls.shop.month, calls.price())
    calls.make(40)
    sandbox.clock.advance(days=3)
    calls.client.v1.subscriptions.cancel(subscription.id, {"invoice_now": invoice_now})
    sandbox.clock.advance(days=3)
    found = calls.invoices()[1:]
    assert [lines(one) for one in found] == billed
    assert {(one.status, one.auto_advance) for one in found} <= {("draft", False)}
