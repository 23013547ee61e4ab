"""``flask billing catalog diff`` and ``push`` bring Stripe in line with the catalog."""

from __future__ import annotations

import collections.abc as c
import copy
import typing as t

import pytest
import sqlalchemy as sa
from click.testing import Result

from flask_billing import Catalog, catalog_push
from flask_billing.catalog_push.differences import difference
from flask_billing.errors import StripeUnreachableError
from flask_billing.models import StripePrice
from flask_billing.sandbox import Sandbox
from flask_billing.stripe_gateway import gateway

from .host import CATALOGS, Host

MakeApp = c.Callable[..., Host]

PRO: dict[str, t.Any] = {
    "currency": "usd",
    "meters": {
        "tokens": {"name": "Tokens", "stripe_event": "tokens_used"},
        "seats": {"name": "Seats"},
    },
    "plans": {
        "free": {"name": "Free"},
        "pro": {
            "name": "Pro",
            "description": "For teams.",
            "rank": 1,
            "prices": [
                {"interval": "month", "amount": 9900},
                {"interval": "year", "amount": 98_604},
                {"interval": "month", "amount": 9500, "currency": "eur"},
            ],
        },
    },
    "offers": [{"key": "stay-20", "kind": "discount", "percent_off": 20, "months": 3}],
}


def changed(**pro: object) -> dict[str, t.Any]:
    """The catalog with something of the Pro plan changed."""
    content = copy.deepcopy(PRO)
    content["plans"]["pro"].update(pro)
    return content


@pytest.fixture
def pushed(make_app: MakeApp, sandbox: Sandbox) -> Host:
    """A host whose catalog is at Stripe."""
    host = make_app(catalog=PRO, sandbox=sandbox)
    assert run(host, "push").exit_code == 0
    return host


@pytest.fixture
def sandbox() -> Sandbox:
    """Stripe, shared by the hosts of a test."""
    return Sandbox()


def run(host: Host, *args: str) -> Result:
    """``flask billing catalog ...``."""
    return host.app.test_cli_runner().invoke(args=["billing", "catalog", *args])


def at_stripe(host: Host, path: str, **params: object) -> list[dict[str, t.Any]]:
    """What a list of Stripe's holds."""
    with host.app.app_context():
        return list(gateway().list(path, params))


def writes(sandbox: Sandbox) -> int:
    """How many changing requests Stripe has received."""
    return sum(request.method != "GET" for request in sandbox.requests)


def test_push_creates_products_prices_meters_and_coupons(pushed: Host) -> None:
    (product,) = at_stripe(pushed, "/v1/products")
    assert product["name"] == "Pro"
    assert product["description"] == "For teams."
    assert product["metadata"] == {"billing_plan": "pro"}

    prices = {p["lookup_key"]: p for p in at_stripe(pushed, "/v1/prices")}
    assert {key: (p["unit_amount"], p["currency"]) for key, p in prices.items()} == {
        "billing_pro_month_usd": (9900, "usd"),
        "billing_pro_year_usd": (98_604, "usd"),
        "billing_pro_month_eur": (9500, "eur"),
    }
    yearly = prices["billing_pro_year_usd"]
    assert yearly["recurring"]["interval"] == "year"
    assert yearly["metadata"] == {"billing_plan": "pro", "billing_interval": "year"}

    (meter,) = at_stripe(pushed, "/v1/billing/meters")
    assert meter["event_name"] == "tokens_used"

    coupons = at_stripe(pushed, "/v1/coupons")
    assert {(k["percent_off"], k["duration"], k["duration_in_months"]) for k in coupons} == {
        (20, "repeating", 3),
        (20, "once", None),
    }


def test_a_repeated_push_changes_nothing(pushed: Host, sandbox: Sandbox) -> None:
    before = writes(sandbox)

    result = run(pushed, "push")

    assert result.output == "Stripe is in line with the catalog.\n"
    assert writes(sandbox) == before
    assert run(pushed, "diff").exit_code == 0


def test_a_dry_run_and_diff_show_what_a_push_would_do(make_app: MakeApp, sandbox: Sandbox) -> None:
    host = make_app(catalog=PRO, sandbox=sandbox)

    dry = run(host, "push", "--dry-run")
    diff = run(host, "diff")

    assert dry.exit_code == 0
    assert diff.exit_code == 1
    assert dry.output == diff.output
    assert "create product pro" in dry.output
    assert "create price pro month usd: 9900" in dry.output
    assert writes(sandbox) == 0
    assert run(host, "push").output == dry.output


@pytest.mark.parametrize("name", ["single", "five", "runs", "trial", "ladder"])
def test_catalogs_of_every_kind_are_pushed_once(make_app: MakeApp, name: str) -> None:
    host = make_app(catalog=CATALOGS / f"{name}.toml")

    assert run(host, "push").exit_code == 0
    assert run(host, "diff").output == "Stripe is in line with the catalog.\n"
    sold = [price for plan in host.state.catalog.plans for price in plan.prices]
    assert len(at_stripe(host, "/v1/prices", active=True)) == len(sold)
    assert len(host.rows(StripePrice, current=True)) == len(sold)


def test_a_catalog_of_prices_from_the_environment_needs_no_push(
    make_app: MakeApp, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for plan, amount in (("ESSENTIEL", 1900), ("PRO", 4900), ("MAX", 14_900)):
        price = made_by_hand(sandbox, amount, "eur")
        monkeypatch.setenv(f"STRIPE_PRICE_ID_{plan}", price)

    host = make_app(catalog=CATALOGS / "one_shot.toml", sandbox=sandbox)

    assert run(host, "diff").exit_code == 0
    assert run(host, "push").output == "Stripe is in line with the catalog.\n"
    rows = host.rows(StripePrice)
    assert [(row.plan, row.amount) for row in rows] == [
        ("essentiel", 1900),
        ("pro", 4900),
        ("max", 14_900),
    ]


def made_by_hand(sandbox: Sandbox, amount: int, currency: str = "usd") -> str:
    """The id of a monthly price that somebody made in Stripe's dashboard."""
    client = sandbox.client()
    product = client.v1.products.create({"name": "Made by hand"})
    price = client.v1.prices.create(
        {
            "product": product.id,
            "currency": currency,
            "unit_amount": amount,
            "recurring": {"interval": "month"},
        }
    )
    return price.id


def test_another_amount_is_another_price_and_the_old_one_is_archived(
    pushed: Host, make_app: MakeApp, sandbox: Sandbox
) -> None:
    (old,) = at_stripe(pushed, "/v1/prices", lookup_keys=["billing_pro_month_usd"])
    prices = [{"interval": "month", "amount": 10_900}, *PRO["plans"]["pro"]["prices"][1:]]

    host = make_app(catalog=changed(prices=prices), sandbox=sandbox)
    output = run(host, "push").output

    assert "create price pro month usd: 10900, was 9900" in output
    assert f"archive price pro month usd: {old['id']}" in output
    (new,) = at_stripe(host, "/v1/prices", lookup_keys=["billing_pro_month_usd"])
    assert new["unit_amount"] == 10_900
    (archived,) = [p for p in at_stripe(host, "/v1/prices") if p["id"] == old["id"]]
    assert (archived["active"], archived["lookup_key"]) == (False, None)

    rows = {row.stripe_id: row for row in host.rows(StripePrice, interval="month", currency="usd")}
    assert (rows[old["id"]].current, rows[old["id"]].amount) == (False, 9900)
    assert (rows[new["id"]].current, rows[new["id"]].amount) == (True, 10_900)


def test_an_amount_may_come_back(pushed: Host, make_app: MakeApp, sandbox: Sandbox) -> None:
    prices = [{"interval": "month", "amount": 10_900}, *PRO["plans"]["pro"]["prices"][1:]]
    run(make_app(catalog=changed(prices=prices), sandbox=sandbox), "push")

    run(pushed, "push")

    (current,) = at_stripe(pushed, "/v1/prices", lookup_keys=["billing_pro_month_usd"])
    assert (current["unit_amount"], current["active"]) == (9900, True)
    assert len(at_stripe(pushed, "/v1/prices", active=True)) == 3
    assert run(pushed, "diff").exit_code == 0


def test_another_name_updates_the_product_and_keeps_the_prices(
    pushed: Host, make_app: MakeApp, sandbox: Sandbox
) -> None:
    host = make_app(catalog=changed(name="Professional", description=""), sandbox=sandbox)

    assert run(host, "push").output == "update product pro: description, name\n"
    (product,) = at_stripe(host, "/v1/products")
    assert (product["name"], product["description"]) == ("Professional", None)
    assert run(host, "diff").exit_code == 0


def test_a_price_made_at_stripe_is_checked_and_not_created(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    price = made_by_hand(sandbox, 9900)

    def host(**terms: object) -> Host:
        prices = [{"interval": "month", "stripe_price": price, **terms}]
        return make_app(
            catalog={"plans": {"pro": {"name": "Pro", "prices": prices}}}, sandbox=sandbox
        )

    agreeing = host(amount=9900)
    assert run(agreeing, "push").output == "Stripe is in line with the catalog.\n"
    assert run(host(), "push").exit_code == 0
    assert len(at_stripe(agreeing, "/v1/prices")) == 1
    (row,) = agreeing.rows(StripePrice)
    assert (row.stripe_id, row.plan, row.interval, row.amount) == (price, "pro", "month", 9900)

    refused = run(host(amount=4900, interval="year"), "push")
    assert refused.exit_code == 1
    assert "amount is 9900 at Stripe and 4900 in the catalog" in refused.output
    assert "interval is 'month' at Stripe and 'year' in the catalog" in refused.output
    assert run(host(stripe_price="price_gone"), "diff").exit_code == 1


def test_former_prices_are_remembered(make_app: MakeApp) -> None:
    prices = [{"interval": "month", "amount": 9900, "former": ["price_from_2019"]}]
    host = make_app(catalog=changed(prices=prices))

    run(host, "push")

    (row,) = host.rows(StripePrice, stripe_id="price_from_2019")
    assert (row.plan, row.interval, row.current) == ("pro", "month", False)


def test_a_push_that_broke_off_is_finished_by_the_next(
    pushed: Host, make_app: MakeApp, sandbox: Sandbox
) -> None:
    prices = [{"interval": "month", "amount": 10_900}, *PRO["plans"]["pro"]["prices"][1:]]
    host = make_app(catalog=changed(prices=prices), sandbox=sandbox, BILLING_STRIPE_RETRIES=0)
    (old,) = at_stripe(host, "/v1/prices", lookup_keys=["billing_pro_month_usd"])
    sandbox.fail("POST", f"/v1/prices/{old['id']}", times=1, status=500)

    failed = run(host, "push")
    assert failed.exit_code == 1
    assert failed.output.startswith("Error: Stripe did not answer.")

    assert run(host, "push").output == f"archive price pro month usd: {old['id']}, replaced\n"
    assert run(host, "diff").exit_code == 0
    assert {row.amount for row in host.rows(StripePrice, currency="usd", current=True)} == {
        10_900,
        98_604,
    }


def test_two_pushes_at_once_make_everything_once(make_app: MakeApp, sandbox: Sandbox) -> None:
    host = make_app(catalog=PRO, sandbox=sandbox)

    with host.app.app_context():
        first = difference(host.state.catalog)
        catalog_push.push()

        for step in [*first.first, *(s for pushed in first.prices for s in pushed.steps)]:
            assert step.path is not None
            gateway().post(step.path, step.params, idempotency_key=step.idempotency_key)

    assert len(at_stripe(host, "/v1/products")) == 1
    assert len(at_stripe(host, "/v1/prices")) == 3
    assert len(at_stripe(host, "/v1/billing/meters")) == 1
    assert len(at_stripe(host, "/v1/coupons")) == 2


def test_other_terms_of_an_offer_are_another_coupon(
    pushed: Host, make_app: MakeApp, sandbox: Sandbox
) -> None:
    content = copy.deepcopy(PRO)
    content["offers"][0]["percent_off"] = 30

    host = make_app(catalog=content, sandbox=sandbox)
    run(host, "push")

    coupons = at_stripe(host, "/v1/coupons")
    assert sorted(coupon["percent_off"] for coupon in coupons) == [20, 20, 30, 30]


def test_a_meter_that_adds_up_otherwise_is_a_conflict(
    pushed: Host, make_app: MakeApp, sandbox: Sandbox
) -> None:
    content = copy.deepcopy(PRO)
    content["meters"]["tokens"].update(aggregation="count", name="Tokens used")

    host = make_app(catalog=content, sandbox=sandbox)
    result = run(host, "push")

    assert result.exit_code == 1
    assert "conflict meter tokens: it adds up by 'sum' at Stripe" in result.output
    assert at_stripe(host, "/v1/billing/meters")[0]["display_name"] == "Tokens used"


def test_push_records_prices_in_a_given_transaction(make_app: MakeApp, sandbox: Sandbox) -> None:
    host = make_app(catalog=PRO, sandbox=sandbox)

    with host.app.app_context():
        with host.db.engine.connect() as connection:
            changes = catalog_push.push(connection)
            count = connection.scalar(sa.select(sa.func.count()).select_from(StripePrice))
            connection.rollback()

        assert count == 3
        assert {change.action for change in changes} == {"create"}

    assert host.rows(StripePrice) == []


def test_an_outage_is_said_plainly(make_app: MakeApp, sandbox: Sandbox) -> None:
    host = make_app(catalog=PRO, sandbox=sandbox, BILLING_STRIPE_RETRIES=0)
    sandbox.outage()

    result = run(host, "diff")

    assert result.exit_code == 1
    assert "Stripe did not answer" in result.output

    with host.app.app_context(), pytest.raises(StripeUnreachableError):
        catalog_push.diff()


def test_show_prints_plans_with_prices_and_limits(host: Host) -> None:
    output = run(host, "show").output

    assert "Pro (pro, 14 days trial)" in output
    assert "$99.00 a month" in output
    assert "100,000 Tokens once" in output
    assert "unlimited API calls a month" in output


def test_the_catalog_in_use_is_unchanged_by_pushing(pushed: Host) -> None:
    assert pushed.state.catalog == Catalog.parse(PRO)
