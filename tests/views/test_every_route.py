"""Every address of ours, asked by those who should not be there and with what nobody sends.

A new route fails here until :data:`SAMPLES` says what it takes, and then if it answers with a
server error, or with anything of somebody else's.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import itertools
import re
import typing as t
from urllib.parse import quote, urlencode

import pytest
from flask import session
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_billing import subscriptions
from flask_billing.models import (
    Checkout,
    CreditGrant,
    CreditNote,
    Customer,
    CustomerChange,
    Invoice,
    LimitOverride,
    OfferRedemption,
    PaymentMethod,
    Subscription,
    SubscriptionChange,
    UsageEpoch,
)
from flask_billing.views.routes import ROUTES

from ..host import Host
from ..retention.shop import catalog, settle
from .person import HTMX, Person
from .test_routes import endpoint

MakeApp = c.Callable[..., Host]
Names = dict[str, str]

#: What no form of ours sends. PostgreSQL fails at a NUL, integers end, paths are split at dots.
NASTY: t.Final = (
    "a\0b",
    "9" * 20,
    "999999999999999999-stay-20",
    "-1",
    "٣",
    "Ünï\u202e😀<script>alert('1')</script>",
    "//evil.example",
    "a" * 5000,
)

#: May be asked by everybody.
PUBLIC: t.Final = frozenset(
    ["plans.plans", "checkout.start", "checkout.cancelled", "health.health", "webhooks.stripe"]
)

#: Read by those who may not manage billing.
READABLE: t.Final = frozenset(
    [
        "overview.overview", "plans.plans", "history.history", "checkout.start", "checkout.success",
        "checkout.done", "checkout.status", "checkout.watch", "checkout.cancelled", "cancel.page",
        "cancel.done", "offers.accepted", "entries.upgrade", "entries.downgrade", "change.page",
        "change.done", "usage.index", "usage.csv", "usage.meters", "usage.meter",
        "payment_methods.index", "invoices.index", "invoices.pdf", "invoices.view",
        "invoices.credit_note", "upcoming.upcoming", "plan_badge.plan_badge", "address.edit",
        "api.usage", "api.subscription", "health.health", "webhooks.stripe",
    ]
)  # fmt: skip

#: Forms that change nothing by themselves: the page after the bank asks again.
HARMLESS: t.Final = frozenset(["change.confirmed", "webhooks.stripe"])


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a route takes, as its owner would send it.

    :param path: name in the address -> name in :func:`owned`.
    :param fields: names in the query or the form.
    :param of_owner: field -> name in :func:`owned` of what belongs to somebody.
    """

    path: Names = dataclasses.field(default_factory=dict)
    fields: tuple[str, ...] = ()
    of_owner: Names = dataclasses.field(default_factory=dict)


_ADDRESS = ("name", "email", "line1", "country", "tax_id_type", "tax_id")
_REPORT = ("period", "group", "metric", "from", "to", "v")
_ADMIN = {"customer_id": "customer"}
_METHOD = {"method_id": "card"}
_INVOICE = {"invoice_id": "invoice"}
_OFFER = {"offer_id": "offer"}

SAMPLES: t.Final[dict[str, Sample]] = {
    "overview.overview": Sample(),
    "plans.plans": Sample(fields=("interval",)),
    "history.history": Sample(),
    "admin.history": Sample(_ADMIN),
    "checkout.create": Sample(fields=("plan", "interval", "quantity")),
    "checkout.start": Sample(fields=("plan", "interval")),
    "checkout.success": Sample(of_owner={"session_id": "session"}),
    "checkout.done": Sample(),
    "checkout.status": Sample(fields=("poll",), of_owner={"session_id": "session"}),
    "checkout.watch": Sample(),
    "checkout.cancelled": Sample(fields=("interval",)),
    "cancel.page": Sample(),
    "cancel.cancel": Sample(fields=("reason", "comment", "read")),
    "cancel.done": Sample(),
    "cancel.explain": Sample(fields=("reason", "comment")),
    "offers.show": Sample(fields=("reason",)),
    "offers.accept": Sample(_OFFER, fields=("terms",)),
    "offers.decline": Sample(_OFFER),
    "offers.accepted": Sample(_OFFER),
    "keeping.resume": Sample(),
    "pause.undo": Sample(),
    "pause.page": Sample(),
    "pause.resume": Sample(fields=("amount",)),
    "entries.upgrade": Sample(),
    "entries.downgrade": Sample(),
    "change.page": Sample(fields=("plan", "interval", "quantity", "end_trial")),
    "change.confirm": Sample(of_owner={"quote": "quote"}),
    "change.done": Sample(),
    "change.confirmed": Sample(),
    "change.undo": Sample(),
    "usage.index": Sample(fields=_REPORT),
    "usage.csv": Sample(fields=_REPORT),
    "usage.meters": Sample(),
    "usage.meter": Sample({"key": "meter"}, fields=("poll",)),
    "payment_methods.index": Sample(),
    "payment_methods.save": Sample(fields=("default",), of_owner={"setup_intent": "intent"}),
    "payment_methods.add": Sample(),
    "payment_methods.setup_intent": Sample(fields=("default",)),
    "payment_methods.come_back": Sample(of_owner={"setup_intent": "intent"}),
    "payment_methods.portal": Sample(),
    "payment_methods.make_default": Sample(_METHOD),
    "payment_methods.ask_to_remove": Sample(_METHOD),
    "payment_methods.remove": Sample(_METHOD, fields=("successor", "alone")),
    "invoices.index": Sample(fields=("status",), of_owner={"cursor": "invoice"}),
    "invoices.pdf": Sample(_INVOICE),
    "invoices.view": Sample(_INVOICE),
    "invoices.pay": Sample(_INVOICE, fields=("to",)),
    "invoices.confirm": Sample(_INVOICE),
    "invoices.credit_note": Sample({"note_id": "note"}),
    "upcoming.upcoming": Sample(),
    "plan_badge.plan_badge": Sample(),
    "address.edit": Sample(),
    "address.save": Sample(fields=_ADDRESS, of_owner={"remove": "tax_id"}),
    "portal.open_portal": Sample(fields=("return_url",)),
    "api.usage": Sample(),
    "api.subscription": Sample(),
    "admin.usage": Sample(_ADMIN, fields=_REPORT),
    "admin.usage_csv": Sample(_ADMIN, fields=_REPORT),
    "admin.override": Sample(
        _ADMIN, fields=("meter", "limit_kind", "amount", "window", "until", "reason")
    ),
    "admin.end_override": Sample({**_ADMIN, "override_id": "override"}),
    "admin.grant": Sample(_ADMIN, fields=("meter", "amount", "until", "reason", "key")),
    "admin.reset": Sample(_ADMIN, fields=("quota", "reason")),
    "health.health": Sample(),
    "webhooks.stripe": Sample(),
}

#: What is sent beside the one field that is nasty, so that the rest of the form is in order.
GOOD: t.Final[dict[str, Names]] = {
    "checkout.create": {"plan": "starter", "interval": "month"},
    "checkout.start": {"plan": "starter", "interval": "month"},
    "change.page": {"plan": "pro", "interval": "month"},
    "address.save": {"name": "Ada", "email": "ada@example.com"},
    "usage.index": {"period": "custom", "from": "2026-11-01", "to": "2026-11-02"},
    "usage.csv": {"period": "custom", "from": "2026-11-01", "to": "2026-11-02"},
    "admin.override": {"meter": "tokens", "limit_kind": "number", "amount": "5", "reason": "Why"},
    "admin.grant": {"meter": "tokens", "amount": "5", "reason": "Why", "key": "1"},
    "admin.reset": {"quota": "tokens:billing_period", "reason": "Why"},
}


def open_shop(host: Host) -> Host:
    """Let user 9 be the host's admin, and user 3 only look."""
    host.billing.admin_loader(lambda: session.get("user") == "9")
    host.billing.can_manage_billing(lambda: session.get("user") != "3")
    return host


@pytest.fixture
def shop(make_app: MakeApp) -> Host:
    """A shop with offers."""
    return open_shop(make_app(catalog=catalog()))


@pytest.fixture
def any_shop(make_app: MakeApp, database_url: str) -> Host:
    """The same, on SQLite and on PostgreSQL in turn."""
    return open_shop(make_app(database_url, catalog=catalog()))


@pytest.fixture
def owned(shop: Host) -> Names:
    """Something of each kind that belongs to user 1."""
    return _belongings(shop)


def test_no_route_is_left_out() -> None:
    assert set(SAMPLES) == {view for _method, _rule, view in ROUTES}


def test_strangers_find_nothing_of_anybodys(shop: Host, owned: Names) -> None:
    stranger = _person(shop, "2")
    stranger.buy("starter")
    shop.sandbox.webhooks.deliver()
    before = _of_owner(shop)
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        sample = SAMPLES[view]

        for headers in ({}, HTMX):
            fields = {name: owned[value] for name, value in sample.of_owner.items()}
            answer = _ask(shop, stranger, method, view, owned, fields, headers)

            if sample.path and view != "usage.meter" and answer.status_code not in (403, 404):
                wrong.append((view, dict(headers), answer.status_code))

            if found := _secrets(owned, answer):
                wrong.append((view, dict(headers), found))

    assert wrong == []
    assert _of_owner(shop) == before


def test_who_is_signed_out_is_asked_to_sign_in(shop: Host, owned: Names) -> None:
    nobody = Person(shop, None)
    before = _of_owner(shop)
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        for headers in ({}, HTMX):
            answer = _ask(shop, nobody, method, view, owned, {}, headers)
            allowed = {200, 303, 400, 404, 204} if view in PUBLIC else {401, 403}

            if answer.status_code not in allowed or _secrets(owned, answer):
                wrong.append((view, dict(headers), answer.status_code))

    assert wrong == []
    assert _of_owner(shop) == before


def test_members_who_may_not_manage_billing_only_look(shop: Host, owned: Names) -> None:
    member = _person(shop, "3")
    shop.sandbox.forget_requests()
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        answer = _ask(shop, member, method, view, owned, {}, {})
        may = view in READABLE or view in HARMLESS

        if may == (answer.status_code == 403):
            wrong.append((view, answer.status_code))

    assert wrong == []
    assert [r for r in shop.sandbox.requests if r.method != "GET"] == []


def test_forms_without_our_token_change_nothing(shop: Host, owned: Names) -> None:
    owner = Person(shop, "1")
    before = _of_owner(shop)
    shop.sandbox.forget_requests()
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        if method != "POST" or view == "webhooks.stripe":
            continue

        for token in ("", "forged"):
            owner.token = token
            fields = {**GOOD.get(view, {}), **_own_fields(view, owned)}
            answer = _ask(shop, owner, method, view, owned, fields, {})

            if answer.status_code != 400:
                wrong.append((view, answer.status_code))

    assert wrong == []
    assert [r for r in shop.sandbox.requests if r.method != "GET"] == []
    assert _of_owner(shop) == before


def test_addresses_that_nobody_made_up_are_not_found(any_shop: Host) -> None:
    owned = _belongings(any_shop)
    people = {"1": _person(any_shop, "1"), "9": _person(any_shop, "9")}
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        person = people["9" if view.startswith("admin.") else "1"]

        for name, nasty in itertools.product(SAMPLES[view].path, NASTY):
            there = {**_path(view, owned), name: nasty}
            answer = _ask(any_shop, person, method, view, owned, GOOD.get(view, {}), {}, there)

            if answer.status_code not in (308, 404, 405):
                wrong.append((view, name, nasty[:20], answer.status_code))

    assert wrong == []


def test_fields_that_nobody_typed_break_nothing(any_shop: Host) -> None:
    owned = _belongings(any_shop)
    people = {"1": _person(any_shop, "1"), "9": _person(any_shop, "9")}
    wrong: list[object] = []

    for method, _rule, view in ROUTES:
        sample = SAMPLES[view]
        person = people["9" if view.startswith("admin.") else "1"]

        for name, nasty in itertools.product((*sample.fields, *sample.of_owner), NASTY):
            fields = {**GOOD.get(view, {}), name: nasty}
            headers = HTMX if len(nasty) % 2 else {}
            answer = _ask(any_shop, person, method, view, owned, fields, headers)

            if answer.status_code >= 500 or _leads_away(answer):
                wrong.append((view, name, nasty[:20], answer.status_code))

    assert wrong == []


def _leads_away(answer: TestResponse) -> bool:
    """Whether an answer sends the browser where only the request named."""
    goes = answer.headers.get("Location", "") + answer.headers.get("HX-Redirect", "")
    return "evil.example" in goes


def _person(shop: Host, owner_id: str) -> Person:
    """Somebody with a token, whatever pages they may see."""
    person = Person(shop, owner_id)
    refused = person.press("/billing/resume", htmx=True, token="")
    found = re.search(r'data-fb-fresh-token="([^"]+)"', refused.text)
    assert found is not None
    person.token = found[1]
    return person


def _ask(
    shop: Host,
    person: Person,
    method: str,
    view: str,
    owned: Names,
    fields: Names,
    headers: c.Mapping[str, str],
    path: Names | None = None,
) -> TestResponse:
    address = _address(shop, view, path or _path(view, owned))
    browser: FlaskClient = person.client
    browser.application.config["PROPAGATE_EXCEPTIONS"] = False
    sent = {"Accept": "text/html", **headers}

    if method == "GET":
        return browser.get(f"{address}?{urlencode(fields)}", headers=sent)

    return browser.post(address, data={"csrf_token": person.token, **fields}, headers=sent)


def _address(shop: Host, view: str, path: Names) -> str:
    rule = next(rule for rule in shop.app.url_map.iter_rules() if rule.endpoint == endpoint(view))
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: quote(path[found[1]], safe=""), rule.rule)


def _path(view: str, owned: Names) -> Names:
    return {name: owned[value] for name, value in SAMPLES[view].path.items()}


def _own_fields(view: str, owned: Names) -> Names:
    return {name: owned[value] for name, value in SAMPLES[view].of_owner.items()}


def _belongings(shop: Host) -> Names:
    owner = settle(shop)
    customer: Customer = shop.rows(Customer, owner_id="1")[0]
    assert customer.stripe_id is not None
    stripe = shop.sandbox.client()
    tax_id = stripe.v1.customers.tax_ids.create(
        customer.stripe_id, {"type": "eu_vat", "value": "DE123456789"}
    )
    paid: Invoice = shop.rows(Invoice, status="paid")[0]
    stripe.v1.credit_notes.create({"invoice": paid.stripe_id, "amount": 100, "credit_amount": 100})
    shop.sandbox.webhooks.deliver()

    owner.open("/billing/cancel")
    offer = owner.open("/billing/cancel/offer?reason=too_expensive", htmx=True)
    found = re.search(r"/billing/offers/([^/]+)/accept", offer.text)
    assert found is not None
    secret = owner.press("/billing/payment-methods/setup-intent").get_json()["client_secret"]
    admin = _person(shop, "9")
    limits = f"/billing/admin/customers/{customer.id}/override"
    admin.press(limits, meter="tokens", limit_kind="unlimited", reason="Trust")

    with shop.app.app_context():
        token = subscriptions.quote_change(shop.customer(), "pro", "month").token

    return {
        "customer": str(customer.id),
        "card": shop.rows(PaymentMethod)[0].stripe_id,
        "invoice": paid.stripe_id,
        "note": shop.rows(CreditNote)[0].stripe_id,
        "offer": found[1],
        "meter": "tokens",
        "override": str(shop.rows(LimitOverride)[0].id),
        "session": shop.rows(Checkout)[0].session_id,
        "intent": secret.partition("_secret_")[0],
        "quote": token,
        "tax_id": tax_id.id,
        "number": paid.number or "",
    }


def _of_owner(shop: Host) -> list[object]:
    """Everything that user 1 has here, but for when it was last heard of."""
    customer: Customer = shop.rows(Customer, owner_id="1")[0]
    return [
        (table.__tablename__, row.id, getattr(row, "status", None), getattr(row, "state", None))
        for table in (
            Checkout,
            Subscription,
            SubscriptionChange,
            Invoice,
            PaymentMethod,
            LimitOverride,
            CreditGrant,
            UsageEpoch,
            OfferRedemption,
            CustomerChange,
        )
        for row in shop.rows(table, customer_id=customer.id)
    ] + [(customer.name, customer.email, customer.default_payment_method)]


def _secrets(owned: Names, answer: TestResponse) -> list[str]:
    """What an answer tells of user 1."""
    told = ("user1@example.com", "User 1", owned["number"], "DE123456789")
    return [secret for secret in told if secret in answer.text]
