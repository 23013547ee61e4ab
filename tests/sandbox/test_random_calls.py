"""Random calls, valid and invalid: no 500, no answer of a wrong shape, no unbalanced books.

`BILLING_SOAK=500` walks that many random ways; without it a few that are the same every time.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from flask_billing.sandbox.person import CardDeclinedError

from .random_caller import SEEDS, RandomCaller

SOAK = int(os.environ.get("BILLING_SOAK", "0"))
CARDS = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_visa_chargeDeclined",
]


class RandomCalls(RandomCaller):
    """A shop with customers, whose days follow no plan."""

    @initialize()
    def open_shop(self) -> None:
        for interval, amount in (("month", 2500), ("year", 25_000)):
            self.call(
                "POST",
                "/v1/prices",
                {
                    "currency": "usd",
                    "unit_amount": amount,
                    "recurring": {"interval": interval},
                    "product_data": {"name": interval},
                },
            )

        self.new_customer("pm_card_visa")

    @rule(card=st.sampled_from(CARDS))
    def new_customer(self, card: str) -> None:
        customer = self.call("POST", "/v1/customers", {"email": "ada@example.com"})["id"]
        method = self.call("POST", f"/v1/payment_methods/{card}/attach", {"customer": customer})
        if method:
            default = {"default_payment_method": method["id"]}
            self.call("POST", f"/v1/customers/{customer}", {"invoice_settings": default})

    @rule(
        seed=SEEDS,
        behavior=st.sampled_from(["allow_incomplete", "default_incomplete", "error_if_incomplete"]),
        trial=st.sampled_from([None, None, 7]),
        quantity=st.sampled_from([1, 1, 3, 0]),
    )
    def subscribe(self, seed: int, behavior: str, trial: int | None, quantity: int) -> None:
        guesses = self.guesses(seed)
        params: dict[str, t.Any] = {
            "customer": guesses.an_id("customer"),
            "items": [{"price": guesses.an_id("price"), "quantity": quantity}],
            "payment_behavior": behavior,
        }
        if trial is not None:
            params["trial_period_days"] = trial
        if self.ids.get("coupon") and guesses.one_of([True, False]):
            params["discounts"] = [{"coupon": guesses.an_id("coupon")}]
        self.call("POST", "/v1/subscriptions", params)

    @rule(
        seed=SEEDS,
        proration=st.sampled_from(["create_prorations", "always_invoice", "none"]),
        behavior=st.sampled_from(["allow_incomplete", "pending_if_incomplete"]),
        quantity=st.sampled_from([None, 1, 2, 10]),
    )
    def change(self, seed: int, proration: str, behavior: str, quantity: int | None) -> None:
        guesses = self.guesses(seed)
        subscription = guesses.an_id("subscription")
        items = self.call("GET", "/v1/subscription_items", {"subscription": subscription})
        if not items or not items["data"]:
            return
        item = {"id": items["data"][0]["id"], "price": guesses.an_id("price")}
        if quantity is not None:
            item["quantity"] = quantity
        self.call(
            "POST",
            f"/v1/subscriptions/{subscription}",
            {"items": [item], "proration_behavior": proration, "payment_behavior": behavior},
        )

    @rule(seed=SEEDS, at_period_end=st.booleans(), prorate=st.booleans())
    def cancel(self, seed: int, at_period_end: bool, prorate: bool) -> None:
        path = f"/v1/subscriptions/{self.guesses(seed).an_id('subscription')}"
        if at_period_end:
            self.call("POST", path, {"cancel_at_period_end": True})
        else:
            self.call("DELETE", path, {"prorate": prorate, "invoice_now": prorate})

    @rule(
        off=st.sampled_from([{"percent_off": 30}, {"amount_off": 700, "currency": "usd"}]),
        lasts=st.sampled_from(
            [
                {"duration": "once"},
                {"duration": "forever"},
                {"duration": "repeating", "duration_in_months": 2},
            ]
        ),
    )
    def new_coupon(self, off: dict[str, t.Any], lasts: dict[str, t.Any]) -> None:
        self.call("POST", "/v1/coupons", {**off, **lasts})

    @rule(seed=SEEDS, card=st.sampled_from(["4242424242424242", "4000000000000341"]))
    def check_out(self, seed: int, card: str) -> None:
        guesses = self.guesses(seed)
        session = self.call(
            "POST",
            "/v1/checkout/sessions",
            {
                "mode": "subscription",
                "customer": guesses.an_id("customer"),
                "line_items": [{"price": guesses.an_id("price"), "quantity": 1}],
                "success_url": "https://app.example/done",
            },
        )
        if session:
            with contextlib.suppress(CardDeclinedError, ValueError):
                self.sandbox.checkout(session["id"]).pay(card=card)
            assert not self.wrong

    @rule(seed=SEEDS, amount=st.sampled_from([20, 1000, -300]), pay=st.booleans())
    def invoice(self, seed: int, amount: int, pay: bool) -> None:
        customer = self.guesses(seed).an_id("customer")
        item = {"customer": customer, "amount": amount, "currency": "usd"}
        self.call("POST", "/v1/invoiceitems", item)
        behavior = {"pending_invoice_items_behavior": "include"}
        invoice = self.call("POST", "/v1/invoices", {"customer": customer, **behavior})
        if invoice:
            self.call("POST", f"/v1/invoices/{invoice['id']}/finalize", {})
            if pay:
                self.call("POST", f"/v1/invoices/{invoice['id']}/pay", {})

    @rule(days=st.sampled_from([1, 8, 31, 31, 100]))
    def pass_time(self, days: int) -> None:
        self.sandbox.clock.advance(days=days)

    @rule(seed=SEEDS, amount=st.sampled_from([None, 100, 2500, 10**6]), note=st.booleans())
    def give_back(self, seed: int, amount: int | None, note: bool) -> None:
        guesses = self.guesses(seed)
        part = {} if amount is None else {"amount": amount}
        if note:
            invoice = guesses.an_id("invoice")
            how = guesses.one_of(["credit_amount", "refund_amount", "out_of_band_amount", None])
            spread = {how: amount} if how and amount else {}
            self.call("POST", "/v1/credit_notes", {"invoice": invoice, **part, **spread})
        else:
            kind = guesses.one_of(["charge", "payment_intent"])
            self.call("POST", "/v1/refunds", {kind: guesses.an_id(kind), **part})

    @rule(
        seed=SEEDS,
        proration=st.sampled_from(["none", "always_invoice", "create_prorations"]),
        end=st.sampled_from(["release", "cancel"]),
    )
    def plan_ahead(self, seed: int, proration: str, end: str) -> None:
        guesses = self.guesses(seed)
        of = {"from_subscription": guesses.an_id("subscription")}
        schedule = self.call("POST", "/v1/subscription_schedules", of)
        if not schedule:
            return
        now = schedule["phases"][0]
        first = {
            "items": [{"price": i["price"], "quantity": i.get("quantity")} for i in now["items"]],
            "start_date": now["start_date"],
            "end_date": now["end_date"],
        }
        for item in first["items"]:
            if item["quantity"] is None:
                del item["quantity"]
        second = {
            "items": [{"price": guesses.an_id("price"), "quantity": 1}],
            "duration": {"interval": "month", "interval_count": 1},
            "proration_behavior": proration,
        }
        params = {"phases": [first, second], "end_behavior": end}
        self.call("POST", f"/v1/subscription_schedules/{schedule['id']}", params)

    @rule(seed=SEEDS, card=st.sampled_from(CARDS), kind=st.sampled_from(["setup", "payment"]))
    def make_intent(self, seed: int, card: str, kind: str) -> None:
        customer = self.guesses(seed).an_id("customer")
        path = f"/v1/{kind}_intents"
        charge = {"amount": 1500, "currency": "usd"} if kind == "payment" else {}
        intent = self.call("POST", path, {"customer": customer, **charge})
        if intent:
            confirm = {"payment_method": card, "return_url": "https://app.example/done"}
            self.call("POST", f"{path}/{intent['id']}/confirm", confirm)


def test_random_calls(every_answer_fits: dict[str, None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RandomCalls, "wrong", every_answer_fits)
    run_state_machine_as_test(
        RandomCalls,
        settings=settings(
            max_examples=SOAK or 30,
            stateful_step_count=40 if SOAK else 20,
            derandomize=not SOAK,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if SOAK else [Phase.generate],
        ),
    )
