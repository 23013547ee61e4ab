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
from flask_billing.sandbox import Sandbox, idempotency
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


def test_push_creates_products_prices_and_meters(pushed: Host) -> None:
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

    # One is made for each customer who takes an offer.
    assert at_stripe(pushed, "/v1/coupons") == []


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


@pytest.mark.parametrize("status", [500, 400])
def test_an_error_that_stripe_keeps_stands_in_no_later_pushs_way(
    make_app: MakeApp, sandbox: Sandbox, status: int
) -> None:
    host = make_app(catalog=PRO, sandbox=sandbox)
    kind = "api_error" if status == 500 else "invalid_request_error"

    with host.app.app_context():
        found = difference(host.state.catalog)

    with sandbox._room.store.transaction() as connection:
        for step in [*found.first, *found.prices[0].steps]:
            assert step.idempotency_key is not None
            idempotency.remember(
                connection,
                step.idempotency_key,
                idempotency.fingerprint("POST", str(step.path), as_sent(step.params)),
                idempotency.Replay(status, f'{{"error": {{"type": "{kind}"}}}}', "req_1"),
            )

    assert run(host, "push").exit_code == 0
    assert run(host, "diff").output == "Stripe is in line with the catalog.\n"


def test_a_meter_that_was_deactivated_since_the_last_push_is_made_anew(
    pushed: Host, sandbox: Sandbox
) -> None:
    client = sandbox.client()
    (old,) = client.v1.billing.meters.list().data
    client.v1.billing.meters.deactivate(old.id)

    assert run(pushed, "push").output == "create meter tokens\n"

    assert run(pushed, "diff").output == "Stripe is in line with the catalog.\n"
    (new,) = client.v1.billing.meters.list({"status": "active"}).data
    assert new.id != old.id


def as_sent(params: object) -> t.Any:
    """Parameters as a form has them."""
    if isinstance(params, dict):
        return {name: as_sent(value) for name, value in params.items()}

    return str(params).lower() if isinstance(params, bool) else str(params)


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


def test_a_meter_that_does_not_add_up_is_a_conflict(make_app: MakeApp, sandbox: Sandbox) -> None:
    sandbox.client().v1.billing.meters.create(
        {
            "display_name": "Anything",
            "event_name": PRO["meters"]["tokens"]["stripe_event"],
            "default_aggregation": {"formula": "count"},
        }
    )
    content = copy.deepcopy(PRO)
    content["meters"]["tokens"].update(aggregation="count", name="Tokens used")

    host = make_app(catalog=content, sandbox=sandbox)
    result = run(host, "push")

    assert result.exit_code == 1
    assert "conflict meter tokens: it adds up by 'count' at Stripe" in result.output
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


def metered(amount: str = "0.25", **other: object) -> dict[str, t.Any]:
    """The catalog with usage of tokens billed on each price of Pro."""
    tiers = [{"up_to": 1000, "unit_amount": amount}, {"unit_amount": 0, "flat_amount": 900}]
    price = {"meter": "tokens", "tiers": tiers, "tiers_mode": "volume", **other}
    return changed(
        limits=[{"meter": "tokens", "included": 50, "policy": "overage"}],
        prices=[{**one, "metered": [price]} for one in PRO["plans"]["pro"]["prices"]],
    )


KEY: t.Final = "billing_pro_month_usd:tokens"


def metered_at_stripe(host: Host, *, key: str | None = KEY) -> list[dict[str, t.Any]]:
    """The active metered prices there, of a lookup key or all."""
    params: dict[str, object] = {"active": True, "expand": ["data.tiers"]}
    found = at_stripe(host, "/v1/prices", **params)
    metered = [one for one in found if one["recurring"]["usage_type"] == "metered"]
    return [one for one in metered if key in (None, one["lookup_key"])]


def test_push_makes_metered_prices_with_tiers_for_the_meter(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    host = make_app(catalog=metered(), sandbox=sandbox)

    dry = run(host, "push", "--dry-run").output
    assert "create meter tokens\n" in dry
    assert "create price pro month usd tokens: 0.25 up to 1000, 0 + 900 up to any" in dry
    assert run(host, "push").output == dry

    [meter] = at_stripe(host, "/v1/billing/meters")
    assert len(metered_at_stripe(host, key=None)) == 3
    [price] = metered_at_stripe(host)
    names = {one["id"]: one["name"] for one in at_stripe(host, "/v1/products")}
    assert (names[price["product"]], price["billing_scheme"]) == ("Tokens", "tiered")
    assert sorted(names.values()) == ["Pro", "Tokens"]
    assert (price["tiers_mode"], price["recurring"]["meter"]) == ("volume", meter["id"])
    assert [(one["up_to"], one["unit_amount_decimal"]) for one in price["tiers"]] == [
        (1000, "0.25"),
        (None, "0"),
    ]
    assert price["tiers"][1]["flat_amount"] == 900
    assert price["metadata"] == {
        "billing_plan": "pro",
        "billing_interval": "month",
        "billing_meter": "tokens",
        "billing_tiers": "volume 1000:0.25+ inf:0+900",
    }
    # The plan's own prices are known as before, and the metered ones are none of them.
    assert {row.amount for row in host.rows(StripePrice)} == {9900, 9500, 98_604}


def test_a_repeated_push_of_metered_prices_changes_nothing(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    host = make_app(catalog=metered(unit_amount="0.0009", tiers=[], tiers_mode="graduated"))
    assert run(host, "push").exit_code == 0
    before = writes(host.sandbox)

    assert run(host, "push").output == "Stripe is in line with the catalog.\n"
    assert run(host, "diff").exit_code == 0
    assert writes(host.sandbox) == before
    [price] = metered_at_stripe(host)
    assert (price["billing_scheme"], price["unit_amount_decimal"]) == ("per_unit", "0.0009")


def test_other_tiers_are_another_price_and_the_old_one_is_archived(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    first = make_app(catalog=metered(), sandbox=sandbox)
    run(first, "push")
    [old] = metered_at_stripe(first)
    licensed = [one["id"] for one in at_stripe(first, "/v1/prices", type="recurring")]

    host = make_app(catalog=metered("0.5"), sandbox=sandbox)
    output = run(host, "push").output

    assert "create price pro month usd tokens: 0.5 up to 1000" in output
    assert "was 0.25 up to 1000" in output
    assert f"archive price pro month usd tokens: {old['id']}" in output
    [new] = metered_at_stripe(host)
    assert new["tiers"][0]["unit_amount_decimal"] == "0.5"
    assert len(metered_at_stripe(host, key=None)) == 3
    still = {one["id"] for one in at_stripe(host, "/v1/prices", active=True)}
    assert len(still & set(licensed)) == 3, "the plan's own prices stay"
    run(make_app(catalog=metered(), sandbox=sandbox), "push")
    [back] = metered_at_stripe(host)
    assert back["tiers"][0]["unit_amount_decimal"] == "0.25"


def test_a_push_of_metered_prices_that_broke_off_is_finished_by_the_next(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    first = make_app(catalog=metered(), sandbox=sandbox)
    run(first, "push")
    [old] = metered_at_stripe(first)
    host = make_app(catalog=metered("0.5"), sandbox=sandbox, BILLING_STRIPE_RETRIES=0)

    sandbox.fail("POST", "/v1/prices", times=1, status=None, after=True)
    assert run(host, "push").exit_code == 1
    sandbox.fail("POST", f"/v1/prices/{old['id']}", times=1, status=500)
    assert run(host, "push").exit_code == 1

    assert run(host, "push").exit_code == 0
    assert run(host, "diff").exit_code == 0
    [new] = metered_at_stripe(host)
    assert new["tiers"][0]["unit_amount_decimal"] == "0.5"
    assert len(metered_at_stripe(host, key=None)) == 3


def test_a_meter_that_was_made_anew_gets_new_prices(make_app: MakeApp, sandbox: Sandbox) -> None:
    host = make_app(catalog=metered(), sandbox=sandbox)
    run(host, "push")
    [old] = at_stripe(host, "/v1/billing/meters")

    with host.app.app_context():
        gateway().post(f"/v1/billing/meters/{old['id']}/deactivate")

    sandbox.client().v1.billing.meters.create(
        {
            "display_name": "Tokens",
            "event_name": "tokens_used",
            "default_aggregation": {"formula": "sum"},
        }
    )
    assert run(host, "push").exit_code == 0

    [new] = at_stripe(host, "/v1/billing/meters", status="active")
    assert {one["recurring"]["meter"] for one in metered_at_stripe(host, key=None)} == {new["id"]}
    assert run(host, "diff").exit_code == 0


def test_show_prints_what_usage_costs(make_app: MakeApp) -> None:
    output = run(make_app(catalog=metered()), "show").output

    assert "beyond the plan, Tokens at 0.25 up to 1000, 0 + 900 up to any number (volume)" in output


def test_two_pushes_at_once_make_each_metered_price_once(
    make_app: MakeApp, sandbox: Sandbox
) -> None:
    host = make_app(catalog=metered(), sandbox=sandbox)

    with host.app.app_context():
        first = difference(host.state.catalog)
        catalog_push.push()
        [meter] = gateway().list("/v1/billing/meters")

        for step in first.metered:
            assert step.path is not None
            recurring = {**step.params["recurring"], "meter": meter["id"]}
            params = {**step.params, "recurring": recurring}
            gateway().post(step.path, params, idempotency_key=step.idempotency_key)

    assert len(metered_at_stripe(host, key=None)) == 3
    assert run(host, "diff").exit_code == 0


def test_a_push_that_another_overtakes_keeps_what_that_made(
    make_app: MakeApp, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = (make_app(catalog=PRO, sandbox=sandbox) for _ in range(2))
    access = slow.state.stripe
    assert access.http_client is not None
    assert access.api_key is not None
    client: t.Any = access.http_client()
    ask, overtaken = client.request, False

    def overtake(method: str, url: str, *args: object, **options: object) -> object:
        nonlocal overtaken
        answer = ask(method, url, *args, **options)

        if "/v1/prices?" in url and not overtaken:
            overtaken = True
            assert run(quick, "push").exit_code == 0

        return answer

    monkeypatch.setattr(client, "request", overtake)
    slow.state.use_stripe(http_client=lambda: client, api_key=access.api_key, sandbox=sandbox)
    assert run(slow, "push").exit_code == 0

    assert overtaken
    assert len(at_stripe(quick, "/v1/prices", active=True)) == 3
    assert run(quick, "diff").exit_code == 0
