"""Views that need a plan or a feature, and the way to it for those who lack it."""

from __future__ import annotations

import collections.abc as c

import pytest
from flask import Blueprint

from flask_billing.errors import ConfigError

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]
JSON = {"Accept": "application/json"}


@pytest.fixture
def host(make_app: MakeApp) -> Host:
    host = make_app()
    pages = Blueprint("pages", __name__)

    @pages.get("/reports")
    @host.billing.requires_plan("starter")
    def reports() -> str:
        return "the reports"

    @pages.get("/support")
    @host.billing.requires_feature("support")
    def support() -> str:
        return "the support"

    @pages.get("/misspelt")
    @host.billing.requires_plan("platinum")
    def misspelt() -> str:
        return ""

    @pages.get("/unknown")
    @host.billing.requires_feature("teleport")
    def unknown() -> str:
        return ""

    host.app.register_blueprint(pages)
    return host


def test_a_page_shows_the_way_to_the_plan(host: Host) -> None:
    page = Person(host).open("/support")

    assert page.status_code == 402
    assert "Priority support is part of Pro" in words(page)
    assert "You're on Free. Nothing was charged." in words(page)
    assert 'href="/billing/plans#fb-plan-pro"' in page.text
    assert page.headers["Cache-Control"] == "private, no-store"


def test_htmx_gets_a_fragment(host: Host) -> None:
    fragment = Person(host).open("/reports", htmx=True)

    assert fragment.status_code == 402
    assert "<html" not in fragment.text
    assert "fb-root" in fragment.text


def test_a_program_gets_a_problem_document(host: Host) -> None:
    answer = Person(host).client.get("/reports", headers=JSON)

    assert answer.status_code == 402
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] == "upgrade_required"
    assert answer.json["plan"] == "free"
    assert answer.json["suggested_plan"] == "starter"
    assert answer.json["upgrade_url"] == "/billing/plans"


def test_a_higher_plan_opens_the_view(host: Host) -> None:
    person = Person(host)
    person.buy("pro")

    assert person.open("/reports").text == "the reports"
    assert person.open("/support").text == "the support"


def test_a_plan_without_the_feature_does_not(host: Host) -> None:
    person = Person(host)
    person.buy("starter")

    assert person.open("/reports").status_code == 200
    assert person.open("/support").status_code == 402


def test_nobody_has_to_sign_in_first(host: Host) -> None:
    assert Person(host, None).open("/reports").status_code == 401
    assert host.client(None).get("/reports", headers=JSON).status_code == 401


@pytest.mark.parametrize("path", ["/misspelt", "/unknown"])
def test_what_the_catalog_does_not_know_is_an_error_for_developers(host: Host, path: str) -> None:
    with pytest.raises(ConfigError, match="catalog"):
        Person(host).open(path)


def test_a_gate_without_its_plan_or_feature_is_told_at_once(host: Host) -> None:
    for gate in (host.billing.requires_plan, host.billing.requires_feature):
        with pytest.raises(ConfigError, match=r"A gate names its .* @billing\.requires_"):
            gate(lambda: "the view")  # type: ignore[arg-type]


def test_without_quota_the_way_on_is_shown(host: Host) -> None:
    person = Person(host)

    for _ in range(3):
        assert person.client.post("/generate").status_code == 200

    page = person.client.post("/generate", headers={"Accept": "text/html"})
    fragment = person.client.post("/generate", headers={"HX-Request": "true"})

    assert page.status_code == fragment.status_code == 429
    assert "You've reached your limit of 3 API calls" in words(page)
    assert "It starts anew in " in words(page)
    assert "Upgrade to Starter" in words(page)
    assert "<html" not in fragment.text
    assert "data-fb-quota" in fragment.text
