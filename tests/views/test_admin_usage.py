"""The admin's page about a customer's usage: who sees it, what it changes, and what is kept."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import re
import typing as t

import pytest

from flask_billing import clock
from flask_billing.models import CreditGrant, LimitOverride, UsageEpoch

from ..host import Host
from .person import Person, words

MakeApp = c.Callable[..., Host]


@pytest.fixture
def host(any_host: Host) -> Host:
    """A host app whose user 9 is its admin, and whose usage is booked by member."""

    @any_host.billing.admin_loader
    def is_admin() -> bool:
        from flask import session

        return bool(session.get("user") == "9")

    return any_host


@pytest.fixture
def address(host: Host) -> str:
    """The page about user 1."""
    with host.app.app_context():
        customer = host.customer()
        host.billing.record("tokens", 99_000, customer=customer, member="ann", key="1")
        host.billing.record("tokens", 500, customer=customer, member="bob", key="2")
        return f"/billing/admin/customers/{customer.id}/usage"


@pytest.fixture
def admin(host: Host, address: str) -> Person:
    person = Person(host, "9")
    person.open(address)
    return person


def clock_of(host: Host) -> dt.datetime:
    with host.app.app_context():
        return clock.now()


def action(address: str, name: str) -> str:
    return address.removesuffix("usage") + name


def test_only_the_hosts_admins_see_it(host: Host, address: str, admin: Person) -> None:
    assert admin.open(address).status_code == 200
    assert admin.open(f"{address}.csv").status_code == 200

    for owner in ("1", None):
        other = Person(host, owner)
        assert other.open(address).status_code == 403
        assert other.open(f"{address}.csv").status_code == 403


def test_without_an_admin_loader_nobody_is_one(make_app: MakeApp) -> None:
    assert Person(make_app(), "9").open("/billing/admin/customers/1/usage").status_code == 403


@pytest.mark.parametrize("customer", ["999", "99999999999999999999"])
def test_unknown_customers_are_not_found(admin: Person, customer: str) -> None:
    assert admin.open(f"/billing/admin/customers/{customer}/usage").status_code == 404


def test_nobody_else_can_change_anything(host: Host, address: str) -> None:
    owner = Person(host)
    owner.open("/billing/plans")

    for name in ("override", "credits", "reset"):
        form: dict[str, t.Any] = {
            "meter": "tokens",
            "amount": "5",
            "window": "lifetime",
            "reason": "mine",
        }
        assert owner.press(action(address, name), **form).status_code == 403

    assert not [*host.rows(LimitOverride), *host.rows(CreditGrant), *host.rows(UsageEpoch)]


def test_forms_need_the_token(host: Host, address: str, admin: Person) -> None:
    form: dict[str, t.Any] = {"quota": "tokens:lifetime", "reason": "why"}

    assert admin.press(action(address, "reset"), token="forged", **form).status_code == 400
    assert not host.rows(UsageEpoch)


def test_an_override_holds_at_once_and_can_be_ended(
    host: Host, address: str, admin: Person
) -> None:
    form: dict[str, t.Any] = {
        "meter": "tokens",
        "amount": "400000",
        "limit_kind": "number",
        "reason": "A <b>gift",
    }
    answer = admin.press(action(address, "override"), **form)

    assert answer.status_code == 303
    page = admin.open(address)
    assert "99.5K of 400K" in words(page)
    assert "Tokens: limit 400,000, every period user9@example.com : A <b>gift" in words(page)
    assert "<b>gift" not in page.text
    assert "99.5K of 400K" in words(Person(host).open("/billing/usage"))
    (kept,) = host.rows(LimitOverride)
    assert (kept.limit, kept.actor, kept.reason) == (400_000, "user9@example.com", "A <b>gift")

    admin.press(action(address, f"override/{kept.id}/end"))

    assert "99.5K of 100K" in words(admin.open(address))


@pytest.mark.parametrize(
    ("kind", "shown"),
    [("unlimited", "99.5K used"), ("blocked", "Not included in Free."), ("plan", "99.5K of 100K")],
)
def test_other_limits(address: str, admin: Person, kind: str, shown: str) -> None:
    form: dict[str, t.Any] = {
        "meter": "tokens",
        "limit_kind": kind,
        "reason": "why",
        "until": "2099-01-31",
    }

    assert admin.press(action(address, "override"), **form).status_code == 303
    page = words(admin.open(address))
    assert shown in page
    assert "until Feb 1, 00:00 UTC" in page


def test_credits_are_granted_once_for_one_form(host: Host, address: str, admin: Person) -> None:
    form: dict[str, t.Any] = {
        "meter": "tokens",
        "amount": "5000",
        "reason": "the outage",
        "key": "a1b2",
    }

    for _click in range(2):
        assert admin.press(action(address, "credits"), **form).status_code == 303

    (grant,) = host.rows(CreditGrant)
    assert (grant.amount, grant.actor, grant.reason) == (5_000, "user9@example.com", "the outage")

    with host.app.app_context():
        assert host.billing.consume("tokens", 5_500, customer=host.customer()).allowed


def test_a_reset_begins_afresh(host: Host, address: str, admin: Person) -> None:
    form: dict[str, t.Any] = {
        "meter": "tokens",
        "quota": "tokens:lifetime",
        "reason": "a new start",
    }
    later = clock_of(host) + dt.timedelta(minutes=1)  # usage of the same second may follow a reset
    clock.set_source(host.app, lambda: later)

    assert admin.press(action(address, "reset"), **form).status_code == 303
    page = words(admin.open(address))
    assert "0 of 100K" in page, page
    assert "Tokens: reset, one-time allowance" in page
    (kept,) = host.rows(UsageEpoch)
    assert (kept.actor, kept.reason) == ("user9@example.com", "a new start")


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("reset", {"reason": "  "}, "Say why"),
        ("credits", {"reason": ""}, "Say why"),
        ("override", {"reason": ""}, "Say why"),
        ("reset", {"quota": "tokens:decade"}, "no such quota"),
        ("override", {"window": "decade"}, "no such period"),
        ("reset", {"quota": "gold:lifetime"}, "no such quota"),
        ("credits", {"meter": "gold"}, "no such meter"),
        ("credits", {"amount": "0"}, "whole number"),
        ("credits", {"amount": "1.5"}, "whole number"),
        ("credits", {"amount": "NaN"}, "whole number"),
        ("credits", {"amount": "9" * 40}, "whole number"),
        ("credits", {"amount": "9" * 5000}, "whole number"),
        ("override", {"amount": "1e9999"}, "whole number"),
        ("override", {"amount": "1e9999999"}, "whole number"),
        ("override", {"amount": "-3"}, "whole number"),
        ("override", {"until": "soon"}, "Give the day"),
        ("override", {"until": "2001-01-01"}, "ends before it starts"),
        ("override", {"until": "9999-12-31"}, "Give the day"),
        ("override", {"limit_kind": "much"}, "Choose what"),
    ],
)
def test_what_cannot_be_changes_nothing(
    host: Host, address: str, admin: Person, name: str, change: dict[str, str], said: str
) -> None:
    quota = {"quota": "tokens:lifetime", "meter": "tokens", "window": "lifetime"}
    form: dict[str, t.Any] = {**quota, "amount": "5", "reason": "why"}
    answer = admin.press(action(address, name), **{**form, **change})

    assert answer.status_code == 422
    assert said in words(answer)
    part = admin.press(action(address, name), htmx=True, **{**form, **change})
    assert (part.status_code, part.headers["HX-Reswap"]) == (422, "none")
    assert said in words(part)
    assert not [*host.rows(LimitOverride), *host.rows(CreditGrant), *host.rows(UsageEpoch)]


def test_what_rolled_over_says_so(make_app: MakeApp) -> None:
    limits = [{"meter": "tokens", "included": 100, "window": "month", "rollover": True}]
    plans = {"free": {"name": "Free", "limits": limits}}
    host = make_app(catalog={"meters": {"tokens": {"name": "Tokens"}}, "plans": plans})
    host.billing.admin_loader(lambda: True)

    with host.app.app_context():
        customer = host.customer()
        address = f"/billing/admin/customers/{customer.id}/usage"

    for _month in range(2):
        host.sandbox.clock.advance(days=32)

        with host.app.app_context():
            host.billing.record("tokens", 1, customer=host.customer())

    page = words(Person(host, "9").open(address))
    # By the day this is run on, a month went by between the two in which nothing was used.
    assert re.search("Tokens: (99|100) credits, 0 used Left over from the period before", page)
    assert " : " not in page


def test_usage_is_shown_by_member(make_app: MakeApp) -> None:
    host = make_app()
    host.billing.member_loader(lambda: "root")
    host.billing.admin_loader(lambda: True)

    with host.app.app_context():
        customer = host.customer()
        host.billing.record("tokens", 900, customer=customer, member="ann")
        host.billing.record("tokens", 100, customer=customer, member="bob")
        address = f"/billing/admin/customers/{customer.id}/usage"

    page = words(Person(host, "9").open(address))

    assert "ann 1 900 0 0 90%" in page
    assert "bob 1 100 0 0 10%" in page
