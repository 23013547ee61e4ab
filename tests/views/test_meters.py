"""Meters as pages show them: figures, levels, words, and fragments that change nothing."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import re
import typing as t

import pytest

from flask_billing import clock

from ..host import Host
from .person import Person, words
from .test_overview import counted_queries

MakeApp = c.Callable[..., Host]

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


def limited(included: int, window: str = "month", **meter: t.Any) -> dict[str, t.Any]:
    """A catalog whose free plan includes so much of one meter."""
    return {
        "meters": {"tokens": {"name": "Tokens", "unit": "token", **meter}},
        "plans": {
            "free": {
                "name": "Free",
                "limits": [{"meter": "tokens", "included": included, "window": window}],
            },
            "pro": {
                "name": "Pro",
                "rank": 1,
                "prices": [{"interval": "month", "amount": 9900}],
                "limits": [{"meter": "tokens", "included": -1}],
            },
        },
    }


@pytest.fixture
def shown(make_app: MakeApp) -> c.Callable[..., str]:
    """The usage page of a customer who used so much of so much."""

    def show(used: int, included: int, window: str = "month", **meter: t.Any) -> str:
        host = make_app(catalog=limited(included, window, **meter))
        clock.set_source(host.app, lambda: NOW)

        with host.app.app_context():
            host.billing.record("tokens", used, customer=host.customer()) if used else None

        return Person(host).open("/billing/usage").text

    return show


@pytest.mark.parametrize(
    ("used", "level", "word"),
    [
        (6_999, "ok", None),
        (7_000, "warn", "Near limit."),
        (8_999, "warn", "Near limit."),
        (9_000, "crit", "Almost at your limit."),
        (10_000, "crit", "Limit reached."),
        (13_000, "crit", "Over by 3K."),
    ],
)
def test_the_level_changes_at_seventy_and_ninety(
    shown: c.Callable[..., str], used: int, level: str, word: str | None
) -> None:
    html = shown(used, 10_000)

    assert f'data-fb-level="{level}"' in html
    assert f"{used:,} of 10,000" in html
    assert f"({100 * used // 10_000}%)" in html
    assert (f"<span>{word}</span>" in html) if word else "fb-meter-word" not in html
    assert ("Upgrade to Pro" in html) is (level == "crit")


@pytest.mark.parametrize(
    ("used", "figure"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1K"),
        (7_234, "7.2K"),
        (9_960, "9.9K"),
        (999_950, "999.9K"),
        (1_000_000, "1M"),
        (1_250_000_000, "1.2B"),
    ],
)
def test_figures_are_short_and_never_rounded_up(
    shown: c.Callable[..., str], used: int, figure: str
) -> None:
    html = shown(used, 2_000_000_000)

    assert f'aria-hidden="true">{figure} of 2B' in html
    assert f"{used:,} of 2,000,000,000" in html


def test_a_meter_has_a_name_and_is_full_at_most(shown: c.Callable[..., str]) -> None:
    html = shown(13_000, 10_000)
    meter = re.search(r"<meter[^>]+>", html)

    assert meter is not None
    assert 'value="10000"' in meter[0]
    assert 'max="10000"' in meter[0]
    name = re.search(r'aria-labelledby="([^"]+)"', meter[0])
    assert name is not None
    assert f'id="{name[1]}">Tokens' in html


def test_a_reset_is_told_relatively_and_absolutely(shown: c.Callable[..., str]) -> None:
    html = shown(1, 10)

    assert "Resets in 3 days (Dec 1, 00:00 UTC)" in html
    assert 'datetime="2026-12-01T00:00:00+00:00"' in html
    assert "This month" in html


def test_a_one_time_allowance_never_resets(shown: c.Callable[..., str]) -> None:
    html = shown(1, 10, "lifetime")

    assert "One-time allowance" in html
    assert "Resets" not in html


def test_unlimited_has_no_meter(shown: c.Callable[..., str]) -> None:
    html = shown(12_400, -1)

    assert "<meter" not in html
    assert "12.4K used" in html
    assert "Unlimited" in html


def test_not_included_says_so_and_where_it_is(shown: c.Callable[..., str]) -> None:
    html = shown(0, 0)

    assert "<meter" not in html
    assert "Not included in Free." in html
    assert "See plans" in html


def test_finer_units_are_shown_in_those_people_know(shown: c.Callable[..., str]) -> None:
    assert "7.2 of 10" in shown(7_234, 10_000, scale=1000)


def test_a_fragment_is_not_a_page(host: Host) -> None:
    for path in ("/billing/meters", "/billing/meters/tokens"):
        fragment = Person(host).open(path, htmx=True)
        assert fragment.status_code == 200
        assert "<html" not in fragment.text
        assert "data-fb-meter" in fragment.text


@pytest.mark.parametrize(
    "path", ["/billing/meters", "/billing/meters?all=1", "/billing/meters/tokens"]
)
def test_without_news_there_is_nothing_to_swap(host: Host, path: str) -> None:
    person = Person(host)
    first = person.open(path, htmx=True)
    version = re.search(r'"v": "(\w+)"', first.text)
    assert version is not None
    again = f"{path}{'&' if '?' in path else '?'}v={version[1]}"

    assert person.open(again, htmx=True).status_code == 204

    with host.app.app_context():
        host.billing.record("tokens", 5, customer=host.customer())

    assert person.open(again, htmx=True).status_code == 200


def test_an_unknown_meter_is_not_found(host: Host) -> None:
    assert Person(host).open("/billing/meters/gold", htmx=True).status_code == 404


def test_a_fragment_asks_the_database_little(host: Host) -> None:
    person = Person(host)
    person.open("/billing/meters", htmx=True)

    with counted_queries(host) as statements:
        person.open("/billing/meters", htmx=True)

    assert len(statements) <= 3, statements


def test_while_nothing_is_tracked_the_page_says_so(make_app: MakeApp) -> None:
    host = make_app(catalog={"plans": {"free": {"name": "Free"}}}, BILLING_METERING_ENABLED=False)

    assert "Usage isn't being tracked." in words(Person(host).open("/billing/usage"))


def test_what_is_held_for_work_in_progress_is_told(host: Host) -> None:
    person = Person(host)

    with host.app.app_context():
        hold = host.billing.reserve("tokens", 1_500, customer=host.customer())

        assert "1.5K more held for work in progress" in words(person.open("/billing/usage"))

        hold.settle(1_200)

    said = words(person.open("/billing/usage"))
    assert "1.2K of 100K" in said
    assert "held" not in said


@pytest.mark.parametrize(
    ("granted", "level", "said"),
    [
        (0, "crit", "Over by 200."),
        (200, "crit", "Limit reached."),
        (300, "crit", "Credits left: 100 Almost at your limit."),
        (500, "warn", "Credits left: 300 Near limit."),
        (5_000, "ok", "Credits left: 4.8K"),
    ],
)
def test_credits_put_the_limit_off(make_app: MakeApp, granted: int, level: str, said: str) -> None:
    host = make_app(catalog=limited(1000))

    with host.app.app_context():
        if granted:
            host.billing.grant_credits(
                host.customer(), "tokens", granted, kind="topup", source_key="x", actor="ada",
                reason="Bought them",
            )  # fmt: skip
            host.db.session.commit()

        host.billing.record("tokens", 1200, customer=host.customer())

    page = Person(host).open("/billing/usage")
    assert f'data-fb-level="{level}"' in page.text
    assert said in words(page)
    assert ("fb-meter-word" in page.text) is (level != "ok")
