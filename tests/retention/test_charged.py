"""What an offer says is what is charged: by the year, for seats, in yen."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest

from flask_billing import retention
from flask_billing.models import Invoice

from ..host import Host
from ..views.person import Person, session_id_of
from .shop import catalog, pass_days, said, subscription_row, visit

MakeApp = c.Callable[..., Host]

#: Sold per seat as well, which the ladder is not.
TEAM: t.Final = {
    "name": "Team",
    "rank": 5,
    "seats": {"min": 2, "max": 50},
    "prices": [{"interval": "month", "amount": 1333}],
}


def shop_selling(make_app: MakeApp, offer: dict[str, t.Any], **further: object) -> Host:
    content = catalog([{"key": "stay", "kind": "discount", **offer}], **further)
    content["plans"] = {**content["plans"], "team": TEAM}
    host = make_app(catalog=content)
    host.billing.retention_mode(lambda customer: "inline")
    return host


def take_after(host: Host, days: int) -> retention.Terms:
    """Wait, and take the offer; its terms."""
    pass_days(host, days)

    with host.app.app_context():
        customer = host.customer()
        _, (offered,) = visit(customer)
        retention.accept(customer, offered.id, said(offered))

    return offered.terms


def paid(host: Host) -> list[int]:
    """What was paid, oldest first."""
    rows = sorted(host.rows(Invoice), key=lambda row: (row.issued_at, row.id))
    return [row.amount_paid for row in rows]


def test_by_the_year_it_is_the_next_renewal_once(make_app: MakeApp) -> None:
    host = shop_selling(make_app, {"percent_off": 20, "months": 3})
    Person(host).buy("starter", "year")
    terms = take_after(host, 20)
    assert (terms.regular, terms.reduced, terms.payments) == (28_884, 23_107, 1)

    pass_days(host, 366)
    pass_days(host, 366)
    assert paid(host) == [28_884, 23_107, 28_884]


@pytest.mark.parametrize(
    ("offer", "reduced"),
    [({"percent_off": 15, "months": 2}, 5665), ({"amount_off": 700, "months": 2}, 5965)],
)
def test_for_all_seats(make_app: MakeApp, offer: dict[str, t.Any], reduced: int) -> None:
    host = shop_selling(make_app, offer)
    person = Person(host)
    hosted = person.choose("team", quantity="5").headers["Location"]
    person.open(str(host.sandbox.checkout(session_id_of(hosted)).pay("4242424242424242").redirect))
    terms = take_after(host, 20)
    assert (terms.quantity, terms.regular, terms.reduced) == (5, 6665, reduced)

    for _month in range(3):
        pass_days(host, 31)

    assert paid(host)[:4] == [6665, reduced, reduced, 6665]


def test_in_a_currency_without_decimals(make_app: MakeApp) -> None:
    host = shop_selling(make_app, {"percent_off": 33, "months": 1}, currency="jpy")
    person = Person(host)
    person.buy("starter")
    pass_days(host, 20)
    page = person.open("/billing/cancel").text
    assert "¥1,943/month for 1 month, then ¥2,900/month from" in page

    terms = take_after(host, 0)
    assert subscription_row(host).currency == "jpy"
    pass_days(host, 31)
    pass_days(host, 31)
    assert paid(host) == [2900, terms.reduced, 2900]


def test_an_amount_in_another_currency_is_not_offered(make_app: MakeApp) -> None:
    host = shop_selling(make_app, {"amount_off": 500, "currency": "eur", "months": 1})
    Person(host).buy("starter")
    pass_days(host, 20)

    with host.app.app_context():
        assert visit(host.customer())[1] == []
