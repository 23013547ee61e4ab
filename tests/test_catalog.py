"""Plans as code: what catalogs say, and how their mistakes are told."""

from __future__ import annotations

import copy
import json
import re
import tomllib
import typing as t
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from flask_billing import Catalog, catalog_schema
from flask_billing.catalog import (
    Experiment,
    Feature,
    Limit,
    Meter,
    MeteredPrice,
    Offer,
    Plan,
    Price,
    Seats,
    Tier,
    Variant,
    lookup_key,
    metered_lookup_key,
)
from flask_billing.cli import billing
from flask_billing.coupons import coupon_terms
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


def test_a_part_made_in_python_says_what_is_wrong_with_it() -> None:
    with pytest.raises(CatalogError) as error:
        Plan(key="Pro", prices=[{"interval": "month", "amount": 9.5}], colour="red")  # type: ignore[call-arg, arg-type]

    assert error.value.problems == (
        "Plan.key: 'Pro' is not a key; use up to 40 lower-case letters, digits, '-' and '_', and "
        "begin with a letter",
        "Plan.name: is missing",
        "Plan.prices[0].amount: 9.5 is not a whole number; amounts are in minor units, as cents",
        "Plan.colour: is not a key of the catalog",
    )


def test_a_part_is_not_changed_once_it_is_made() -> None:
    price = Price(interval="month", amount=9900)

    with pytest.raises(AttributeError, match="'amount' was not set"):
        price.amount = 1  # type: ignore[misc]

    assert price.replace(amount=1) == Price(interval="month", amount=1)
    assert price.amount == 9900
    assert repr(Seats(max=5)) == "Seats(min=1, max=5)"
    assert len({price, Price(interval="month", amount=9900)}) == 1


def test_numbers_and_flags_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRO_AMOUNT", "4900")
    monkeypatch.setenv("PRO_ARCHIVED", "true")
    content = spoiled("plans.pro.archived", "${PRO_ARCHIVED}")
    content["plans"]["pro"]["prices"][0]["amount"] = "${PRO_AMOUNT}"

    plan = Catalog.parse(content).plan("pro")

    assert plan is not None
    assert (plan.archived, plan.prices[0].amount) == (True, 4900)


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
    return with_value(SOUND, path, value)


def with_value(content: dict[str, t.Any], path: str, value: object) -> dict[str, t.Any]:
    """The same content with one place of it, as ``plans.pro.prices[0]``, set to something else."""
    node: t.Any = (changed := copy.deepcopy(content))
    *way, last = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]

    for step in way:
        node = node[step] if isinstance(node, list) else node.setdefault(step, {})

    if isinstance(node, list):
        node[last:] = [value, *node[last + 1 :]]
    else:
        node[last] = value

    return changed


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
        ("plans.pro.name", " ", "plans.pro.name: must not be empty"),
        ("plans.pro.description", "x" * 501, "plans.pro.description: is longer than 500"),
        (
            "plans.free.limits",
            [{"meter": "tokens", "included": 10**19}],
            "plans.free.limits[0].included: input should be less than or equal to 9007199254740992",
        ),
        (
            "offers",
            [{"key": "stay", "kind": "contact", "cooldown_days": 10**9}],
            "offers[0].cooldown_days: input should be less than or equal to 36500",
        ),
        (
            "plans.pro.prices",
            [MONTHLY, {"interval": "year", "lookup_key": "billing_pro_month_usd"}],
            "plans.pro.prices[0]: its lookup key 'billing_pro_month_usd' already belongs to",
        ),
        ("plans.pro.rank", 1.5, "plans.pro.rank: 1.5 is not a whole number"),
        ("plans.pro.rank", "high", "plans.pro.rank: 'high' is not a whole number"),
        ("plans.pro.archived", "no", "plans.pro.archived: 'no' is neither true nor false"),
        ("plans.pro.limits", 3, "plans.pro.limits: 3 is not a list; put it in brackets"),
        ("plans.pro.limits", [3], "plans.pro.limits[0]: 3 is not a table"),
        ("plans", 3, "plans: 3 is not a list; put it in brackets"),
        ("offers", {"stay": {}}, "offers: {'stay': {}} is not a list; put it in brackets"),
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
            [{"interval": "month", "amount": 9_375, "currency": "KWD"}],
            "plans.pro.prices[0].amount: Stripe charges KWD only in multiples of 10 minor units; "
            "9375 is none",
        ),
        (
            "plans.pro.prices",
            [{"interval": "month", "amount": 99_050, "currency": "isk"}],
            "plans.pro.prices[0].amount: Stripe charges ISK only in multiples of 100 minor units",
        ),
        (
            "offers",
            [{"key": "less", "kind": "discount", "amount_off": 1005, "currency": "bhd"}],
            "offers[0].amount_off: Stripe charges BHD only in multiples of 10 minor units",
        ),
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
            [{"key": "rest", "kind": "pause", "months": 4}],
            "offers[0].months: a pause lasts 1 to 3 months",
        ),
        (
            "offers",
            [{"key": "stay", "kind": "contact", "reasons": ["bored"]}],
            "offers[0].reasons[0]: input should be 'customer_service',",
        ),
        (
            "experiment",
            {"key": "size", "variants": [{"key": "a", "offers": ["gone"]}]},
            "experiment.variants[0].offers: there is no offer 'gone'",
        ),
        (
            "experiment",
            {"key": "size", "variants": [{"key": "holdout"}]},
            "experiment.variants[0].key: 'holdout' is the arm without offers",
        ),
        ("experiment", {"key": "x", "variants": []}, "experiment.variants: there are none"),
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


METERED: dict[str, t.Any] = {
    "meters": {"tokens": {"name": "Tokens", "stripe_event": "tokens"}},
    "plans": {
        "pro": {
            "name": "Pro",
            "limits": [{"meter": "tokens", "included": 100, "policy": "overage"}],
            "prices": [
                {
                    "interval": "month",
                    "amount": 2900,
                    "metered": [
                        {
                            "meter": "tokens",
                            "tiers": [
                                {"up_to": 1000, "unit_amount": "0.25"},
                                {"up_to": 5000, "unit_amount": 0, "flat_amount": 500},
                                {"flat_amount": 900},
                            ],
                        }
                    ],
                }
            ],
        }
    },
}


def test_a_plan_sells_units_beyond_the_included_ones_by_tiers() -> None:
    catalog = Catalog.parse(METERED)

    (pro,) = catalog.plans
    (price,) = pro.prices
    assert price.metered_by("tokens") == MeteredPrice(
        meter="tokens",
        tiers=(
            Tier(up_to=1000, unit_amount=Decimal("0.25")),
            Tier(up_to=5000, unit_amount=Decimal(0), flat_amount=500),
            Tier(flat_amount=900),
        ),
    )
    assert price.metered[0].tiers[0].unit_amount == Decimal("0.25")
    assert price.metered[0].tiers_mode == "graduated"
    assert price.metered_by("words") is None
    assert metered_lookup_key(pro, price, price.metered[0]) == "billing_pro_month_usd:tokens"
    assert catalog.reported_window("tokens") == "billing_period"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("meters.tokens", {"name": "Tokens"}, ["{m}.meter: 'tokens' has no stripe_event"]),
        (
            "{m}.meter",
            "words",
            ["{m}.meter: there is no meter 'words'", "{l}[0].overage_rate: needed"],
        ),
        ("{m}.unit_amount", 1, ["{m}: needs either a unit_amount or tiers"]),
        ("{m}.tiers", [], ["{m}: needs either a unit_amount or tiers"]),
        ("{m}.tiers[2].flat_amount", -1, ["{m}.tiers[2].flat_amount: input should be"]),
        ("{m}.tiers[0].unit_amount", 0.25, ["{m}.tiers[0].unit_amount: 0.25 is not exact; write"]),
        ("{m}.tiers[0].unit_amount", "-1", ["{m}.tiers[0].unit_amount: '-1' is not an amount"]),
        ("{m}.tiers[0].unit_amount", "1e-3", ["{m}.tiers[0].unit_amount: '1e-3' is not an amount"]),
        ("{m}.tiers[0].unit_amount", None, ["{m}.tiers[0]: needs a unit_amount, a flat_amount"]),
        ("{m}.tiers[0].up_to", None, ["{m}.tiers[0].up_to: only the last tier has no end"]),
        ("{m}.tiers[1].up_to", 1000, ["{m}.tiers[1].up_to: is not above that of the tier before"]),
        ("{m}.tiers[2].up_to", 9000, ["{m}.tiers[2].up_to: the last tier has no end"]),
        ("{m}.tiers_mode", "package", ["{m}.tiers_mode: input should be 'graduated' or 'volume'"]),
        ("{l}[0].overage_rate", 5, ["{l}[0].overage_rate: the plan's metered prices say it"]),
        ("{l}[0].policy", "hard", ["{l}: a metered price bills what is beyond an overage limit"]),
        ("{l}[0].included", -1, ["{l}: a metered price bills what is beyond an overage limit"]),
        ("{l}[0].window", "month", ["{l}: a metered price bills what is beyond an overage limit"]),
        (
            "plans.pro.prices[1]",
            {"interval": "year", "amount": 29_000},
            ["{l}[0].overage_rate: needed with policy 'overage', unless each"],
        ),
        (
            "{m}",
            {"meter": "tokens", "unit_amount": 1, "tiers_mode": "volume"},
            ["{m}.tiers_mode: only with tiers"],
        ),
        (
            "plans.pro.prices[0].metered[1]",
            {"meter": "tokens", "unit_amount": 1},
            ["plans.pro.prices[0].metered: two prices for 'tokens'"],
        ),
    ],
)
def test_mistakes_of_metered_prices(path: str, value: object, expected: list[str]) -> None:
    places = {"m": "plans.pro.prices[0].metered[0]", "l": "plans.pro.limits"}
    content = with_value(METERED, path.format(**places), value)

    found = problems(content)

    for problem in expected:
        assert any(one.startswith(problem.format(**places)) for one in found), found


def test_the_documented_metered_price_loads() -> None:
    examples = re.findall(r"```toml\n(.+?)```", DOCS.read_text(), flags=re.S)
    example = next(one for one in examples if "[[plans.pro.prices.metered]]" in one)

    price = Catalog.parse(tomllib.loads(example)).plans[0].prices[0]

    assert price.metered[0].tiers[0].unit_amount == Decimal("0.0009")


def test_a_file_that_cannot_be_read_or_parsed_says_so(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        Catalog.load(tmp_path / "none.toml")

    broken = tmp_path / "broken.toml"
    broken.write_text("plans = {")

    with pytest.raises(CatalogError, match=r"broken\.toml has 1 problem:\n  - is not TOML"):
        Catalog.load(broken)


def test_an_offer_has_terms_for_each_way_of_paying() -> None:
    offer = Offer(key="stay-20", kind="discount", percent_off=20, months=3)

    assert coupon_terms(offer, "month", "usd") == {
        "percent_off": 20,
        "duration": "repeating",
        "duration_in_months": 3,
    }
    assert coupon_terms(offer, "year", "usd") == {"percent_off": 20, "duration": "once"}
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
        ("## Experiment", Experiment, set()),
        ("### Variants", Variant, set()),
    ],
)
def test_every_key_is_documented(
    heading: str, model: type[Catalog | Plan], unnamed: set[str]
) -> None:
    section = DOCS.read_text().split(f"\n{heading}\n")[1].split("\n#")[0]
    keys = re.findall(r"^\| `(\w+)` \|", section, flags=re.M)

    assert keys == [name for name in model.fields if name not in unnamed]
