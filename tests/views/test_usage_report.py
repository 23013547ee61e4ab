"""The usage page's report: totals, bars, breakdown, filters, CSV and what it says without any."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import typing as t

import pytest
import sqlalchemy as sa

from flask_billing import clock, metering
from flask_billing.models import UsageRollup

from ..host import Host
from ..metering.shop import Shop
from .person import Person, words
from .test_overview import counted_queries

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
TODAY = NOW.date()


@pytest.fixture(autouse=True)
def _frozen(host: Host) -> None:
    clock.set_source(host.app, lambda: NOW)


@pytest.fixture
def person(host: Host) -> Person:
    return Person(host)


def used(host: Host, days_ago: int, quantity: int, meter: str = "tokens", **sums: t.Any) -> None:
    """A day's sums of a customer."""
    with host.app.app_context():
        row = UsageRollup(
            customer_id=host.customer().id,
            meter=meter,
            day=TODAY - dt.timedelta(days=days_ago),
            quantity=quantity,
            **{"events": 1, "provider": "", "model": "", **sums},
        )
        host.db.session.add(row)
        host.db.session.commit()


def two_models(host: Host) -> None:
    """Three days of two models of one provider, and one of another."""
    acme: dict[str, t.Any] = {"provider": "acme", "input_tokens": 100, "output_tokens": 900}
    used(host, 0, 1_000, model="large", cost_total=120_000_000, **acme)
    used(host, 1, 3_000, model="large", cost_total=360_000_000, **acme)
    used(host, 1, 500, model="small", cost_total=5_000_000, **acme)
    used(host, 2, 250, model="other-1", **{**acme, "provider": "zenith"})


def cells(markup: str, row: str) -> list[str]:
    """A row of the breakdown, without its name."""
    table = markup[markup.index("fb-breakdown") :]
    found = re.search(rf"<bdi>{row}</bdi></th>(.*?)</tr>", table, re.DOTALL)
    assert found is not None, row
    return [cell.strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1])]


def test_the_breakdown_goes_from_provider_to_model(host: Host, person: Person) -> None:
    two_models(host)

    page = person.open("/billing/usage?period=7d").text

    assert cells(page, "acme") == ["3", "4,500", "300", "2,700", "$4.85", "94%"]
    assert cells(page, "large") == ["2", "4,000", "200", "1,800", "$4.80", "84%"]
    assert cells(page, "small") == ["1", "500", "100", "900", "$0.05", "10%"]
    assert cells(page, "zenith") == ["1", "250", "100", "900", "$0.00", "5%"]


def test_chart_and_its_table_say_the_same(host: Host, person: Person) -> None:
    two_models(host)

    page = person.open("/billing/usage?period=7d").text
    details = page[
        page.index("<details class=") : page.index("</details>", page.index('id="fb-usage-days"'))
    ]
    rows = [re.findall(r"<td[^>]*>([\d,]+)</td>", row) for row in details.split("<tr")[2:]]
    numbers = [[int(cell.replace(",", "")) for cell in row] for row in rows]

    assert numbers == [
        [0, 0, 250, 250],
        [3_000, 500, 0, 3_500],
        [1_000, 0, 0, 1_000],
        [4_000, 500, 250, 4_750],
    ]
    assert len(re.findall(r'<rect class="fb-chart-bar', page)) == 4
    assert re.search(r'role="img" aria-labelledby="fb-chart-title"', page)
    assert "In all 4,750." in words(person.open("/billing/usage?period=7d"))


def test_totals_are_compared_with_the_days_before_and_projected(host: Host, person: Person) -> None:
    used(host, 0, 2_000)
    used(host, 20, 1_000)  # October 31, which the first 20 days of October are not
    used(host, 45, 1_600)

    said = words(person.open("/billing/usage"))

    assert "25% more than before" in said
    assert "About 3K by Nov 30" in said


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ("", "6"),
        ("?period=cycle", "6"),
        ("?period=previous", "24"),
        ("?period=7d", "2"),
        ("?period=30d", "14"),
        ("?period=90d", "30"),
        ("?period=custom&from=2026-11-19&to=2026-11-20", "2"),
        ("?period=custom&from=2026-10-31&to=2026-10-31", "8"),
        ("?period=custom", "6"),
    ],
)
def test_periods(host: Host, person: Person, query: str, total: str) -> None:
    for days_ago, quantity in ((0, 2), (10, 4), (20, 8), (40, 16)):
        used(host, days_ago, quantity)

    assert f"In all {total}." in words(person.open(f"/billing/usage{query}"))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("period=custom&from=2025-11-19&to=2026-11-20", "at most 366 days"),
        ("period=custom&from=2026-11-20&to=2026-11-19", "ends before it begins"),
        ("period=custom&from=yesterday&to=2026-11-19", "Give both dates"),
        ("period=custom&from=0001-01-01&to=0001-01-02", "no usage that old"),
        ("period=forever", "no such period"),
        ("group=colour", "no such report"),
        ("group=member", "no such report"),
        ("metric=gold", "no such report"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    host: Host, person: Person, query: str, reason: str
) -> None:
    page = person.open(f"/billing/usage?{query}")
    part = person.open(f"/billing/usage?{query}", htmx=True)

    assert (page.status_code, part.status_code) == (422, 422)
    assert reason in words(page)
    assert reason in words(part)
    assert 'id="fb-usage-report"' in part.text
    assert "Tokens" in words(page), "the meters are shown all the same"


def test_a_year_and_a_day_is_not_too_long(host: Host, person: Person) -> None:
    used(host, 300, 7)

    page = person.open("/billing/usage?period=custom&from=2025-11-20&to=2026-11-20")

    assert page.status_code == 200
    assert "Tokens per week" in words(page)


def test_before_the_first_use_and_in_an_empty_period(host: Host, person: Person) -> None:
    assert "Usage appears here within a minute" in words(person.open("/billing/usage"))

    used(host, 80, 5)

    assert "No usage in this period yet." in words(person.open("/billing/usage?period=7d"))


def test_the_filters_swap_the_report_alone(host: Host, person: Person) -> None:
    two_models(host)

    part = person.open("/billing/usage?period=7d&group=provider", htmx=True)

    assert "<html" not in part.text
    assert part.text.strip().startswith('<div class="fb-report"')
    assert "zenith" in part.text
    assert "large" not in part.text


def test_without_news_the_report_stays(host: Host, person: Person) -> None:
    two_models(host)
    part = person.open("/billing/usage?period=7d", htmx=True)
    version = re.search(r'"v": "(\w+)"', part.text)
    assert version is not None
    again = f"/billing/usage?period=7d&group=model&metric=tokens&v={version[1]}"

    assert person.open(again, htmx=True).status_code == 204

    used(host, 3, 5)

    assert person.open(again, htmx=True).status_code == 200


def test_cost_is_a_metric_of_its_own(host: Host, person: Person) -> None:
    two_models(host)

    page = person.open("/billing/usage?period=7d&metric=cost").text

    assert cells(page, "large") == ["2", "200", "1,800", "$4.80", "98%"]
    assert "In all $4.85." in page


def test_seven_series_are_drawn_and_of_more_the_rest_is_one(host: Host, person: Person) -> None:
    for number in range(8):
        used(host, 0, 100 - number, provider="acme", model=f"m{number}")

    page = person.open("/billing/usage?period=7d").text
    legend = re.findall(r'fb-legend-item">.*?<bdi>(\w+)</bdi>', page)

    assert legend == ["m0", "m1", "m2", "m3", "m4", "m5", "Other"]


def test_names_of_models_are_text(host: Host, person: Person) -> None:
    used(host, 0, 1, provider="<b>acme", model="'\"><script>")

    page = person.open("/billing/usage?period=7d").text

    assert "<b>acme" not in page
    assert "&lt;b&gt;acme" in page


def test_csv_has_every_day_and_no_formula(host: Host, person: Person) -> None:
    used(host, 0, 1, provider="=cmd()", model="+1")
    used(host, 1, 2, endpoint="/generate")
    used(host, 40, 4)

    answer = person.open("/billing/usage.csv?period=7d")
    rows = list(csv.DictReader(io.StringIO(answer.text)))

    assert answer.mimetype == "text/csv"
    assert "usage-2026-11-14-2026-11-20.csv" in answer.headers["Content-Disposition"]
    assert [(row["day"], row["quantity"]) for row in rows] == [
        ("2026-11-19", "2"),
        ("2026-11-20", "1"),
    ]
    assert (rows[1]["provider"], rows[1]["model"]) == ("'=cmd()", "'+1")
    assert person.open("/billing/usage.csv?period=forever").status_code == 422


def test_the_report_of_a_period_agrees_with_its_meter(any_host: Host) -> None:
    shop, person = Shop(any_host), Person(any_host)
    shop.now = NOW - dt.timedelta(days=40)

    def use(quantity: int, key: str, model: str) -> None:
        with any_host.app.app_context():
            metering.record("tokens", quantity, key=key, model=model,
                            customer=any_host.customer())  # fmt: skip

    def summed(period: str) -> list[tuple[str, str, str]]:
        answer = person.open(f"/billing/usage.csv?period={period}")
        return [
            (row["day"], row["model"], row["quantity"])
            for row in csv.DictReader(io.StringIO(answer.text))
        ]

    use(5_000, "free", "large")
    shop.wait(hours=1)

    with any_host.app.app_context():
        shop.subscribe("pro")

    use(700, "first", "large")
    use(50, "wrong", "small")

    with any_host.app.app_context():
        any_host.billing.correct("wrong", 20, customer=any_host.customer(), actor="ada", reason="-")

    shop.now = dt.datetime(2026, 11, 11, 12, tzinfo=dt.UTC)
    use(3_000, "before the renewal", "large")
    shop.wait(hours=2)
    use(41_200, "after it", "large")
    shop.now = NOW
    page = person.open("/billing/usage").text

    assert "41.2K" in page
    assert "44.2K" not in page
    assert summed("cycle") == [("2026-11-11", "large", "41200")]
    assert summed("previous") == [
        ("2026-10-11", "large", "700"),
        ("2026-10-11", "small", "20"),
        ("2026-11-11", "large", "3000"),
    ]
    assert summed("90d") == [
        ("2026-10-11", "large", "5700"),
        ("2026-10-11", "small", "20"),
        ("2026-11-11", "large", "44200"),
    ]


def test_usage_of_others_is_not_shown(host: Host, person: Person) -> None:
    two_models(host)
    other = Person(host, "2")

    assert "acme" not in other.open("/billing/usage?period=7d").text
    assert "acme" not in other.open("/billing/usage.csv?period=7d").text
    assert Person(host, None).open("/billing/usage.csv").status_code == 401


def test_more_rows_are_not_more_queries(host: Host, person: Person) -> None:
    two_models(host)
    person.open("/billing/usage?period=90d", htmx=True)

    with counted_queries(host) as few:
        person.open("/billing/usage?period=90d", htmx=True)

    for days_ago in range(3, 60):
        used(host, days_ago, 9, provider="acme", model="large")

    with counted_queries(host) as many:
        person.open("/billing/usage?period=90d", htmx=True)

    assert len(few) == len(many) <= 3, many


def test_a_report_that_cannot_be_read_leaves_the_rest(host: Host, person: Person) -> None:
    with host.app.app_context():
        host.db.session.execute(sa.text("ALTER TABLE billing_usage_rollup RENAME TO gone"))
        host.db.session.commit()

    page = person.open("/billing/usage")

    assert page.status_code == 503
    assert "We couldn't load usage. Try again" in words(page)
    assert "Tokens" in words(page)
