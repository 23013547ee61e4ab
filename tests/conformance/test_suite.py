"""The suite itself: what it takes for the same and what it calls different."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from flask_billing.sandbox import Sandbox

from .recorder import VERSION, Recorded, Recorder, differences
from .stories import NOW


@pytest.fixture
def recorded() -> list[Recorded]:
    """A customer with a card subscribes to a price that was there before."""
    with Sandbox(now=NOW) as sandbox:
        before = Recorder(sandbox)
        price = before.send(
            "POST",
            "/v1/prices",
            currency="usd",
            unit_amount=2500,
            recurring={"interval": "month"},
            product_data={"name": "Pro"},
        )
        recorder = Recorder(sandbox)
        customer = recorder.send("POST", "/v1/customers", email="ada@example.com")["id"]
        method = recorder.send("POST", "/v1/payment_methods/pm_card_visa/attach", customer=customer)
        recorder.send(
            "POST",
            f"/v1/customers/{customer}",
            invoice_settings={"default_payment_method": method["id"]},
        )
        subscription = recorder.send(
            "POST",
            "/v1/subscriptions",
            customer=customer,
            items=[{"price": price["id"]}],
            expand=["latest_invoice.payments"],
        )
        recorder.send("DELETE", f"/v1/subscriptions/{subscription['id']}")
        return recorder.exchanges


def test_a_sandbox_answers_like_itself(tmp_path: Path, recorded: list[Recorded]) -> None:
    assert differences(tmp_path, recorded) == []


def test_a_cassette_may_begin_in_the_middle(tmp_path: Path, recorded: list[Recorded]) -> None:
    """Its customer, card and subscription are staged from what its answers show."""
    assert differences(tmp_path, recorded[2:], first=3) == []


def test_the_oldest_request_comes_first(tmp_path: Path, recorded: list[Recorded]) -> None:
    assert differences(tmp_path, recorded, first=8) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda body: body.update(status="paused"), "subscription.status value"),
        (lambda body: body.pop("description"), "subscription.description extra"),
        (lambda body: body.update(mood="fair"), "subscription.mood missing"),
        (
            lambda body: body.update(cancel_at_period_end=0),
            "subscription.cancel_at_period_end type",
        ),
        (lambda body: body["discounts"].append("di_1A"), "subscription.discounts length"),
        (lambda body: body.update(start_date=1), "subscription.start_date value"),
        (
            lambda body: body.update(start_date=body["start_date"] + 3_600),
            "subscription.start_date value",
        ),
        (
            lambda body: body["latest_invoice"].update(total=2499),
            "invoice.total value",
        ),
        (
            lambda body: body.update(customer="cus_somebodyElse1"),
            "subscription.customer value",
        ),
    ],
)
def test_a_field_that_is_not_as_recorded_is_told(
    tmp_path: Path,
    recorded: list[Recorded],
    change: t.Callable[[dict[str, t.Any]], object],
    told: str,
) -> None:
    change(recorded[3]["response"]["body"])
    assert told in differences(tmp_path, recorded)


def test_ids_times_urls_and_secrets_may_differ(tmp_path: Path, recorded: list[Recorded]) -> None:
    text = json.dumps(recorded)
    invoice = recorded[3]["response"]["body"]["latest_invoice"]
    for name in ("hosted_invoice_url", "invoice_pdf"):
        text = text.replace(invoice[name], f"https://pay.stripe.com/{name}")
    for object_id in (invoice["id"], invoice["customer"]):
        text = text.replace(object_id, object_id[:-6] + "Z9Z9Z9")
    assert differences(tmp_path, json.loads(text)) == []


def test_an_answer_of_another_status_is_told(tmp_path: Path, recorded: list[Recorded]) -> None:
    recorded[1]["response"].update(status=402, body={"error": {"message": "Declined."}})
    assert "answer status" in differences(tmp_path, recorded)


def test_parameters_of_an_older_version_are_said_in_todays_words(tmp_path: Path) -> None:
    clover = "2025-10-29.clover"
    with Sandbox(now=NOW) as sandbox:
        recorder = Recorder(sandbox)
        recorder.post(
            "/v1/checkout/sessions",
            mode="setup",
            currency="usd",
            ui_mode="hosted_page",
            success_url="https://app.example/",
        )
        recorder.post(
            "/v1/payment_intents",
            amount=2900,
            currency="usd",
            allowed_payment_method_types=["card"],
        )
    session, payment = recorder.exchanges
    session["request"]["params"]["ui_mode"] = "hosted"
    session["response"]["body"]["ui_mode"] = "hosted"
    asked = payment["request"]["params"]
    asked["payment_method_types"] = asked.pop("allowed_payment_method_types")
    payment["response"]["body"]["automatic_payment_methods"] = None
    for exchange in (session, payment):
        exchange["meta"]["api_version"] = clover
    assert differences(tmp_path, [session, payment]) == []
    session["meta"]["api_version"] = payment["meta"]["api_version"] = VERSION
    (tmp_path / "again").mkdir()
    assert differences(tmp_path / "again", [session, payment]) == ["answer status"] * 2


def test_a_preview_of_an_older_version_names_its_anchor_as_a_time(tmp_path: Path) -> None:
    anchor = int(NOW.timestamp()) + 5 * 86_400
    with Sandbox(now=NOW) as sandbox:
        before, recorder = Recorder(sandbox), Recorder(sandbox)
        price = before.post(
            "/v1/prices",
            currency="usd",
            unit_amount=2500,
            recurring={"interval": "month"},
            product_data={"name": "Pro"},
        )["id"]
        customer = recorder.post("/v1/customers", email="ada@example.com")["id"]
        recorder.get(f"/v1/prices/{price}")
        recorder.post(
            "/v1/invoices/create_preview",
            customer=customer,
            subscription_details={
                "items": [{"price": price}],
                "billing_cycle_anchor": {"type": "timestamp", "timestamp": anchor},
            },
        )
    preview = recorder.exchanges[-1]
    preview["request"]["params"]["subscription_details"]["billing_cycle_anchor"] = str(anchor)
    preview["meta"]["api_version"] = "2026-03-25.dahlia"
    assert differences(tmp_path, recorder.exchanges) == []
