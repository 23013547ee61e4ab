"""Texts, numbers and directions in the reader's language."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
from pathlib import Path

import pytest
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from flask_babel import Babel

from flask_billing import clock, formatting

from .host import Host
from .views.person import Person, words

MakeApp = c.Callable[..., Host]
NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


@pytest.fixture
def in_language(make_app: MakeApp) -> c.Callable[[str], Host]:
    """A host whose readers use that locale."""

    def make(locale: str) -> Host:
        host = make_app()
        Babel(host.app, locale_selector=lambda: locale)
        clock.set_source(host.app, lambda: NOW)
        return host

    return make


def test_without_flask_babel_everything_is_english(host: Host) -> None:
    page = Person(host, None).open("/billing/plans").text

    assert '<html lang="en" dir="ltr">' in page


def test_numbers_and_money_follow_the_locale(in_language: c.Callable[[str], Host]) -> None:
    host = in_language("de")

    with host.app.test_request_context():
        assert formatting.compact(7_234) == "7,2K"
        assert formatting.exact(7_234) == "7.234"
        assert formatting.price(98_604, "usd") == "986,04\xa0$"
        assert formatting.price(9_900, "eur", drop_zeros=True) == "99\xa0€"
        assert formatting.day(NOW) == "28.11.2026"
        assert formatting.period(NOW.date(), dt.date(2026, 12, 28)) == "28. Nov. – 28. Dez. 2026"


def test_the_page_says_its_language(in_language: c.Callable[[str], Host]) -> None:
    said = Person(in_language("de"), None).open("/billing/plans")

    assert '<html lang="de"' in said.text
    assert "82,17\xa0$" in said.text


def test_languages_from_right_to_left(in_language: c.Callable[[str], Host]) -> None:
    page = Person(in_language("ar")).open("/billing/").text

    assert '<html lang="ar" dir="rtl">' in page
    assert page.count('dir="rtl"') >= 2


def test_the_host_can_bring_a_translation(make_app: MakeApp, tmp_path: Path) -> None:
    german = Catalog(locale="de", domain="flask_billing")
    german.add("Plans", "Tarife")
    german.add("Choose %(plan)s", "%(plan)s wählen")
    german.add(("%(num)s-day trial", "%(num)s-day trial"), ("%(num)s Tag", "%(num)s Tage Probe"))
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)

    with (folder / "flask_billing.mo").open("wb") as file:
        write_mo(file, german)

    host = make_app(BABEL_TRANSLATION_DIRECTORIES=str(tmp_path))
    Babel(host.app, locale_selector=lambda: "de")
    said = words(Person(host, None).open("/billing/plans"))

    assert "Tarife" in said
    assert "Pro wählen" in said
    assert "14 Tage Probe" in said
    assert "billed monthly" in said


def test_times_are_in_the_customers_zone_and_say_so(host: Host) -> None:
    with host.app.test_request_context():
        midnight = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
        assert formatting.short_moment(midnight) == "Dec 1, 00:00 UTC"
        assert formatting.short_moment(midnight, "Asia/Tokyo") == "Dec 1, 09:00 JST"
        assert formatting.short_moment(midnight, "Mars/Olympus") == "Dec 1, 00:00 UTC"


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (dt.timedelta(seconds=-5), "in 1 minute"),
        (dt.timedelta(seconds=61), "in 2 minutes"),
        (dt.timedelta(hours=3), "in 3 hours"),
        (dt.timedelta(days=1, hours=12), "in 36 hours"),
        (dt.timedelta(days=2, hours=12), "in 3 days"),
        (dt.timedelta(days=30), "in 30 days"),
    ],
)
def test_how_far_ahead(host: Host, ahead: dt.timedelta, said: str) -> None:
    clock.set_source(host.app, lambda: NOW)

    with host.app.test_request_context():
        assert formatting.until(NOW + ahead) == said
