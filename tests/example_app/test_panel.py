"""The levers of the demo panel."""

from __future__ import annotations

import re
from datetime import timedelta

from .demo import Demo


def test_a_day_passes(demo: Demo) -> None:
    before = demo.sandbox.clock.now()

    panel = demo.visitor("Night Heron").lever("clock", step="day")

    passed = demo.sandbox.clock.now() - before
    assert timedelta(days=1) <= passed < timedelta(days=1, minutes=1)
    assert f"It is {before + timedelta(days=1):%-d %B %Y}" in panel


def test_next_renewal_is_charged_and_gives_fresh_tokens(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")

    panel = visitor.lever("clock", step="renewal")

    assert "invoice.paid" in panel
    assert "subscription.renewed" in panel
    assert "quota.reset" in panel
    overview = visitor.page("/billing/")
    assert "0 of 2M" in overview
    assert overview.count("Paid") == 3


def test_failed_payment_and_the_way_back(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")
    visitor.lever("payment", card="fails")
    visitor.lever("clock", step="renewal")
    assert "We couldn't charge Visa 0341" in visitor.page("/billing/")
    assert "We couldn't charge Visa 0341" in visitor.page("/write")

    visitor.lever("payment", card="works")

    overview = visitor.page("/billing/")
    assert "We couldn't charge" not in overview
    assert "Visa ending in 4242" in overview


def test_month_ends_the_canceled_plan(demo: Demo) -> None:
    visitor = demo.visitor("Sea Glass")

    visitor.lever("clock", step="month")

    assert "100K" in visitor.page("/billing/")
    assert "customer.subscription.deleted" in visitor.page("/demo/")


def test_panel_is_open_to_those_not_signed_in(demo: Demo) -> None:
    visitor = demo.visitor()

    assert "Nobody is signed in" in visitor.page("/demo/")
    assert "There is nothing to charge" in visitor.lever("payment", card="fails")
    assert visitor.submit("/demo/", "/demo/clock", step="renewal").status_code == 422
    assert visitor.submit("/demo/", "/demo/clock", step="year").status_code == 422


def test_outbox_names_what_was_written_and_for_whom(demo: Demo) -> None:
    news = demo.visitor().page("/demo/news")

    for words in ("signal", "mail", "Copper Kettle", "Webhook deliveries"):
        assert words in news


def test_reset_brings_everything_back(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")
    assert visitor.generate("note", htmx=True).status_code == 200
    visitor.lever("webhooks", news="hold")
    visitor.lever("clock", step="month")

    assert "as it was at the start" in visitor.lever("reset", reset="yes")

    assert "1.7M of 2M 86%" in visitor.page("/billing/"), "and the visitor is still signed in"
    assert "Arriving as they happen" in visitor.page("/demo/")
    assert not list(demo.folder.glob("seeding-*"))
    assert visitor.generate("note", htmx=True).status_code == 200
    assert "Paid" in demo.visitor("Blue Hour").page("/billing/")

    visitor.lever("clock", step="renewal")
    assert {delivery.status for delivery in demo.sandbox.webhooks.log(5)} == {200}
    assert "0 of 2M" in visitor.page("/billing/")


def test_mails_are_read_as_they_would_be_sent(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")
    visitor.lever("payment", card="fails")
    visitor.lever("clock", step="renewal")
    panel = visitor.client.get("/demo/").text
    (found, *_) = re.findall(r'href="(/demo/mail/\d+)"><code>payment_failed', panel)
    said = visitor.page(found)

    assert "Hello Night Heron," in said
    assert "We couldn't charge Visa 0341 for Pro." in said
    assert visitor.client.get("/demo/mail/999999").status_code == 404
