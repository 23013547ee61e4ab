"""A soft limit: it is told when it comes near and when it is passed, and it stops nothing."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest

from flask_billing import metering, notifications
from flask_billing.models import Outbox

from ..host import Host
from .person import Person

MakeApp = c.Callable[..., Host]

CATALOG: t.Final[dict[str, t.Any]] = {
    "meters": {"api_calls": {"name": "API calls", "unit": "call"}},
    "plans": {
        "free": {
            "name": "Free",
            "limits": [
                {"meter": "api_calls", "included": 1000, "window": "month", "policy": "soft"}
            ],
        },
        "pro": {
            "name": "Pro",
            "rank": 1,
            "prices": [{"interval": "month", "amount": 9900}],
            "limits": [{"meter": "api_calls", "included": -1}],
        },
    },
}


@pytest.fixture
def used(make_app: MakeApp, database_url: str) -> c.Callable[[int], Person]:
    """Somebody who used so much of a soft limit of a thousand."""

    def use(quantity: int) -> Person:
        person = Person(make_app(database_url, catalog=CATALOG))

        with person.host.app.app_context():
            metering.record("api_calls", quantity, customer=person.host.customer())

        return person

    return use


@pytest.mark.parametrize(
    ("quantity", "colour", "word"),
    [
        (699, "ok", None),
        (700, "warn", "Near limit."),
        (999, "warn", "Near limit."),
        (1000, "warn", "Limit reached, and you can go on."),
        (1300, "warn", "Over by 300, and you can go on."),
    ],
)
def test_it_is_amber_at_most_and_says_that_use_goes_on(
    used: c.Callable[[int], Person], quantity: int, colour: str, word: str | None
) -> None:
    html = used(quantity).open("/billing/usage").text

    assert f'data-fb-level="{colour}"' in html
    assert (f"<span>{word}</span>" in html) if word else "fb-meter-word" not in html
    assert ("Upgrade to Pro" in html) is (quantity >= 1000)


def test_a_client_that_obeys_its_rate_limit_is_told_of_none(
    used: c.Callable[[int], Person],
) -> None:
    person = used(1300)
    answer = person.client.post("/generate")
    [calls] = person.open("/billing/api/usage").get_json()["meters"]

    assert answer.status_code == 200
    assert not [name for name, _ in answer.headers if name.startswith("RateLimit")]
    assert (calls["level"], calls["colour"], calls["stops_at"]) == ("exceeded", "warn", None)
    assert calls["over"] == 301


@pytest.mark.parametrize(
    ("quantity", "subject"),
    [
        (800, "80% of your included API calls are used"),
        (1300, "Your included API calls are used, and you can go on"),
    ],
)
def test_mails_do_not_say_that_it_stops(
    used: c.Callable[[int], Person], quantity: int, subject: str
) -> None:
    host = used(quantity).host

    with host.app.app_context():
        [row] = host.db.session.query(Outbox).filter_by(kind="mail", name="usage_threshold")
        letter = notifications.letter_for(row.name, host.customer(), row.body)

    assert letter is not None
    assert letter.subject == subject
    assert letter.paragraphs[1] == "You can go on."
    assert "charged" not in " ".join(letter.paragraphs)


@pytest.mark.parametrize(
    ("quantity", "told"),
    [
        (999, "999 of 1,000, critical, resets"),
        (1300, "1,300 of 1,000, exceeded, nothing is refused"),
    ],
)
def test_the_shell_says_that_nothing_is_refused(
    used: c.Callable[[int], Person], quantity: int, told: str
) -> None:
    runner = used(quantity).host.app.test_cli_runner()
    said = runner.invoke(args=["billing", "usage", "show", "user", "1"])

    assert told in said.output
