"""What hosts put into their own templates, and how the pages fit into the host's layout."""

from __future__ import annotations

import collections.abc as c

import jinja2
import pytest
from flask import render_template_string
from flask.testing import FlaskClient

from flask_billing import subscriptions
from flask_billing.errors import ConfigError

from ..host import Host
from .person import Person

MakeApp = c.Callable[..., Host]


@pytest.fixture
def template(make_app: MakeApp) -> c.Callable[..., str]:
    """Renders a host's template as that user sees it."""
    host = make_app()

    @host.app.get("/shown")
    def shown() -> str:
        return render_template_string(host.app.config["SHOWN"])

    def render(source: str, owner_id: str | None = "1", client: FlaskClient | None = None) -> str:
        host.app.config["SHOWN"] = source
        return (client or host.client(owner_id)).get("/shown").text

    render.host = host  # type: ignore[attr-defined]
    return render


def test_a_meter_stands_in_a_root_of_its_own(template: c.Callable[..., str]) -> None:
    html = template('{{ billing_meter("tokens") }}')

    assert html.count('class="fb-root"') == 1
    assert 'hx-get="/billing/meters/tokens"' in html
    assert "0 of 100,000" in html


@pytest.mark.parametrize(
    "call",
    ['billing_meter("tokens")', "billing_banner()", "billing_plan_badge()"],
)
def test_for_nobody_there_is_nothing(template: c.Callable[..., str], call: str) -> None:
    assert template(f"{{{{ {call} }}}}", None) == ""


def test_an_unknown_meter_is_an_error_for_developers(template: c.Callable[..., str]) -> None:
    with pytest.raises(KeyError, match="no meter 'gold'"):
        template('{{ billing_meter("gold") }}')


def test_the_badge_names_plan_and_state(template: c.Callable[..., str]) -> None:
    assert "Free" in template("{{ billing_plan_badge() }}")


def test_a_paywall_stands_where_the_feature_is_missing(template: c.Callable[..., str]) -> None:
    assert "Part of Pro." in template('{{ billing_paywall("support") }}')
    assert "Part of Pro." in template('{{ billing_paywall("support") }}', None)

    person = Person(template.host, "2")  # type: ignore[attr-defined]
    person.buy("pro")
    assert template('{{ billing_paywall("support") }}', client=person.client) == ""


def test_a_paywall_for_an_unknown_feature_is_an_error(template: c.Callable[..., str]) -> None:
    with pytest.raises(ConfigError, match="teleport"):
        template('{{ billing_paywall("teleport") }}')


def test_footer_links_lead_where_one_may_go(template: c.Callable[..., str]) -> None:
    assert "/billing/usage" not in template("{{ billing_footer_links() }}", None)
    assert 'href="/billing/usage"' in template("{{ billing_footer_links() }}")


def test_scripts_and_styles_come_once(template: c.Callable[..., str]) -> None:
    html = template(
        "{{ billing_head() }}{{ billing_head() }}{{ billing_toasts() }}{{ billing_toasts() }}"
    )

    assert html.count("billing.css") == html.count("billing.js") == html.count("htmx.min.js") == 1
    assert html.count('id="fb-toasts"') == 1


def test_a_host_with_its_own_htmx_gets_no_second_one(make_app: MakeApp) -> None:
    page = Person(make_app(BILLING_HTMX="host")).open("/billing/plans")

    assert "htmx.min.js" not in page.text
    assert "billing.js" in page.text


def test_the_pages_can_stand_in_the_hosts_layout(make_app: MakeApp) -> None:
    host = make_app(BILLING_BASE_TEMPLATE="layout.html")
    layout = (
        "<title>{% block title %}{% endblock %} - Host</title>"
        "{% block billing_head %}{% endblock %}{% block billing_content %}{% endblock %}"
        "{% block billing_scripts %}{% endblock %}"
    )
    host.app.jinja_loader = jinja2.DictLoader({"layout.html": layout})
    page = Person(host).open("/billing/plans").text

    assert "<title>Plans - Host</title>" in page
    assert 'class="fb-root"' in page
    assert "billing.css" in page
    assert "billing.js" in page


def test_a_layout_without_a_place_for_pages_is_told(make_app: MakeApp) -> None:
    layouts = {"layout.html": "<body>{{ billing_plan_badge() }}{% block content %}{% endblock %}"}
    host = make_app(BILLING_BASE_TEMPLATE="layout.html")
    host.app.jinja_loader = jinja2.DictLoader(layouts)

    with pytest.raises(ConfigError, match="no place for the billing pages"):
        Person(host).open("/billing/plans")

    host = make_app(BILLING_BASE_TEMPLATE="layout.html")
    host.app.jinja_loader = jinja2.DictLoader({**layouts, "billing/plans.html": "Our own plans"})
    assert Person(host).open("/billing/plans").text == "Our own plans"


def test_badge_and_banner_tell_what_a_post_has_changed(make_app: MakeApp) -> None:
    host = make_app()

    @host.app.post("/less")
    @host.billing.requires_plan("pro")
    def less() -> str:
        quote = subscriptions.quote_change(host.customer(), "starter", "month")
        subscriptions.change_plan(host.customer(), quote.token)
        return render_template_string("{{ billing_plan_badge() }}{{ billing_banner() }}")

    person = Person(host)
    person.buy("pro")
    host.sandbox.clock.advance(days=20)  # past the trial
    host.sandbox.webhooks.deliver()

    told = person.client.post("/less").text
    assert "Switching to Starter on" in told
    assert "Changes " in told, "not that the plan is active"


def test_a_host_can_replace_the_icons(make_app: MakeApp) -> None:
    host = make_app()
    icon = '{% macro icon(name, class="") %}<b>{{ _("ours") }} {{ name }}</b>{% endmacro %}'
    own = (
        '{% from "billing/_icon.html" import icon with context %}'
        "{% macro badge(shown) %}<i>{{ icon(shown.icon) }}</i>{% endmacro %}"
    )
    templates = {"billing/_icon.html": icon, "billing/_badge.html": own}
    host.app.jinja_loader = jinja2.DictLoader(templates)
    person = Person(host)
    person.buy("starter")
    page = person.open("/billing/").text

    assert "<b>ours cross</b>" in page
    assert "<i><b>ours check</b></i>" in page


def test_a_host_can_replace_any_part(make_app: MakeApp) -> None:
    host = make_app()
    part = '{% macro nav(here) %}<p>{{ _("ours") }} {{ here }}</p>{% endmacro %}'
    host.app.jinja_loader = jinja2.DictLoader({"billing/_nav.html": part})

    assert "<p>ours billing.plans</p>" in Person(host).open("/billing/plans").text
