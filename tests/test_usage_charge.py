"""The estimate of a usage charge: by hand, and the same as the sandbox's invoices."""

from __future__ import annotations

import random
import typing as t
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flask_billing.catalog import Catalog, MeteredPrice, Tier
from flask_billing.sandbox import Sandbox
from flask_billing.usage_charge import charge, next_tier, parts

SEEDS: t.Final = range(6)
CURRENCIES: t.Final = ("usd", "jpy", "kwd", "eur")
#: Prices by usage that one subscription carries in the comparison with the sandbox.
PRICES: t.Final = 12

TIERS: t.Final = [
    {"up_to": 1000, "unit_amount": "1", "flat_amount": 500},
    {"up_to": 10_000, "unit_amount": "0.3", "flat_amount": 200},
    {"unit_amount": "0.1"},
]


def metered(**terms: object) -> MeteredPrice:
    """A metered price for tokens, as a catalog file has it."""
    catalog = Catalog.parse(
        {
            "meters": {"tokens": {"name": "Tokens", "stripe_event": "tokens"}},
            "plans": {
                "pro": {
                    "name": "Pro",
                    "prices": [
                        {"interval": "month", "amount": 1, "metered": [{"meter": "tokens"} | terms]}
                    ],
                    "limits": [{"meter": "tokens", "included": 5, "policy": "overage"}],
                }
            },
        }
    )
    return catalog.plans[0].prices[0].metered[0]


@pytest.mark.parametrize(
    ("units", "graduated", "volume"),
    [
        (0, 500, 500),  # the flat fee of the first tier
        (1, 1 + 500, 1 + 500),
        (1000, 1000 + 500, 1000 + 500),
        # Graduated 0.3 is rounded to 0; by volume 1,001 x 0.3 = 300.3.
        (1001, 1000 + 500 + 0 + 200, 300 + 200),
        (10_000, 1000 + 500 + 2700 + 200, 3000 + 200),
        # Graduated 2,346 x 0.1 = 234.6; by volume 12,346 x 0.1 = 1,234.6.
        (12_346, 1000 + 500 + 2700 + 200 + 235, 1235),
    ],
)
def test_tiers(units: int, graduated: int, volume: int) -> None:
    assert charge(metered(tiers=TIERS), units) == graduated
    assert charge(metered(tiers=TIERS, tiers_mode="volume"), units) == volume


@pytest.mark.parametrize(
    ("each", "units", "amount"),
    [
        (2, 12, 24),
        ("0.0009", 555, 0),  # 0.4995
        ("0.0009", 556, 1),  # 0.5004
        ("0.000000000001", 10**15, 1000),
        # More digits than a decimal context keeps: 999999999999.999999999999 x 10^15.
        ("999999999999.999999999999", 10**15, 999999999999999999999999000),
    ],
)
def test_fractions_of_a_minor_unit_are_exact(each: object, units: int, amount: int) -> None:
    assert charge(metered(unit_amount=each), units) == amount


def test_parts_are_the_lines_of_the_invoice() -> None:
    found = parts(metered(tiers=TIERS), 1031)
    assert [(part.units, str(part.each), part.amount) for part in found] == [
        (1000, "1", 1000),
        (None, "500", 500),
        (31, "0.3", 9),
        (None, "200", 200),
    ]


def test_the_next_tier() -> None:
    price = metered(tiers=TIERS)
    found = [next_tier(price, units) for units in (0, 1000, 1001, 10_001)]
    assert [one and (one.beyond, str(one.tier.unit_amount)) for one in found] == [
        (1000, "0.3"),
        (1000, "0.3"),
        (10_000, "0.1"),
        None,
    ]
    assert next_tier(metered(unit_amount=1), 7) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_estimate_is_what_the_sandbox_invoices(seed: int) -> None:
    chance = random.Random(seed)
    currency = CURRENCIES[seed % len(CURRENCIES)]
    prices = [a_price(chance) for _ in range(PRICES)]
    used = [units_for(price, chance) for price in prices]

    with Sandbox(now=datetime(2026, 1, 31, 12, tzinfo=UTC)) as sandbox:
        client = sandbox.client()
        customer = client.v1.customers.create({"email": "ada@example.com"}).id
        card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
        items, names = [], []

        for number, price in enumerate(prices):
            event = f"meter_{number}"
            meter = client.v1.billing.meters.create(
                {
                    "display_name": event,
                    "event_name": event,
                    "default_aggregation": {"formula": "sum"},
                }
            ).id
            params: t.Any = {
                "product_data": {"name": event},
                "currency": currency,
                "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
                **stripe_terms(price),
            }
            items.append({"price": client.v1.prices.create(params).id})
            names.append(event)

        wanted: t.Any = {"customer": customer, "items": items, "default_payment_method": card}
        subscription = client.v1.subscriptions.create(wanted)

        for event, units in zip(names, used, strict=True):
            for part in split(units, chance):
                payload = {"stripe_customer_id": customer, "value": str(part)}
                client.v1.billing.meter_events.create({"event_name": event, "payload": payload})

        preview = client.v1.invoices.create_preview({"subscription": subscription.id})
        sandbox.clock.advance(days=28, hours=2)
        [invoice] = client.v1.invoices.list({"customer": customer}).data
        billed = {item["price"]: 0 for item in items}

        for line in client.v1.invoices.line_items.list(invoice.id, {"limit": 100}).data:
            assert line.pricing is not None
            assert line.pricing.price_details is not None
            billed[str(line.pricing.price_details.price)] += line.amount

    estimates = [charge(price, units) for price, units in zip(prices, used, strict=True)]
    assert estimates == list(billed.values())
    assert sum(estimates) == invoice.total == preview.total


def a_price(chance: random.Random) -> MeteredPrice:
    """A price by the unit or by tiers, with flat fees or without."""
    if chance.random() < 0.25:
        return MeteredPrice(meter="tokens", unit_amount=a_rate(chance))

    bounds = sorted(chance.sample(range(1, 5000), chance.randint(0, 4)))
    tiers = []

    for up_to in (*bounds, None):
        each = a_rate(chance) if chance.random() < 0.8 else None
        flat = chance.choice([None, 0, 1, 999]) if each is not None else 250
        tiers.append(Tier(up_to=up_to, unit_amount=each, flat_amount=flat))

    mode: t.Any = chance.choice(["graduated", "volume"])
    return MeteredPrice(meter="tokens", tiers=tuple(tiers), tiers_mode=mode)


def a_rate(chance: random.Random) -> t.Any:
    """Minor units for one unit, often a fraction, often one whose sums end in a half."""
    return chance.choice(
        [
            Decimal(chance.randint(0, 300)),
            Decimal(chance.randint(0, 20)) / 2,
            Decimal(chance.randint(1, 10**12)) / 10**12,
        ]
    )


def units_for(price: MeteredPrice, chance: random.Random) -> int:
    """Nothing, the very end of a tier, one beyond it, or anything."""
    ends = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    return chance.choice([0, *ends, *[end + 1 for end in ends], chance.randint(1, 20_000)])


def split(units: int, chance: random.Random) -> list[int]:
    """The units in up to two reports."""
    first = chance.randint(0, units)
    return [part for part in (first, units - first) if part]


def stripe_terms(price: MeteredPrice) -> dict[str, t.Any]:
    """The price in the words of ``POST /v1/prices``."""
    if not price.tiers:
        return {"unit_amount_decimal": f"{price.unit_amount:f}"}

    tiers = []

    for tier in price.tiers:
        told: dict[str, t.Any] = {"up_to": "inf" if tier.up_to is None else tier.up_to}

        if tier.unit_amount is not None:
            told["unit_amount_decimal"] = f"{tier.unit_amount:f}"

        if tier.flat_amount is not None:
            told["flat_amount"] = tier.flat_amount

        tiers.append(told)

    return {"billing_scheme": "tiered", "tiers_mode": price.tiers_mode, "tiers": tiers}
