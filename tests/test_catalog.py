"""Plans as code: what catalogs say, and how their mistakes are told."""

from __future__ import annotations

import copy
import json
import re
import typing as t
from pathlib import Path

import pytest
from click.testing import CliRunner

from flask_billing import Catalog, catalog_schema
from flask_billing.catalog import (
    Feature,
    Limit,
    Meter,
    Offer,
    Plan,
    Price,
    Seats,
    lookup_key,
)
from flask_billing.cli import billing
from flask_billing.coupons import coupon_id, coupon_terms
from flask_billing.errors import CatalogError, UnknownPlanError

from .host import CATALOGS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "catalog.md"


def limits(catalog: Catalog, meter: str) -> dict[str, tuple[int, str]]:
    """Plan -> included units and window of its first limit on a meter."""
    return {
        plan.key: next((x.included, x.window) for x in plan.limits if x.meter == meter)
        for plan in catalog.public_plans
        if any(x.meter == meter for x in plan.limits)
    }


def upgrades(catalog: Catalog, meter: str) -> list[str]:
    """Plans suggested one after the other to someone who always runs out."""
    plan, found = catalog.free_plan, []

    while plan := catalog.next_plan(plan, meter):
        found.append(plan.key)

    return found


def problems(content: dict[str, t.Any]) -> list[str]:
    """What is wrong with a catalog."""
    with pytest.raises(CatalogError) as error:
        Catalog.parse(content)

    return list(error.value.problems)


def test_one_plan_and_nothing_free() -> None:
    catalog = Catalog.load(CATALOGS / "single.toml")

    assert catalog.free_plan is None
    assert [plan.key for plan in catalog.public_plans] == ["membership"]
    assert catalog.purchasable("membership", "month", "usd").amount == 9900
    assert limits(catalog, "reports") == {"membership": (-1, "billing_period")}

    with pytest.raises(UnknownPlanError):
        catalog.purchasable("membership", "year", "usd")


def test_one_shot_tokens_and_prices_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for plan in ("ESSENTIEL", "PRO", "MAX"):
        monkeypatch.setenv(f"STRIPE_PRICE_ID_{plan}", f"price_{plan.lower()}")

    catalog = Catalog.load(CATALOGS / "one_shot.toml")

    assert limits(catalog, "tokens") == {
        "free": (100_000, "lifetime"),
        "essentiel": (1_200_000, "month"),
        "pro": (6_000_000, "month"),
        "max": (24_000_000, "month"),
    }
    price = catalog.purchasable("essentiel", "month", "eur")
    assert (price.stripe_price, price.amount) == ("price_essentiel", None)
    assert upgrades(catalog, "tokens") == ["essentiel", "pro", "max"]


def test_price_ids_missing_from_the_environment_are_all_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for plan in ("ESSENTIEL", "PRO", "MAX"):
        monkeypatch.delenv(f"STRIPE_PRICE_ID_{plan}", raising=False)

    with pytest.raises(CatalogError) as error:
        Catalog.load(CATALOGS / "one_shot.toml")

    assert error.value.problems == (
        "plans.essentiel.prices[0].stripe_price: the environment variable "
        "STRIPE_PRICE_ID_ESSENTIEL is not set",
        "plans.pro.prices[0].stripe_price: the environment variable STRIPE_PRICE_ID_PRO is not set",
        "plans.max.prices[0].stripe_price: the environment variable STRIPE_PRICE_ID_MAX is not set",
    )
    assert "one_shot.toml has 3 problems" in str(error.value)


def test_five_plans_with_seats_currencies_and_offers() -> None:
    catalog = Catalog.load(CATALOGS / "five.toml")

    assert [plan.key for plan in catalog.public_plans] == [
        "free", "starter", "pro", "team", "business",
    ]  # fmt: skip
    free, starter, pro, team, business = catalog.public_plans
    assert catalog.free_plan == free
    assert not free.has_feature("exports")
    assert starter.has_feature("exports")
    assert pro.price("year", "eur") == Price(interval="year", amount=29_000, currency="eur")
    assert team.seats == Seats(min=2, max=50)
    assert not business.is_free
    assert [x.included for x in starter.limits if x.meter == "exports"] == [5, 50]

    with pytest.raises(UnknownPlanError):
        catalog.purchasable("business", "month", "usd")

    with pytest.raises(UnknownPlanError):
        catalog.purchasable("free", "month", "usd")


def test_tokens_and_runs_on_every_plan() -> None:
    catalog = Catalog.load(CATALOGS / "runs.toml")

    assert [x for x, _ in limits(catalog, "tokens").values()] == [
        50_000, 500_000, 2_000_000, 10_000_000,
    ]  # fmt: skip
    assert [x for x, _ in limits(catalog, "runs").values()] == [10, 100, 500, 2000]
    assert [plan.prices[0].amount for plan in catalog.public_plans[1:]] == [2900, 9900, 49_900]
    assert catalog.meter("runs").aggregation == "count"

    with pytest.raises(KeyError, match="It has: tokens, runs"):
        catalog.meter("calls")


def test_a_trial_has_limits_of_its_own() -> None:
    catalog = Catalog.load(CATALOGS / "trial.toml")
    starter, pro, enterprise = catalog.public_plans

    assert catalog.free_plan is None
    assert [x.included for x in catalog.default_limits] == [0]
    assert [x.included for x in starter.limits_for(trialing=True)] == [700]
    assert [x.included for x in starter.limits_for(trialing=False)] == [1000]
    assert [x.included for x in pro.limits_for(trialing=True)] == [700]
    assert [x.included for x in pro.limits_for(trialing=False)] == [10_000]
    assert enterprise.limits_for(trialing=True)[0].unlimited


def test_python_and_toml_make_the_same_catalog() -> None:
    written = Catalog.parse(
        {
            "meters": {"tokens": {"name": "Tokens"}},
            "plans": {
                "free": {"name": "Free", "features": ["Community"]},
                "pro": {
                    "name": "Pro",
                    "rank": 1,
                    "prices": [{"interval": "month", "amount": 9900, "currency": "USD"}],
                    "limits": [{"meter": "tokens", "included": -1}],
                },
            },
        }
    )
    built = Catalog(
        meters=(Meter(key="tokens", name="Tokens"),),
        plans=(
            Plan(key="free", name="Free", features=(Feature(text="Community"),)),
            Plan(
                key="pro",
                name="Pro",
                rank=1,
                prices=(Price(interval="month", amount=9900),),
                limits=(Limit(meter="tokens", included=-1),),
            ),
        ),
    )

    assert built == written
    assert lookup_key(built.plans[1], built.plans[1].prices[0]) == "billing_pro_month_usd"


def test_a_catalog_built_in_python_is_held_to_the_same_rules() -> None:
    with pytest.raises(CatalogError) as error:
        Catalog(
            plans=(
                Plan(key="pro", name="Pro", limits=(Limit(meter="tokens", included=1),)),
                Plan(key="max", name="Max", prices=(Price(interval="month"),)),
            )
        )

    assert error.value.problems == (
        "plans.pro.limits[0].meter: there is no meter 'tokens'",
        "plans.max.prices[0]: needs an amount, a stripe_price or a lookup_key",
    )


SOUND: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens"}},
    "plans": {
        "free": {"name": "Free"},
        "pro": {"name": "Pro", "rank": 1, "prices": [{"interval": "month", "amount": 9900}]},
    },
}
MONTHLY = {"interval": "month", "amount": 9900}


def spoiled(path: str, value: object) -> dict[str, t.Any]:
    """The sound catalog with one place of it set to something else."""
    content = copy.deepcopy(SOUND)
    *way, last = path.split(".")
    node = content

    for step in way:
        node = node.setdefault(step, {})

    node[last] = value
    return content


def test_the_sound_catalog_is_sound() -> None:
    assert Catalog.parse(SOUND).free_plan is not None


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("colour", "red", "colour: is not a key of the catalog"),
        ("currency", "dollar", "currency: 'dollar' is not a currency; write three letters"),
        ("plans", {}, "plans: there are none; a catalog needs at least one"),
        ("plans.Pro", {"name": "x"}, "plans.Pro.key: 'Pro' is not a key; use up to 40 lower-case"),
        ("plans.max", "Max", "plans.max: must be a table, as [plans.max]"),
        ("plans.max", {"rank": 2, "contact": "/"}, "plans.max.name: is missing"),
        ("plans.pro.key", "x", "plans.pro.key: the table's name is the key; leave this out"),
        ("plans.pro.color", "red", "plans.pro.color: is not a key of the catalog"),
        ("plans.pro.name", 3, "plans.pro.name: 3 is not a text; put it in quotes"),
        ("plans.pro.rank", 1.5, "plans.pro.rank: 1.5 is not a whole number"),
        ("plans.pro.trial_days", -1, "plans.pro.trial_days: input should be greater than"),
        ("plans.pro.contact", "javascript:alert(1)", "plans.pro.contact: 'javascript:alert(1)' is"),
        ("plans.pro.seats", {"min": 5, "max": 2}, "plans.pro.seats: max is below min"),
        (
            "plans.max",
            {"name": "Max"},
            "plans: free, max have no prices, so each would be the free",
        ),
        ("plans.free.trial_days", 7, "plans.free.trial_days: the free plan has nothing to try"),
        (
            "plans.max",
            {"name": "Max", "rank": 1, "prices": [MONTHLY]},
            "plans.max.rank: 1 is the rank of pro too, so neither is an upgrade of the other",
        ),
        (
            "plans.pro.prices",
            [{"interval": "month", "amount": 29.0}],
            "plans.pro.prices[0].amount: 29.0 is not a whole number; amounts are in minor units",
        ),
        (
            "plans.pro.prices",
            [MONTHLY, {"interval": "week", "amount": 1}],
            "plans.pro.prices[1].interval: input should be 'month' or 'year'",
        ),
        ("plans.pro.prices", [MONTHLY, MONTHLY], "plans.pro.prices: two prices for month usd"),
        (
            "plans.pro.prices",
            [{"interval": "month"}],
            "plans.pro.prices[0]: needs an amount, a stripe_price or a lookup_key",
        ),
        (
            "plans.pro.prices",
            [{**MONTHLY, "stripe_price": "price_1", "lookup_key": "pro"}],
            "plans.pro.prices[0]: stripe_price and lookup_key both name a price; keep one",
        ),
        (
            "plans.pro.prices",
            [
                {**MONTHLY, "stripe_price": "price_1"},
                {"interval": "year", "amount": 1, "former": ["price_1"]},
            ],
            "plans.pro.prices[1]: 'price_1' already belongs to plans.pro.prices[0]",
        ),
        (
            "plans.pro.limits",
            [{"meter": "words", "included": 1}],
            "plans.pro.limits[0].meter: there is no meter 'words'",
        ),
        (
            "plans.pro.trial_limits",
            [{"meter": "tokens", "included": 1}, {"meter": "tokens", "included": 2}],
            "plans.pro.trial_limits[1]: a second limit for 'tokens' by the billing_period",
        ),
        (
            "plans.pro.limits",
            [{"meter": "tokens", "included": -2}],
            "plans.pro.limits[0].included: input should be greater than or equal to -1",
        ),
        (
            "plans.pro.limits",
            [{"meter": "tokens", "included": 1, "policy": "overage"}],
            "plans.pro.limits[0].overage_rate: needed with policy 'overage'",
        ),
        (
            "plans.pro.limits",
            [{"meter": "tokens", "included": 1, "overage_cap": 5}],
            "plans.pro.limits[0].overage_cap: only with policy 'overage'",
        ),
        (
            "plans.pro.limits",
            [{"meter": "tokens", "included": 1, "window": "lifetime", "rollover": True}],
            "plans.pro.limits[0].rollover: a lifetime window never ends",
        ),
        (
            "meters",
            {"a": {"name": "A", "stripe_event": "e"}, "b": {"name": "B", "stripe_event": "e"}},
            "meters.b.stripe_event: 'e' already belongs to meters.a",
        ),
        (
            "default_limits",
            [{"meter": "words", "included": 1}],
            "default_limits[0].meter: there is no meter 'words'",
        ),
        (
            "offers",
            [{"key": "stay", "kind": "discount"}],
            "offers[0]: a discount needs either percent_off or amount_off",
        ),
        ("offers", [{"key": "stay", "kind": "plan"}], "offers[0].plan: needed with kind 'plan'"),
        (
            "offers",
            [{"key": "stay", "kind": "trial_extension"}],
            "offers[0].days: needed with kind 'trial_extension'",
        ),
        (
            "offers",
            [{"key": "a", "kind": "contact"}, {"key": "a", "kind": "contact", "plans": ["x"]}],
            "offers: the key 'a' is used 2 times",
        ),
    ],
)
def test_a_mistake_is_told_with_its_path(path: str, value: object, problem: str) -> None:
    assert problems(spoiled(path, value))[0].startswith(problem)


def test_mistakes_of_form_and_of_sense_are_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    content = {
        "meters": {"tokens": {}},
        "plans": {
            "free": {"name": "Free", "limits": [{"meter": "tokens", "included": 1}]},
            "pro": {"name": "Pro", "prices": [{"interval": "month", "amount": 0.5}]},
            "max": {"name": "Max", "prices": [{"interval": "month", "stripe_price": "${NOT_SET}"}]},
            "team": {"name": "Team", "rank": 2, "prices": [{"interval": "month"}]},
        },
        "offers": [{"key": "down", "kind": "plan", "plan": "pro", "plans": ["gone"]}],
    }

    assert problems(content) == [
        "plans.max.prices[0].stripe_price: the environment variable NOT_SET is not set",
        "meters.tokens.name: is missing",
        "plans.pro.prices[0].amount: 0.5 is not a whole number; amounts are in minor units, "
        "as cents",
        "plans.team.prices[0]: needs an amount, a stripe_price or a lookup_key",
        "offers[0]: there is no plan 'gone'",
    ]


def test_a_file_that_cannot_be_read_or_parsed_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(tmp_path / "none.toml")

    broken = tmp_path / "broken.toml"
    broken.write_text("plans = {")

    with pytest.raises(CatalogError, match=r"broken\.toml has 1 problem:\n  - is not TOML"):
        Catalog.load(broken)


def test_an_offer_is_one_coupon_for_each_way_of_paying() -> None:
    offer = Offer(key="stay-20", kind="discount", percent_off=20, months=3)

    assert coupon_terms(offer, "month", "usd") == {
        "percent_off": 20,
        "duration": "repeating",
        "duration_in_months": 3,
    }
    assert coupon_terms(offer, "year", "usd") == {"percent_off": 20, "duration": "once"}
    assert coupon_id(offer, "month", "usd") != coupon_id(offer, "year", "usd")
    assert coupon_id(offer, "month", "usd").startswith("billing_stay-20_")

    more = offer.model_copy(update={"percent_off": 30})
    assert coupon_id(more, "month", "usd") != coupon_id(offer, "month", "usd")
    money = Offer(key="ten", kind="discount", amount_off=1000)
    assert coupon_terms(money, "month", "eur") == {
        "amount_off": 1000,
        "currency": "eur",
        "duration": "forever",
    }


def test_the_schema_file_is_current() -> None:
    shipped = json.loads((ROOT / "flask_billing" / "catalog.schema.json").read_text())

    assert shipped == catalog_schema.schema(), "run 'make schema'"


def test_the_schema_is_printed_for_editors() -> None:
    result = CliRunner().invoke(billing, ["catalog", "schema"])

    described = json.loads(result.output)
    assert described["properties"]["plans"]["additionalProperties"] == {"$ref": "#/$defs/Plan"}
    assert "key" not in described["$defs"]["Plan"]["properties"]
    assert described["$defs"]["Price"]["properties"]["amount"]["minimum"] == 0


def test_the_documented_example_loads(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.+?)```", DOCS.read_text(), flags=re.S)
    assert example is not None
    file = tmp_path / "billing.toml"
    file.write_text(example[1])

    catalog = Catalog.load(file)

    assert [plan.key for plan in catalog.public_plans] == [
        "free", "starter", "pro", "team", "enterprise",
    ]  # fmt: skip
    assert catalog.source == str(file)


@pytest.mark.parametrize(
    ("heading", "model", "unnamed"),
    [
        ("## The file", Catalog, set()),
        ("## Plans", Plan, {"key"}),
        ("### Features", Feature, set()),
        ("### Seats", Seats, set()),
        ("## Prices", Price, set()),
        ("## Meters", Meter, {"key"}),
        ("## Limits", Limit, set()),
        ("## Offers", Offer, set()),
    ],
)
def test_every_key_is_documented(
    heading: str, model: type[Catalog | Plan], unnamed: set[str]
) -> None:
    section = DOCS.read_text().split(f"\n{heading}\n")[1].split("\n#")[0]
    keys = re.findall(r"^\| `(\w+)` \|", section, flags=re.M)

    assert keys == [name for name in model.model_fields if name not in unnamed]
