"""A host that turns webhooks away before they come to us is told, before Stripe is."""

from __future__ import annotations

import collections.abc as c
import logging

import pytest
from flask import abort, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect

from ..host import Host
from .test_doctor import found, run

MakeApp = c.Callable[..., Host]
BASE = {"BILLING_BASE_URL": "https://app.example.com/under"}


@pytest.mark.parametrize("settings", [{}, BASE, {"SERVER_NAME": "app.example.com"}])
def test_what_comes_to_the_route_is_well(
    make_app: MakeApp, settings: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    host = make_app(**settings)
    CSRFProtect(host.app)
    caplog.set_level(logging.INFO)
    [finding] = found(host, "route")

    assert finding["level"] == "ok", finding
    assert "/billing/webhooks/stripe comes to the route" in finding["text"]
    assert "Refused" not in caplog.text


def test_a_missing_secret_is_told_by_another_check(make_app: MakeApp) -> None:
    host = make_app()
    host.state.stripe.webhook_secrets = ()
    assert [one["level"] for one in found(host, "route")] == ["ok"]


@pytest.mark.parametrize(("settings", "level"), [(BASE, "failure"), ({}, "warning")])
@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_gate_that_turns_it_away_is_told(
    make_app: MakeApp, settings: dict[str, str], level: str, status: int
) -> None:
    host = make_app(**settings)

    @host.app.before_request
    def only_who_is_signed_in() -> ResponseReturnValue | None:
        if "user" in session or request.endpoint == "login":
            return None

        return redirect("/login") if status == 302 else abort(status)

    [finding] = found(host, "route")
    assert finding["level"] == level
    assert f"is answered {status} before" in finding["text"]
    assert "'billing.webhooks.stripe' pass" in finding["advice"]
    assert run(host, "doctor", "route").exit_code == (level == "failure")


def test_a_gate_that_breaks_is_told(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    host = make_app(**BASE)

    @host.app.before_request
    def broken() -> None:
        raise KeyError("nobody")

    [finding] = found(host, "route")
    assert (finding["level"], "fails before" in finding["text"]) == ("failure", True)
    assert "KeyError: 'nobody'" in caplog.text
