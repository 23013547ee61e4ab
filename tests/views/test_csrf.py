"""Forged forms: refused by us, with and without the host's own protection, in any order."""

from __future__ import annotations

import collections.abc as c
import time

import pytest
from flask_wtf.csrf import CSRFProtect
from werkzeug.test import TestResponse

from flask_billing import Billing
from flask_billing.models import Checkout

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]

PATH = "/billing/checkout"
WISH = {"plan": "starter", "interval": "month"}


@pytest.fixture(params=["no protection", "before billing", "after billing"])
def protected_host(
    request: pytest.FixtureRequest, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> Host:
    """A host without CSRFProtect, and with it set up before and after billing."""
    if request.param == "before billing":
        ours = Billing.init_app

        def init_app(self: Billing, app: object, *args: object, **kwargs: object) -> None:
            CSRFProtect(app)
            ours(self, app, *args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(Billing, "init_app", init_app)

    host = make_app()

    if request.param == "after billing":
        CSRFProtect(host.app)

    if request.param != "no protection":
        host.app.extensions["csrf"].exempt("tests.host.login")

    return host


def test_a_form_of_ours_is_taken(protected_host: Host) -> None:
    assert Person(protected_host).choose("starter").status_code == 303


@pytest.mark.parametrize("token", ["", "forged", "a.b.c"])
def test_a_forged_form_changes_nothing(protected_host: Host, token: str) -> None:
    person = Person(protected_host)
    answer = _press(person, token)

    assert answer.status_code == 400
    assert "Nothing was changed." in words(answer)
    assert protected_host.rows(Checkout) == []
    assert protected_host.sandbox.requests == []


def test_a_fragment_brings_a_fresh_token(protected_host: Host) -> None:
    person = Person(protected_host)
    answer = _press(person, "old", htmx=True)

    assert answer.status_code == 400
    assert "<html" not in answer.text
    assert 'hx-swap-oob="beforeend:#fb-alerts"' in answer.text
    fresh = answer.text.split('data-fb-fresh-token="')[1].split('"')[0]
    assert _press(person, fresh).status_code == 303


def test_the_hosts_token_in_the_header_is_understood(protected_host: Host) -> None:
    person = Person(protected_host)
    person.open("/billing/plans")
    answer = person.client.post(
        PATH, data=WISH, headers={"X-CSRFToken": person.token, "Accept": "text/html"}
    )

    assert answer.status_code == 303


def test_another_sessions_token_is_refused(protected_host: Host) -> None:
    other = Person(protected_host, "2")
    other.open("/billing/plans")

    assert _press(Person(protected_host), other.token).status_code == 400


def test_a_token_lasts_as_long_as_the_session(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_app(WTF_CSRF_TIME_LIMIT=1)
    person = Person(host)
    person.open("/billing/plans")
    in_three_weeks = time.time() + 21 * 86_400
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: in_three_weeks)

    assert _press(person, person.token).status_code == 303


def test_the_webhook_route_needs_a_signature_instead(protected_host: Host) -> None:
    answer = protected_host.app.test_client().post("/billing/webhooks/stripe", data=b"{}")

    assert answer.status_code == 400
    assert "signature" in answer.text.lower()


def test_the_hosts_own_forms_stay_protected(make_app: MakeApp) -> None:
    host = make_app()
    CSRFProtect(host.app)
    person = Person(host, None)
    person.open("/billing/plans")

    assert host.app.test_client().post("/login", data={"user": "1"}).status_code == 400


def _press(person: Person, token: str, *, htmx: bool = False) -> TestResponse:
    return person.press(PATH, htmx=htmx, token=token, plan="starter", interval="month")
