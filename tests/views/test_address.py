"""Billing details: written to Stripe and back, with errors beside the fields."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import threading
import typing as t

import pytest
from stripe.params import CustomerTaxIdCreateParams
from werkzeug.test import TestResponse

from flask_billing import billing_details, tax_id_types
from flask_billing.models import Customer, CustomerChange

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]

GOOD = {
    "name": "Ada & Sons",
    "email": "books@ada.example",
    "line1": "1 Main Street",
    "line2": "",
    "postal_code": "53111",
    "city": "Bonn",
    "state": "",
    "country": "DE",
}
ADDRESS = {
    "line1": "1 Main Street",
    "line2": None,
    "postal_code": "53111",
    "city": "Bonn",
    "state": None,
    "country": "DE",
}


@pytest.fixture
def person(any_host: Host) -> Person:
    """Somebody at the form, who bought nothing yet."""
    person = Person(any_host)
    person.open("/billing/address")
    return person


def save(
    person: Person, changed: c.Mapping[str, str] | None = None, *, htmx: bool = False
) -> TestResponse:
    """Send the form, filled in well but for what is changed."""
    fields = {**GOOD, **(changed or {})}
    return person.press("/billing/address", htmx=htmx, token=None, **fields)


def row(host: Host) -> Customer:
    """Our row of user 1."""
    found: Customer = host.rows(Customer, owner_id="1")[0]
    return found


def at_stripe(host: Host) -> t.Any:
    """The same customer at Stripe."""
    stripe_id = row(host).stripe_id
    assert stripe_id is not None
    return host.sandbox.client().v1.customers.retrieve(stripe_id, {"expand": ["tax_ids"]})


def test_details_reach_stripe_and_our_row(any_host: Host, person: Person) -> None:
    answer = save(person)

    assert (answer.status_code, answer.headers["Location"]) == (303, "/billing/")
    assert (row(any_host).name, row(any_host).email) == ("Ada & Sons", "books@ada.example")
    assert row(any_host).address == ADDRESS
    known = at_stripe(any_host)
    assert (known.name, known.email) == ("Ada & Sons", "books@ada.example")
    assert known.address.to_dict() == ADDRESS
    (change,) = any_host.rows(CustomerChange)
    assert (change.state, change.actor) == ("done", "user1@example.com")


@pytest.mark.parametrize("name", ["نیک\u200cنام", "Ada\u00a0Lovelace", "株式会社　例"])
def test_a_name_is_taken_as_people_write_it(any_host: Host, person: Person, name: str) -> None:
    assert save(person, {"name": name}).status_code == 303
    assert row(any_host).name == at_stripe(any_host).name == name


def test_what_changes_at_stripe_comes_back(any_host: Host, person: Person) -> None:
    save(person)
    stripe_id = row(any_host).stripe_id
    assert stripe_id is not None
    client = any_host.sandbox.client()
    client.v1.customers.update(stripe_id, {"name": "Ada Ltd", "address": {"city": "Cologne"}})
    client.v1.customers.tax_ids.create(stripe_id, {"type": "eu_vat", "value": "DE123456789"})
    any_host.sandbox.webhooks.deliver()

    page = person.open("/billing/address")
    assert 'value="Ada Ltd"' in page.text
    assert 'value="Cologne"' in page.text
    assert "DE123456789 European Union: VAT" in words(page)


def test_an_emptied_part_of_an_address_is_gone(any_host: Host, person: Person) -> None:
    save(person, {"line2": "Floor 2", "state": "NRW"})
    assert (row(any_host).address or {})["line2"] == "Floor 2"
    save(person)

    assert row(any_host).address == ADDRESS


def test_an_emptied_address_is_gone(any_host: Host, person: Person) -> None:
    save(person)
    person.press("/billing/address", name="Ada", email="a@b.example")

    assert row(any_host).address is None
    assert at_stripe(any_host).address is None


def test_with_scripts_the_form_stays_and_says_so(host: Host) -> None:
    person = Person(host)
    person.open("/billing/address")
    answer = save(person, htmx=True)

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<section class="fb-card" id="fb-address"')
    assert 'id="fb-address-title" tabindex="-1" autofocus' in answer.text
    assert 'hx-swap-oob="beforeend:#fb-toasts"' in answer.text
    assert 'value="Ada &amp; Sons"' in answer.text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "A\x00da"}, "name"),
        ({"name": "Ada \u202etfihs"}, "name"),
        ({"email": "ada"}, "email"),
        ({"email": ""}, "email"),
        ({"email": "a@b.example\nBcc: all@example.com"}, "email"),
        ({"line1": ""}, "line1"),
        ({"city": ""}, "city"),
        ({"country": ""}, "country"),
        ({"country": "ZZ"}, "country"),
        ({"country": "Germany"}, "country"),
        ({"tax_id": "DE123456789"}, "tax_id_type"),
        ({"tax_id": "DE123456789", "tax_id_type": "xx_vat"}, "tax_id_type"),
        ({"tax_id_type": "eu_vat"}, "tax_id"),
        ({"tax_id_type": "eu_vat", "tax_id": "12"}, "tax_id"),
    ],
)
def test_what_cannot_be_is_an_error_beside_its_field(
    host: Host, changed: dict[str, str], field: str
) -> None:
    person = Person(host)
    person.open("/billing/address")
    answer = save(person, changed, htmx=True)

    assert answer.status_code == 422
    assert f'href="#fb-field-{field}"' in answer.text
    assert f'aria-invalid="true" aria-describedby="fb-field-{field}-error"' in answer.text
    assert '<div class="fb-errors" role="alert" tabindex="-1" autofocus>' in answer.text
    assert row(host).name == "User 1"
    assert row(host).address is None


def test_a_tax_id_stripe_refuses_changes_nothing(any_host: Host, person: Person) -> None:
    save(person)
    answer = save(person, {"name": "New", "tax_id_type": "gb_vat", "tax_id": "GB12"})

    assert answer.status_code == 422
    assert "This tax ID isn't valid." in words(answer)
    assert 'value="New"' in answer.text
    assert row(any_host).name == at_stripe(any_host).name == "Ada & Sons"
    assert [change.state for change in any_host.rows(CustomerChange)] == ["done", "failed"]


def test_an_email_stripe_refuses_is_an_error_beside_it(host: Host) -> None:
    person = Person(host)
    person.open("/billing/address")
    save(person)
    host.sandbox.fail(
        "POST", "/v1/customers/*", status=400, code="email_invalid", param="email",
        error_type="invalid_request_error",
    )  # fmt: skip
    answer = save(person, htmx=True)

    assert answer.status_code == 422
    assert 'href="#fb-field-email"' in answer.text


def test_tax_ids_are_added_verified_and_removed(any_host: Host, person: Person) -> None:
    save(person, {"tax_id_type": "eu_vat", "tax_id": "de 123 456 789"})
    assert [one["value"] for one in row(any_host).tax_ids or ()] == ["DE123456789"]
    any_host.sandbox.clock.advance(minutes=1)
    any_host.sandbox.webhooks.deliver()
    assert "DE123456789 European Union: VAT Verified" in words(person.open("/billing/address"))

    tax_id = (row(any_host).tax_ids or [])[0]["id"]
    save(person, {"remove": tax_id})

    assert row(any_host).tax_ids == []
    assert at_stripe(any_host).tax_ids.data == []


def test_somebody_elses_tax_id_is_not_found(any_host: Host, person: Person) -> None:
    save(person, {"tax_id_type": "eu_vat", "tax_id": "DE123456789"})
    tax_id = (row(any_host).tax_ids or [])[0]["id"]
    stranger = Person(any_host, "2")
    stranger.open("/billing/address")

    assert save(stranger, {"remove": tax_id}).status_code == 404
    assert len(at_stripe(any_host).tax_ids.data) == 1


def test_script_in_an_address_is_text(host: Host) -> None:
    evil = '"><script>alert(1)</script>'
    person = Person(host)
    person.buy("starter")
    person.open("/billing/address")
    answer = save(person, {"line1": evil, "name": evil})

    assert answer.status_code == 303
    assert row(host).name == evil

    for path in ("/billing/", "/billing/address"):
        page = person.open(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_while_stripe_is_down_the_wish_is_kept_and_carried_out(
    any_host: Host, person: Person
) -> None:
    save(person)

    with any_host.sandbox.outage():
        answer = save(person, {"name": "Later"})

    assert answer.status_code == 503
    assert "We recorded your billing details" in words(answer)
    assert row(any_host).name == "Ada & Sons"

    with any_host.app.app_context():
        assert billing_details.finish_open(min_age=dt.timedelta(0)) == 1

    assert row(any_host).name == at_stripe(any_host).name == "Later"


def test_before_the_first_purchase_the_wish_is_kept_too(any_host: Host, person: Person) -> None:
    with any_host.sandbox.outage():
        answer = save(person)

    assert answer.status_code == 503
    assert "We recorded your billing details" in words(answer)
    assert row(any_host).stripe_id is None

    with any_host.app.app_context():
        assert billing_details.finish_open(min_age=dt.timedelta(0)) == 1

    assert row(any_host).address == at_stripe(any_host).address.to_dict() == ADDRESS


def test_the_last_of_several_wishes_during_an_outage_is_what_holds(
    any_host: Host, person: Person
) -> None:
    save(person, {"state": "NRW"})
    tax_id = {"tax_id_type": "eu_vat", "tax_id": "DE123456789"}

    with any_host.sandbox.outage():
        save(person, {"name": "First", "line2": "Floor 2", "state": "NRW", **tax_id})
        answer = save(person, {"name": "Second", "state": "NRW"})
        assert "We recorded your billing details" in words(answer)
        save(person, {"name": "Third", "tax_id_type": "gb_vat", "tax_id": "GB123456789"})

    with any_host.app.app_context():
        assert billing_details.finish_open(min_age=dt.timedelta(0)) == 1
        assert billing_details.finish_open(min_age=dt.timedelta(0)) == 0

    assert row(any_host).name == at_stripe(any_host).name == "Third"
    assert row(any_host).address == at_stripe(any_host).address.to_dict() == ADDRESS
    values = {one["value"] for one in row(any_host).tax_ids or ()}
    assert values == {"DE123456789", "GB123456789"}, "one added by each"


def test_a_stripe_that_asks_to_slow_down_gets_the_wish_later(host: Host) -> None:
    person = Person(host)
    person.open("/billing/address")
    save(person)
    host.sandbox.fail("POST", "/v1/customers/*", status=429)
    answer = save(person, {"name": "Later"})

    assert (answer.status_code, row(host).name) == (503, "Ada & Sons")
    assert "We recorded your billing details" in words(answer)

    with host.app.app_context():
        assert billing_details.finish_open(min_age=dt.timedelta(0)) == 1

    assert row(host).name == "Later"


@pytest.mark.parametrize("taken", [0, 1])
def test_what_stripe_refuses_takes_no_address_away(host: Host, taken: int) -> None:
    person = Person(host)
    person.open("/billing/address")
    save(person, {"line2": "Floor 2"})
    host.sandbox.fail("POST", "/v1/customers/*", times=taken, status=0)
    host.sandbox.fail("POST", "/v1/customers/*", status=400, code="email_invalid", param="email")
    answer = save(person, {"email": "books@b.example"})

    assert answer.status_code == 422
    assert row(host).address == {**ADDRESS, "line2": "Floor 2"}
    assert at_stripe(host).address.line2 == "Floor 2"


def test_the_next_wish_comes_after_the_one_left_open(any_host: Host, person: Person) -> None:
    save(person)

    with any_host.sandbox.outage():
        save(person, {"name": "First"})

    assert save(person, {"name": "Second"}).status_code == 303
    assert row(any_host).name == at_stripe(any_host).name == "Second"
    assert {change.state for change in any_host.rows(CustomerChange)} == {"done"}


def test_saves_that_meet_add_one_tax_id(any_host: Host, person: Person) -> None:
    save(person)
    wish = billing_details.Details("Ada", "a@b.example", {}, tax_id=("eu_vat", "DE123456789"))
    failures: list[BaseException] = []

    def click() -> None:
        try:
            with any_host.app.app_context():
                billing_details.save(any_host.customer(), wish)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=click) for _ in range(4)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert failures == []
    assert len(at_stripe(any_host).tax_ids.data) == 1


def test_only_those_who_may_manage_billing_change_them(host: Host) -> None:
    person = Person(host)
    person.open("/billing/address")
    host.billing.can_manage_billing(lambda: False)

    assert "Ask an admin" in words(person.open("/billing/address"))
    assert save(person).status_code == 403


def test_fields_have_the_tokens_browsers_fill_in(host: Host) -> None:
    page = Person(host).open("/billing/address").text

    for token in (
        "name", "email", "billing address-line1", "billing address-line2", "billing postal-code",
        "billing address-level2", "billing address-level1", "billing country",
    ):  # fmt: skip
        assert f'autocomplete="{token}"' in page

    assert '<option value="DE">Germany</option>' in page
    assert 'value="EU"' not in page


def test_every_kind_of_tax_id_that_stripe_takes_is_offered() -> None:
    hint = t.get_type_hints(CustomerTaxIdCreateParams)["type"]
    literal = next(part for part in t.get_args(hint) if t.get_args(part))
    assert set(tax_id_types.TYPES) == set(t.get_args(literal))
