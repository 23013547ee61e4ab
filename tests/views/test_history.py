"""The history of a plan, as its customer and as an admin of the host reads it."""

from __future__ import annotations

import pytest
from flask import session

from flask_billing import subscriptions
from flask_billing.models import Subscription

from ..host import Host
from .person import Person, words


@pytest.fixture
def subscriber(any_host: Host) -> Host:
    """A host whose user 1 is on Pro and whose user 9 is its admin."""

    @any_host.billing.admin_loader
    def is_admin() -> bool:
        return bool(session.get("user") == "9")

    Person(any_host).buy("pro")

    with any_host.app.app_context():
        subscriptions.cancel(
            any_host.customer(), reason="too_expensive", comment="<b>So much</b>", actor="Ada"
        )

    return any_host


def test_every_change_is_told_with_what_was_said(subscriber: Host) -> None:
    page = Person(subscriber).open("/billing/history")
    said = words(page)

    assert said.index("Cancelled") < said.index("Trial started")
    assert "Too expensive" in said
    assert "Scheduled" in said
    assert "Pro, monthly" in said
    assert "Ada" in said
    assert "<b>So much" not in page.text
    assert "“<b>So much</b>”" in said


def test_a_plan_that_was_kept_says_so(subscriber: Host) -> None:
    with subscriber.app.app_context():
        subscriptions.resume(subscriber.customer(), actor="Ada")

    said = words(Person(subscriber).open("/billing/history"))
    assert "Taken back" in said
    assert said.index("Kept") < said.index("Cancelled")


def test_nobody_reads_the_history_of_another(subscriber: Host) -> None:
    said = words(Person(subscriber, "2").open("/billing/history"))

    assert "Nothing has changed yet" in said
    assert "Too expensive" not in said
    assert Person(subscriber, None).open("/billing/history").status_code == 401


def test_admins_read_it_and_nobody_else(subscriber: Host) -> None:
    (row,) = subscriber.rows(Subscription)
    address = f"/billing/admin/customers/{row.customer_id}/history"

    said = words(Person(subscriber, "9").open(address))
    assert "User 1" in said
    assert "So much" in said
    assert Person(subscriber, "1").open(address).status_code == 403
    assert Person(subscriber, "9").open(address.replace("/1/", "/77/")).status_code == 404


def test_the_overview_leads_to_it(subscriber: Host) -> None:
    assert 'href="/billing/history"' in Person(subscriber).open("/billing/").text
    assert 'href="/billing/history"' not in Person(subscriber, "2").open("/billing/").text
