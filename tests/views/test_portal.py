"""Stripe's Billing Portal: the way there, and pages that an app leaves to it."""

from __future__ import annotations

import collections.abc as c

from flask import url_for

from flask_billing.config_rules import PORTAL_FEATURES
from flask_billing.models import Customer
from flask_billing.views.routes import PORTAL_PAGES

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]


def test_the_button_leads_to_the_customers_own_portal(host: Host) -> None:
    person = Person(host)
    person.buy("starter")
    person.open("/billing/plans")

    answer = person.press("/billing/portal")
    script = person.press("/billing/portal", htmx=True)

    assert answer.status_code == 303
    assert "/sandbox/stripe/p/session/" in answer.headers["Location"]
    assert script.status_code == 204
    assert "/sandbox/stripe/p/session/" in script.headers["HX-Redirect"]
    portal = person.open(answer.headers["Location"].removeprefix("http://localhost"))
    assert "Starter" in words(portal)
    assert 'href="http://localhost/billing/"' in portal.text


def test_somebody_who_bought_nothing_may_go_there_too(host: Host) -> None:
    person = Person(host)
    person.open("/billing/plans")
    person.choose("starter")

    assert person.press("/billing/portal").status_code == 303


def test_a_customer_deleted_at_stripe_unheard_goes_as_a_new_one(host: Host) -> None:
    person = Person(host)
    person.buy("starter")
    person.open("/billing/payment-methods")
    [before] = [row.stripe_id for row in host.rows(Customer)]
    host.sandbox.client().v1.customers.delete(before)

    assert person.press("/billing/portal").status_code == 303
    [after] = [row.stripe_id for row in host.rows(Customer)]
    assert after not in (None, before)


def test_only_those_who_may_manage_billing_go(host: Host) -> None:
    person = Person(host)
    person.buy("starter")
    person.open("/billing/plans")
    host.billing.can_manage_billing(lambda: False)

    assert person.press("/billing/portal").status_code == 403


def test_while_stripe_is_down_nothing_changes(host: Host) -> None:
    person = Person(host)
    person.buy("starter")
    person.open("/billing/invoices")

    with host.sandbox.outage():
        answer = person.press("/billing/portal", htmx=True, token=person.token)

    assert answer.status_code == 503
    assert "Nothing was changed." in words(answer)


def test_pages_left_to_the_portal_are_its_button(make_app: MakeApp) -> None:
    host = make_app(BILLING_PORTAL_FEATURES=PORTAL_FEATURES)
    person = Person(host)
    person.buy("starter")

    with host.app.test_request_context():
        paths = [url_for(endpoint) for endpoint in PORTAL_PAGES]

    for path in paths:
        page = person.open(path)
        assert "You manage this on Stripe" in words(page), path
        assert 'action="/billing/portal"' in page.text
        assert person.open(path, htmx=True).headers["HX-Redirect"] == path

    assert person.press("/billing/portal").status_code == 303


def test_every_feature_has_a_page_to_leave() -> None:
    assert set(PORTAL_PAGES.values()) == set(PORTAL_FEATURES)


def test_pages_that_are_not_left_to_it_stay(make_app: MakeApp) -> None:
    person = Person(make_app(BILLING_PORTAL_FEATURES=("address",)))

    assert "You manage this on Stripe" not in words(person.open("/billing/invoices"))
    assert "You manage this on Stripe" in words(person.open("/billing/address"))


def test_a_configuration_of_the_portal_is_named(make_app: MakeApp) -> None:
    host = make_app(BILLING_PORTAL_CONFIGURATION="bpc_unknown")
    person = Person(host)
    person.buy("starter")
    person.open("/billing/plans")
    person.press("/billing/portal")

    asked = host.sandbox.requests[-1].params
    assert asked["configuration"] == "bpc_unknown"
