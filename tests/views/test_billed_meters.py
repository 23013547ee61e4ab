"""A meter beyond what the plan includes: billed where more is sold, and red where use stops."""

from __future__ import annotations

import collections.abc as c
import re
import typing as t
from html import unescape

import pytest
from flask import render_template_string

from flask_billing import metering, notifications
from flask_billing.models import Outbox

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]
Shop = c.Callable[..., Person]

BEYOND: t.Final = "1,200 beyond the 10,000 included, billed at $0.50 per 1,000 API calls"
TIERS: t.Final = [{"up_to": 1000, "unit_amount": "0.2"}, {"unit_amount": "0.15"}]


def catalog(limit: dict[str, t.Any], trial_days: int = 0, **metered: t.Any) -> dict[str, t.Any]:
    """A plan that sells calls beyond those it includes, below one without a limit."""
    by_use = {"metered": [{"meter": "api_calls", **metered}]} if metered else {}
    return {
        "meters": {"api_calls": {"name": "API calls", "unit": "call", "stripe_event": "calls"}},
        "plans": {
            "pro": {
                "name": "Pro",
                "rank": 1,
                "trial_days": trial_days,
                "prices": [{"interval": "month", "amount": 9900, **by_use}],
                "limits": [
                    {"meter": "api_calls", "included": 10_000, "policy": "overage", **limit}
                ],
            },
            "max": {
                "name": "Max",
                "rank": 2,
                "prices": [{"interval": "month", "amount": 49_900}],
                "limits": [{"meter": "api_calls", "included": -1}],
            },
        },
    }


@pytest.fixture
def shop(make_app: MakeApp) -> Shop:
    """Somebody who bought Pro and made so many calls."""

    def open_shop(used: int, trial_days: int = 0, topup: int = 0, **limit: t.Any) -> Person:
        metered = {} if "overage_rate" in limit else {"unit_amount": "0.05"}
        metered = limit.pop("metered", metered)
        host = make_app(
            catalog=catalog(limit, trial_days, **metered),
            BILLING_BASE_URL="http://localhost",
        )

        @host.app.get("/of-the-host")
        def of_the_host() -> str:
            return render_template_string('{{ billing_meter("api_calls") }}')

        person = Person(host)
        person.buy("pro")
        host.sandbox.webhooks.deliver()

        with host.app.app_context():
            if topup:
                metering.grant_credits(
                    host.customer(), "api_calls", topup, kind="topup", source_key="x", actor="a",
                    reason="Bought them",
                )  # fmt: skip
                host.db.session.commit()

            if used:
                host.billing.record("api_calls", used, customer=host.customer())

        return person

    return open_shop


def meter_of(html: str) -> str:
    """The markup of the one meter."""
    return html[html.index('<div class="fb-meter"') :]


def spoken(html: str) -> str:
    """What a screen reader says of the bar."""
    found = re.search(r'aria-valuetext="([^"]+)"', html)
    assert found is not None
    return unescape(found[1])


def test_billed_use_is_told_wherever_the_meter_is(shop: Shop) -> None:
    person = shop(11_200)

    for path in (
        "/billing/",
        "/billing/usage",
        "/billing/meters",
        "/billing/meters/api_calls",
        "/of-the-host",
    ):
        answer = person.open(path, htmx=path.startswith("/billing/meters"))
        assert 'data-fb-level="info"' in answer.text, path
        assert f"{BEYOND}. Estimated usage charge $0.60 so far" in words(answer), path
        assert spoken(answer.text) == f"11,200 of 10,000 (112%). {BEYOND}", path
        assert "Over by" not in answer.text
        assert "fb-meter-word" not in answer.text
        assert "Upgrade to" not in meter_of(answer.text)


def test_a_program_is_told_that_use_goes_on(shop: Shop) -> None:
    [calls] = shop(11_200, overage_cap=50_000).open("/billing/api/usage").get_json()["meters"]
    told = {key: calls[key] for key in ("colour", "over", "goes_on", "stops_at", "remaining")}

    assert told == {
        "colour": "info", "over": 1200, "goes_on": True, "stops_at": 60_000, "remaining": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("used", "level", "said"),
    [
        (9_999, "ok", "then $0.50 per 1,000 API calls"),
        (10_000, "info", "All 10,000 included are used, billed at $0.50 per 1,000 API calls."),
    ],
)
def test_what_is_included_is_no_limit_to_be_warned_of(
    shop: Shop, used: int, level: str, said: str
) -> None:
    page = shop(used).open("/billing/usage")

    assert f'data-fb-level="{level}"' in page.text
    assert said in words(page)
    assert "fb-meter-word" not in page.text


@pytest.mark.parametrize(
    ("used", "level", "said"),
    [
        (10_500, "info", "billed at $0.50 per 1,000 API calls, up to 20,000 in all."),
        (14_000, "warn", "Near the limit of 20,000."),
        (18_000, "crit", "Almost at the limit of 20,000."),
        (20_000, "crit", "Limit of 20,000 reached."),
    ],
)
def test_the_cap_is_a_stop(shop: Shop, used: int, level: str, said: str) -> None:
    page = shop(used, overage_cap=10_000).open("/billing/usage")

    assert f'data-fb-level="{level}"' in page.text
    assert said in words(page)
    assert ("Upgrade to Max" in meter_of(page.text)) is (level == "crit")


def test_a_call_beyond_the_cap_is_refused_by_the_cap(shop: Shop) -> None:
    person = shop(15_000, overage_cap=5000)
    refusal = person.client.post("/generate", headers={"Accept": "text/html"})

    assert refusal.status_code == 429
    assert "You've reached your limit of 15,000 API calls" in words(refusal)
    assert "This was not used and not charged. It starts anew" in words(refusal)
    asked = person.client.post("/generate", headers={"Accept": "application/json"})
    assert "15,000 of 15,000 used" in asked.get_json()["detail"]


@pytest.mark.parametrize(
    ("terms", "told"), [({"overage_cap": 5000}, ("15000", "3799")), ({}, (None, None))]
)
def test_a_client_that_obeys_its_rate_limit_goes_on(
    shop: Shop, terms: dict[str, t.Any], told: tuple[str | None, str | None]
) -> None:
    answer = shop(11_200, **terms).client.post("/generate")

    assert answer.status_code == 200
    headers = answer.headers
    assert (headers.get("RateLimit-Limit"), headers.get("RateLimit-Remaining")) == told


def test_the_shell_says_that_more_is_sold(shop: Shop) -> None:
    host = shop(11_200).host
    said = host.app.test_cli_runner().invoke(args=["billing", "usage", "show", "user", "1"])

    assert "11,200 of 10,000, exceeded, more is sold" in said.output


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (10_400, "400 beyond the 10,000 included, billed at $2 per 1,000 API calls."),
        (10_400, "so far , after 600 more $1.50 per 1,000 API calls"),
        (12_000, "2,000 beyond the 10,000 included, billed by tiers."),
        (12_000, "charge $3.50 so far , $1.50 per 1,000 API calls from here on"),
    ],
)
def test_tiers_are_told_as_they_are_reached(shop: Shop, used: int, said: str) -> None:
    assert said in words(shop(used, metered={"tiers": TIERS}).open("/billing/usage"))


@pytest.mark.parametrize(
    ("used", "said"), [(10, "then $0.50 per 1,000 API calls"), (11_200, BEYOND)]
)
def test_what_the_app_bills_itself_is_told_at_its_rate(shop: Shop, used: int, said: str) -> None:
    page = shop(used, overage_rate=50_000).open("/billing/usage")

    assert said in words(page)
    assert "Estimated" not in page.text


def test_in_a_trial_nothing_is_charged(shop: Shop) -> None:
    page = shop(11_200, trial_days=14).open("/billing/usage")

    assert 'data-fb-level="info"' in page.text
    assert "1,200 beyond the 10,000 included, not charged." in words(page)


@pytest.mark.parametrize(("used", "level"), [(0, "ok"), (1_200, "info")])
def test_what_is_billed_from_the_first_unit_on_has_no_bar(
    shop: Shop, used: int, level: str
) -> None:
    page = shop(used, included=0).open("/billing/usage")

    assert f'data-fb-level="{level}"' in page.text
    assert "<meter" not in page.text
    assert f"{used:,} used" in words(page)
    assert "None included, billed at $0.50 per 1,000 API calls." in words(page)
    assert "Not included" not in page.text


def test_credits_come_before_anything_is_billed(shop: Shop) -> None:
    page = shop(10_500, topup=1_000).open("/billing/usage")

    assert 'data-fb-level="ok"' in page.text
    assert "beyond" not in meter_of(page.text)


def letters(host: Host) -> list[tuple[str, str]]:
    """Subject and text of the mails about thresholds."""
    found = []

    with host.app.app_context():
        for row in host.db.session.query(Outbox).filter_by(kind="mail", name="usage_threshold"):
            letter = notifications.letter_for(row.name, host.customer(), row.body)
            assert letter is not None
            found.append((letter.subject, " ".join(letter.paragraphs)))

    return found


def test_mails_say_that_use_goes_on_and_what_it_costs(shop: Shop) -> None:
    person = shop(8_000, overage_cap=5_000)

    with person.host.app.app_context():
        person.host.billing.record("api_calls", 2_000, customer=person.host.customer())

    (near, first), (used_up, second) = letters(person.host)
    assert near == "80% of your included API calls are used"
    assert used_up == "Your included API calls are used, and you can go on"
    assert first.startswith("8K of 10K included are used so far.")

    for text in (first, second):
        assert "You can go on: what you use beyond is charged with your invoice of" in text
        assert "It costs $0.50 per 1,000 API calls. It stops at 15,000." in text


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (
            {"overage_rate": 50_000},
            "You can go on: what you use beyond is charged. It costs $0.50 per 1,000 API calls.",
        ),
        ({"trial_days": 14}, "You can go on: what you use beyond isn't charged at the moment."),
    ],
)
def test_mails_promise_no_invoice_that_does_not_come(
    shop: Shop, terms: dict[str, t.Any], said: str
) -> None:
    [(_, text)] = letters(shop(9_600, **terms).host)

    assert said in text
    assert "invoice" not in text


def test_mails_about_a_stop_say_so(shop: Shop) -> None:
    [(subject, text)] = letters(shop(10_000, policy="hard", metered={}).host)

    assert subject == "Your API calls are used up"
    assert text.startswith("10K of 10K are used.")
    assert "go on" not in text


@pytest.mark.parametrize(
    ("included", "warned", "lost"),
    [
        (10_000, True, "10K API calls a month instead of Unlimited"),
        (0, False, "API calls billed by use instead of Unlimited"),
    ],
)
def test_a_change_says_that_what_is_beyond_is_billed(
    shop: Shop, included: int, warned: bool, lost: str
) -> None:
    person = shop(0, included=included)
    change = words(person.open("/billing/change?plan=max"))
    assert "Unlimited API calls" in change

    quote = re.search(r'name="quote" value="([^"]+)"', person.open("/billing/change?plan=max").text)
    assert quote is not None
    person.press("/billing/change", quote=quote[1])

    with person.host.app.app_context():
        person.host.billing.record("api_calls", 12_000, customer=person.host.customer())

    back = words(person.open("/billing/change?plan=pro"))
    warning = "You use 12K API calls; Pro includes 10K and bills what is beyond."
    assert (warning in back) is warned
    assert f"You lose {lost}" in back


def test_a_plan_that_bills_all_by_use_says_so(shop: Shop) -> None:
    page = words(shop(0, included=0).open("/billing/plans"))

    assert "API calls billed by use" in page
    assert "API calls Billed by use $0.50 per 1,000 API calls Unlimited" in page
