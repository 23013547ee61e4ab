"""What use beyond a plan costs: on the plans page, the overview and the meter."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t
from html import unescape

import pytest

from flask_billing import metering, notifications
from flask_billing.catalog import Catalog
from flask_billing.models import Invoice, Outbox
from flask_billing.usage_charge import UsageCharge, charge
from flask_billing.views import charge_words

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]

GRADUATED: t.Final = [
    {"up_to": 10_000_000, "unit_amount": "0.0009"},
    {"unit_amount": "0.0006", "flat_amount": 200},
]


def catalog(meter: dict[str, t.Any] | None = None, **metered: object) -> dict[str, t.Any]:
    """A catalog whose one plan bills its meter by use."""
    by_use = {"metered": [{"meter": "tokens", **metered}]} if metered else {}
    meters = {"name": "Tokens", "unit": "token", "stripe_event": "tokens", **(meter or {})}
    limit = {"meter": "tokens", "included": 2_000_000, "policy": "overage" if metered else "hard"}
    return {
        "meters": {"tokens": meters},
        "plans": {
            "pro": {
                "name": "Pro",
                "prices": [
                    {"interval": "month", "amount": 9900, **by_use},
                    {"interval": "month", "amount": 9900, "currency": "jpy", **by_use},
                ],
                "limits": [limit],
            }
        },
    }


@pytest.mark.parametrize(
    ("metered", "currency", "said"),
    [
        ({"unit_amount": "0.0009"}, "usd", "then $9 per 1M tokens"),
        ({"unit_amount": "0.002"}, "usd", "then $0.02 per 1,000 tokens"),
        ({"unit_amount": 5}, "usd", "then $0.05 per token"),
        ({"unit_amount": "0.000000000001"}, "usd", "then $0.00001 per 1B tokens"),
        ({"unit_amount": "0.5"}, "jpy", "then ¥500 per 1,000 tokens"),
        (
            {"tiers": GRADUATED},
            "usd",
            "then $9 per 1M tokens, after 10M more $2 and $6 per 1M tokens",
        ),
        (
            {"tiers": GRADUATED, "tiers_mode": "volume"},
            "usd",
            "then $9 per 1M tokens, after 10M more all of them $2 and $6 per 1M tokens",
        ),
        (
            {"tiers": [{"up_to": 1000, "flat_amount": 500}, {"unit_amount": 1}]},
            "usd",
            "then $5, after 1K more $0.01 per token",
        ),
        (
            {"tiers": [{"up_to": 3_000_000, "unit_amount": "0.006"}, {"unit_amount": "0.0045"}]},
            "usd",
            "then $60 per 1M tokens, after 3M more $45",
        ),
    ],
)
def test_rates_in_words(
    make_app: MakeApp, metered: dict[str, t.Any], currency: str, said: str
) -> None:
    host = make_app(catalog=catalog(**metered))
    price = host.state.catalog.plans[0].price("month", currency)
    assert price is not None

    with host.app.test_request_context():
        assert charge_words.then(price.metered[0], currency) == said


def test_rates_are_told_for_the_units_that_are_shown(make_app: MakeApp) -> None:
    """A meter kept in seconds and shown in minutes."""
    host = make_app(catalog=catalog({"unit": "minute", "scale": 60}, unit_amount="0.05"))
    [metered] = host.state.catalog.plans[0].prices[0].metered

    with host.app.test_request_context():
        assert charge_words.then(metered, "usd") == "then $0.03 per minute"


@pytest.mark.parametrize(
    ("mode", "units", "so_far", "from_here"),
    [
        (
            "graduated",
            0,
            None,
            "then $9 per 1M tokens, after 10M more $2 and $6 per 1M tokens",
        ),
        (
            "graduated",
            1_500_000,
            "Estimated usage charge $13.50 so far",
            "after 8.5M more $2 and $6 per 1M tokens",
        ),
        (
            "volume",
            1_500_000,
            "Estimated usage charge $13.50 so far",
            "after 8.5M more all of them $2 and $6 per 1M tokens",
        ),
        (
            "graduated",
            11_000_000,
            "Estimated usage charge $98.00 so far",
            "$6 per 1M tokens from here on",
        ),
    ],
)
def test_the_meter_in_words(
    make_app: MakeApp, mode: str, units: int, so_far: str | None, from_here: str
) -> None:
    host = make_app(catalog=catalog(tiers=GRADUATED, tiers_mode=mode))
    [metered] = host.state.catalog.plans[0].prices[0].metered
    found = UsageCharge(charge(metered, units), "usd", units, metered, None)

    with host.app.test_request_context():
        assert charge_words.so_far(found) == so_far
        assert charge_words.from_here(found) == from_here


def test_the_plans_page_says_what_comes_after(make_app: MakeApp) -> None:
    page = words(Person(make_app(catalog=catalog(tiers=GRADUATED)), None).open("/billing/plans"))
    said = "Plus use beyond 2M tokens a month: $9 per 1M tokens, after 10M more"
    assert f"billed monthly {said}" in page


def test_the_comparison_says_what_use_beyond_each_plan_costs(make_app: MakeApp) -> None:
    person = Person(make_app(catalog=two_plans()), None)

    for path in ("/billing/plans", "/billing/plans?interval=year"):
        assert comparison(person.open(path).text) == [
            "Tokens 100K one time 2M a month then $0.50 per 1,000 tokens "
            "then $0.40 per 1,000 tokens, after 3M more $0.30 Prices by tier : Tokens "
            "Up to 3,000,000 $0.40 per 1,000 tokens Beyond that $0.30 per 1,000 tokens "
            "Counted from the first unit that is billed."
        ]


def test_a_rate_is_shown_with_its_interval_alone(make_app: MakeApp) -> None:
    html = Person(make_app(catalog=two_plans()), None).open("/billing/plans").text
    table = html[html.index("<table") :]

    for interval, rate in (("month", "$0.50"), ("year", "$0.40")):
        shown = re.search(rf'class="fb-when-{interval}">(.*?)</div>', table, re.DOTALL)
        assert shown is not None
        assert f"then {rate} per 1,000 tokens" in shown[1]

    # The switch is in what hides the other interval by CSS, and without that by the server.
    assert html.index('class="fb-plans" data-fb-interval="month"') < html.index("<table")
    assert "</section>" in html[html.index("<table") : html.index("Payments are secured")]


@pytest.mark.parametrize(
    ("currency", "said"),
    [("usd", "$0.50 per 1,000 tokens"), ("jpy", "¥7 per 1,000 tokens")],
)
def test_a_rate_is_in_the_currency_that_is_shown(
    make_app: MakeApp, currency: str, said: str
) -> None:
    host = make_app(catalog=two_plans())
    host.billing.currency_for(lambda customer: currency)
    page = words(Person(host, None).open("/billing/plans"))

    assert f": {said}" in page, "on the card"
    assert f"then {said}" in page, "in the comparison"


def test_many_tiers_are_told_in_brief_and_one_by_one(make_app: MakeApp) -> None:
    steps = [("0.05", 1000), ("0.04", 10_000), ("0.03", 100_000), ("0.02", None)]
    tiers = [{"unit_amount": each, **({"up_to": end} if end else {})} for each, end in steps]
    host = make_app(catalog=catalog(tiers=tiers, tiers_mode="volume"))
    page = words(Person(host, None).open("/billing/plans"))

    assert "Plus use beyond 2M tokens a month: $0.50 to $0.20 per 1,000 tokens, by tiers" in page
    assert (
        "Up to 1,000 $0.50 per 1,000 tokens Up to 10,000 $0.40 per 1,000 tokens "
        "Up to 100,000 $0.30 per 1,000 tokens Beyond that $0.20 per 1,000 tokens "
        "All units that are billed cost what the tier of the last one says."
    ) in page


def test_what_the_app_bills_itself_is_quoted_too(make_app: MakeApp) -> None:
    terms = catalog()
    terms["plans"]["pro"]["limits"][0] |= {"policy": "overage", "overage_rate": 50_000}
    page = words(Person(make_app(catalog=terms), None).open("/billing/plans"))

    assert re.search(r"billed monthly Plus use beyond \S+ tokens a month: \$0.50 per 1,000", page)


def test_a_checkout_and_a_change_quote_the_price_of_use(make_app: MakeApp) -> None:
    person = Person(make_app(catalog=two_plans()))
    use = "Plus use beyond 2M tokens a month"
    checkout = words(person.open("/billing/checkout/start?plan=pro&interval=month"))
    assert f"{use}: $0.50 per 1,000 tokens" in checkout
    assert "$0.40" not in checkout

    person.buy("basic")
    change = words(person.open("/billing/change?plan=pro&interval=year"))
    assert f"{use} $0.40 per 1,000 tokens, after 3M more $0.30" in change
    assert "Up to 3,000,000 $0.40 per 1,000 tokens Beyond that $0.30 per 1,000 tokens" in change


def two_plans() -> dict[str, t.Any]:
    """A plan without use beyond it, and one whose use is dearer by the month."""
    by_year = {"tiers": [{"up_to": 3_000_000, "unit_amount": "0.04"}, {"unit_amount": "0.03"}]}
    pro = catalog(unit_amount="0.05")["plans"]["pro"]
    pro["rank"] = 2
    pro["prices"] = [
        {
            "interval": "month",
            "amount": 9900,
            "metered": [{"meter": "tokens", "unit_amount": "0.05"}],
        },
        {"interval": "year", "amount": 98_604, "metered": [{"meter": "tokens", **by_year}]},
        {
            "interval": "month",
            "amount": 9900,
            "currency": "jpy",
            "metered": [{"meter": "tokens", "unit_amount": "0.007"}],
        },
    ]
    basic = {
        "name": "Basic",
        "rank": 1,
        "prices": [{"interval": "month", "amount": 900}],
        "limits": [{"meter": "tokens", "included": 100_000, "window": "lifetime"}],
    }
    return {**catalog(), "plans": {"basic": basic, "pro": pro}}


def comparison(html: str) -> list[str]:
    """The rows of the comparison in words."""
    rows = re.findall(r'<tr class="fb-tr">(.*?)</tr>', html, re.DOTALL)
    return [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", row))).strip() for row in rows]


@pytest.mark.parametrize("metered", [{"unit_amount": "0.002"}, {}])
def test_the_overview_says_that_usage_comes_on_top(
    make_app: MakeApp, metered: dict[str, t.Any]
) -> None:
    person = Person(make_app(catalog=catalog(**metered)))
    person.buy("pro")
    assert ("$99.00 a month, plus usage" in words(person.open("/billing/"))) == bool(metered)


@pytest.mark.parametrize(
    ("used", "description"),
    [
        (2_000_000, "1 × Pro (at $99.00 / month)"),
        (3_000_000, "1 × Pro (at $99.00 / month) + usage"),
    ],
)
def test_an_invoice_is_described_by_the_period_it_pays_for(
    make_app: MakeApp, used: int, description: str
) -> None:
    """Not by usage of the period before, whose lines may come first or last."""
    host = make_app(catalog=Catalog.parse(catalog(unit_amount="0.002")))
    person = Person(host)
    person.buy("pro")
    client = host.sandbox.client()
    [running] = client.v1.subscriptions.list().data
    client.v1.invoice_items.create(
        {
            "customer": str(running.customer),
            "subscription": running.id,
            "amount": 500,
            "currency": "usd",
            "description": "Usage of a plan that was left",
        }
    )
    end = running["items"].data[0].current_period_end

    with host.app.app_context():
        host.billing.record("tokens", used, customer=host.customer())
        metering.export_usage()

    host.sandbox.clock.advance(days=32)
    host.sandbox.webhooks.deliver()
    renewal = host.rows(Invoice)[-1]
    assert renewal.description == description
    assert renewal.period_start is not None
    assert renewal.period_start.timestamp() == end


def test_a_cancellation_promises_what_is_true_of_usage(make_app: MakeApp) -> None:
    host = make_app(catalog=catalog(unit_amount="0.002"))
    person = Person(host)
    person.buy("pro")
    promise = "You won't be charged again, but for what you use beyond the plan until then."
    assert promise in words(person.open("/billing/cancel"))
    assert promise in words(person.press("/billing/cancel", htmx=True))
    assert promise in words(person.open("/billing/"))

    with host.app.app_context():
        row = host.db.session.query(Outbox).filter_by(kind="mail", name="cancelled").one()
        letter = notifications.letter_for(row.name, host.customer(), row.body)
        assert letter is not None
        assert promise in letter.paragraphs[0]
