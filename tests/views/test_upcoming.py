"""The next invoice on the overview, asked of Stripe after the page is there."""

from __future__ import annotations

import pytest

from ..host import Host
from .person import Person, words


@pytest.fixture
def subscriber(host: Host) -> Person:
    person = Person(host)
    person.buy("starter")
    return person


def test_the_page_waits_for_nobody_and_the_fragment_follows(host: Host, subscriber: Person) -> None:
    host.sandbox.forget_requests()
    page = subscriber.open("/billing/")

    assert list(host.sandbox.requests) == []
    assert 'hx-get="/billing/upcoming" hx-trigger="load"' in page.text
    assert 'href="/billing/upcoming">See your next invoice' in page.text

    part = subscriber.open("/billing/upcoming", htmx=True)
    assert part.text.count('id="fb-upcoming"') == 1
    assert "<html" not in part.text
    assert 'hx-trigger="billing:changed from:body"' in part.text


def test_it_says_lines_total_and_day(host: Host, subscriber: Person) -> None:
    said = words(subscriber.open("/billing/upcoming"))

    assert "Estimated" in said
    assert "1 × Starter (at $29.00 / month) $29.00" in said
    assert "Total on" in said
    assert "vary with usage" not in said


def test_what_is_metered_may_vary(host: Host, subscriber: Person) -> None:
    client = host.sandbox.client()
    meter = client.v1.billing.meters.create(
        {"display_name": "T", "event_name": "t", "default_aggregation": {"formula": "sum"}}
    )
    (running,) = client.v1.subscriptions.list().data
    product = running["items"].data[0].price.product
    assert isinstance(product, str)
    price = client.v1.prices.create(
        {
            "product": product,
            "currency": "usd",
            "unit_amount": 2,
            "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
        }
    )
    client.v1.subscriptions.update(running.id, {"items": [{"price": price.id}]})
    host.sandbox.webhooks.deliver()

    assert "The total may vary with usage." in words(subscriber.open("/billing/upcoming"))


def test_discounts_are_taken_off(host: Host, subscriber: Person) -> None:
    client = host.sandbox.client()
    client.v1.coupons.create({"id": "half", "percent_off": 50, "duration": "forever"})
    (running,) = client.v1.subscriptions.list().data
    client.v1.subscriptions.update(running.id, {"discounts": [{"coupon": "half"}]})
    host.sandbox.webhooks.deliver()
    said = words(subscriber.open("/billing/upcoming"))

    assert "Discount -$14.50" in said
    assert said.count("$14.50") == 2


def test_lines_that_stripe_leaves_out_are_one(host: Host, subscriber: Person) -> None:
    client = host.sandbox.client()
    (running,) = client.v1.subscriptions.list().data

    for number in range(11):
        client.v1.invoice_items.create(
            {
                "customer": str(running.customer),
                "subscription": running.id,
                "amount": 100,
                "currency": "usd",
                "description": f"Extra {number}",
            }
        )

    said = words(subscriber.open("/billing/upcoming"))
    shown = sum(f"Extra {number} $1" in said for number in range(11))
    rest = (29 if "1 × Starter" not in said else 0) + 11 - shown
    assert shown < 11
    assert f"Further lines ${rest}" in said
    assert "$40" in said


def test_after_a_cancellation_nothing_will_be_charged(host: Host, subscriber: Person) -> None:
    client = host.sandbox.client()
    (running,) = client.v1.subscriptions.list().data
    client.v1.subscriptions.update(running.id, {"cancel_at_period_end": True})
    host.sandbox.webhooks.deliver()

    assert "Nothing will be charged." in words(subscriber.open("/billing/upcoming"))


def test_while_a_pause_lasts_nothing_will_be_charged(host: Host, subscriber: Person) -> None:
    client = host.sandbox.client()
    (running,) = client.v1.subscriptions.list().data
    client.v1.subscriptions.update(running.id, {"pause_collection": {"behavior": "void"}})
    host.sandbox.webhooks.deliver()

    assert "Nothing will be charged." in words(subscriber.open("/billing/upcoming"))


def test_without_a_plan_stripe_is_not_asked(host: Host) -> None:
    assert "Nothing will be charged." in words(Person(host).open("/billing/upcoming"))
    assert list(host.sandbox.requests) == []


def test_while_stripe_is_down_the_rest_of_the_page_is_fine(host: Host, subscriber: Person) -> None:
    with host.sandbox.outage():
        overview = subscriber.open("/billing/")
        part = subscriber.open("/billing/upcoming", htmx=True)
        page = subscriber.open("/billing/upcoming")

    assert overview.status_code == part.status_code == 200
    assert page.status_code == 503
    assert "We couldn't load your next invoice. Try again" in words(part)
    assert "Estimated" in words(subscriber.open("/billing/upcoming"))
