"""One browser session, two accounts: what was one's is not shown to the other.

Hosts whose owner is the workspace in view switch like that, and so does who signs out and in
where the host leaves the session as it is.
"""

from __future__ import annotations

import collections.abc as c

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]


def _become(person: Person, owner_id: str) -> None:
    person.client.post("/login", data={"user": owner_id})


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
