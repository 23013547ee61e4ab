"""One browser session, two accounts: what was one's is neither shown to the other nor done to it.

Hosts whose owner is the workspace in view switch like that, and so does who signs out and in
where the host leaves the session as it is.
"""

from __future__ import annotations

import collections.abc as c
import re

import pytest

from flask_billing.models import Checkout, SubscriptionChange

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]


def _become(person: Person, owner_id: str) -> None:
    person.client.post("/login", data={"user": owner_id})


def _mark(person: Person, page: str) -> str:
    """What the forms of a page say of whose it is."""
    found = re.search(r'name="billing_owner" value="([^"]+)"', person.open(page).text)
    assert found is not None
    return found[1]


def test_a_note_is_shown_to_nobody_else(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_DONE_ENDPOINT="index")  # which shows no notes
    person = Person(host)
    person.buy("starter")
    _become(person, "2")

    page = person.open("/billing/")

    assert "user1@example.com" not in page.text
    assert "Receipt sent" not in page.text


def test_a_note_waits_for_who_it_is_for(make_app: MakeApp) -> None:
    host = make_app(BILLING_CHECKOUT_DONE_ENDPOINT="index")
    person = Person(host)
    person.buy("starter")

    assert "Receipt sent to user1@example.com." in words(person.open("/billing/"))
    assert "Receipt sent" not in words(person.open("/billing/"))


def test_a_payment_is_announced_to_nobody_else(host: Host) -> None:
    person = Person(host)
    back = person.pay("starter")

    with host.sandbox.outage():
        person.open(back)

    _become(person, "2")
    assert "Payment received" not in words(person.open("/billing/"))
    _become(person, "1")
    assert "Payment received" in words(person.open("/billing/"))


@pytest.mark.parametrize("htmx", [False, True])
def test_a_page_left_open_cancels_no_other_plan(host: Host, htmx: bool) -> None:
    Person(host, "2").buy("starter")
    person = Person(host)
    person.buy("starter")
    mark = _mark(person, "/billing/cancel")
    _become(person, "2")

    answer = person.press("/billing/cancel", htmx=htmx, billing_owner=mark)

    assert answer.status_code == 409
    assert "Nothing was changed." in words(answer)
    assert host.rows(SubscriptionChange, kind="cancel") == []
    _become(person, "1")
    assert person.press("/billing/cancel", htmx=htmx, billing_owner=mark).status_code < 400


def test_a_page_left_open_buys_nothing_for_another(host: Host) -> None:
    person = Person(host)
    mark = _mark(person, "/billing/plans")
    _become(person, "2")
    answer = person.press("/billing/checkout", plan="starter", interval="month", billing_owner=mark)

    assert answer.status_code == 409
    assert host.rows(Checkout) == []


def test_who_signed_out_meanwhile_is_asked_to_sign_in(host: Host) -> None:
    person = Person(host)
    mark = _mark(person, "/billing/plans")

    with person.client.session_transaction() as session:
        del session["user"]

    answer = person.press("/billing/checkout", billing_owner=mark)
    assert answer.status_code == 401
