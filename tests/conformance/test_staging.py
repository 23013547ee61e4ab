"""What was there before a cassette began is made from what the cassette shows of it."""

from __future__ import annotations

import collections.abc as c
import typing as t
from pathlib import Path

import pytest

from flask_billing.sandbox import Sandbox

from .recorder import Recorder, differences
from .stories import NOW

Body = dict[str, t.Any]
Story = c.Callable[[Recorder, Recorder], object]


def _price(before: Recorder, **params: object) -> str:
    asked: Body = {"currency": "usd", "recurring": {"interval": "month"}, **params}
    if "tiers" not in asked:
        asked["unit_amount"] = 2500
    made = before.post("/v1/prices", product_data={"name": "Pro"}, **asked)
    return t.cast(str, made["id"])


def _customer(recorder: Recorder) -> str:
    customer = recorder.post("/v1/customers", email="ada@example.com")["id"]
    card = recorder.post("/v1/payment_methods/pm_card_visa/attach", customer=customer)["id"]
    settings = {"default_payment_method": card}
    recorder.post(f"/v1/customers/{customer}", invoice_settings=settings)
    return t.cast(str, customer)


def a_coupon(before: Recorder, recorder: Recorder) -> None:
    price = _price(before)
    before.post("/v1/coupons", id="TEN", percent_off=10, duration="forever")
    recorder.post(
        "/v1/subscriptions",
        customer=_customer(recorder),
        items=[{"price": price}],
        discounts=[{"coupon": "TEN"}],
        expand=["latest_invoice"],
    )


def a_tax_rate(before: Recorder, recorder: Recorder) -> None:
    price = _price(before)
    rate = before.post("/v1/tax_rates", display_name="VAT", percentage=20, inclusive=False)["id"]
    recorder.post(
        "/v1/subscriptions",
        customer=_customer(recorder),
        items=[{"price": price}],
        default_tax_rates=[rate],
        expand=["latest_invoice"],
    )


def a_meter(before: Recorder, recorder: Recorder) -> None:
    before.post(
        "/v1/billing/meters",
        display_name="Tokens",
        event_name="tokens",
        default_aggregation={"formula": "sum"},
    )
    recorder.post(
        "/v1/billing/meter_events",
        event_name="tokens",
        identifier="one",
        payload={"stripe_customer_id": _customer(recorder), "value": "3"},
    )


def a_tiered_price(before: Recorder, recorder: Recorder) -> None:
    tiers = [{"up_to": 5, "unit_amount": 900}, {"up_to": "inf", "unit_amount": 700}]
    price = _price(before, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers)
    recorder.get(f"/v1/prices/{price}", expand=["tiers"])


def a_subscription_item(before: Recorder, recorder: Recorder) -> None:
    price = _price(before)
    customer = _customer(before)
    recorder.get(f"/v1/customers/{customer}")
    made = before.post("/v1/subscriptions", customer=customer, items=[{"price": price}])
    item = made["items"]["data"][0]["id"]
    recorder.post(f"/v1/subscription_items/{item}", quantity=3, proration_behavior="none")


def a_setup_intent(before: Recorder, recorder: Recorder) -> None:
    intent = before.post("/v1/setup_intents", customer=_customer(before))["id"]
    recorder.get(f"/v1/setup_intents/{intent}")


def a_session(before: Recorder, recorder: Recorder) -> None:
    session = before.post(
        "/v1/checkout/sessions",
        mode="subscription",
        customer=_customer(before),
        line_items=[{"price": _price(before), "quantity": 1}],
        success_url="https://app.example/",
        cancel_url="https://app.example/",
    )
    recorder.post(f"/v1/checkout/sessions/{session['id']}/expire")


def a_charge(before: Recorder, recorder: Recorder) -> None:
    intent = before.post(
        "/v1/payment_intents",
        amount=2900,
        currency="usd",
        customer=_customer(before),
        payment_method="pm_card_amex",
        confirm=True,
        return_url="https://app.example/",
    )
    recorder.get(f"/v1/charges/{intent['latest_charge']}", expand=["payment_intent"])
    recorder.post("/v1/refunds", charge=intent["latest_charge"], amount=1000)


def an_invoice(before: Recorder, recorder: Recorder) -> None:
    customer = _customer(before)
    before.post("/v1/invoiceitems", customer=customer, amount=1000, currency="usd")
    recorder.get(f"/v1/customers/{customer}")
    made = recorder.post(
        "/v1/invoices", customer=customer, pending_invoice_items_behavior="include"
    )
    recorder.post(f"/v1/invoices/{made['id']}/pay")


@pytest.mark.parametrize(
    "story",
    [
        a_coupon,
        a_tax_rate,
        a_meter,
        a_tiered_price,
        a_subscription_item,
        a_setup_intent,
        a_session,
        a_charge,
        an_invoice,
    ],
)
def test_what_was_there_before_is_staged(tmp_path: Path, story: Story) -> None:
    with Sandbox(now=NOW) as sandbox:
        recorder = Recorder(sandbox)
        story(Recorder(sandbox), recorder)
    assert differences(tmp_path, recorder.exchanges) == []


def test_what_cannot_be_staged_is_told(tmp_path: Path) -> None:
    with Sandbox(now=NOW) as sandbox:
        recorder = Recorder(sandbox)
        a_coupon(Recorder(sandbox), recorder)
    subscribed = recorder.exchanges[-1]["response"]["body"]
    subscribed["items"]["data"][0]["price"]["recurring"]["interval"] = "fortnight"
    assert "answer status" in differences(tmp_path, recorder.exchanges)
