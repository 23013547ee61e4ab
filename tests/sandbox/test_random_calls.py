"""Random calls, valid and invalid: no 500, no answer of a wrong shape, no unbalanced books.

`BILLING_SOAK=500` walks that many random ways; without it a few that are the same every time.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

import pytest
import stripe
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from flask_billing.sandbox import Sandbox, router
from flask_billing.sandbox.person import CardDeclinedError

from .books import unbalanced
from .conftest import START
from .guesses import Guesses, kind_of

SOAK = int(os.environ.get("BILLING_SOAK", "0"))
SEEDS = st.integers(0, 2**32 - 1)
CARDS = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeCustomerFail",
    "pm_card_authenticationRequired",
    "pm_card_visa_chargeDeclined",
]
#: What an answer to a call may be: done, refused, declined, forbidden, not there, in conflict.
ANSWERS = {200, 400, 402, 404, 409}


class RandomCalls(RuleBasedStateMachine):
    """Somebody who calls the API at random, with ids that were seen before."""

    wrong: t.ClassVar[dict[str, None]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.wrong.clear()
        self.sandbox = Sandbox(now=START)
        self.client = self.sandbox.client()
        self.ids: dict[str, list[str]] = {}
        self.steps = 0
        self.endpoints = sorted(
            (one for one in router.registered() if one.parts[1] != "billing_portal"),
            key=lambda one: (one.parts[1], one.method, one.parts),
        )

    def guesses(self, seed: int) -> Guesses:
        """Guesses of their own for every step, since Hypothesis likes some seeds too much."""
        self.steps += 1
        now = int(self.sandbox.clock.now().timestamp())
        return Guesses(f"{seed}/{self.steps}", self.ids, now)

    def call(self, method: str, path: str, params: dict[str, t.Any]) -> dict[str, t.Any]:
        """Call the API, learn the ids in its answer, and hold it against the SDK's classes."""
        body: dict[str, t.Any] = {}
        status: int | None = 200

        try:
            answer: t.Any = self.client.raw_request(method.lower(), path, **params)
            body = answer.data
        except stripe.StripeError as error:
            status = error.http_status

        assert not self.wrong, (method, path, params, [*self.wrong])
        assert status in ANSWERS, (method, path, params, status)
        self.learn(body)
        return body

    def learn(self, body: t.Any) -> None:
        if isinstance(body, list):
            for entry in body:
                self.learn(entry)

        elif isinstance(body, dict):
            if "object" in body and isinstance(body.get("id"), str):
                known = self.ids.setdefault(body["object"], [])
                if body["id"] not in known:
                    known.append(body["id"])

            for entry in body.values():
                self.learn(entry)

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

    @rule(seed=SEEDS)
    def call_anything(self, seed: int) -> None:
        guesses = self.guesses(seed)
        for endpoint in guesses.some_of(self.endpoints):
            self.call_endpoint(guesses, endpoint)

    @rule(seed=SEEDS)
    def call_about_something(self, seed: int) -> None:
        guesses = self.guesses(seed)
        kind = guesses.one_of(sorted(self.ids))
        about = [one for one in self.endpoints if kind_of(one) == kind]
        for endpoint in guesses.some_of(about):
            self.call_endpoint(guesses, endpoint)

    def call_endpoint(self, guesses: Guesses, endpoint: router.Endpoint) -> None:
        kind = kind_of(endpoint)
        parts = [guesses.an_id(kind) if part == "{id}" else part for part in endpoint.parts]
        self.call(endpoint.method, "/" + "/".join(parts), guesses.params(endpoint.contract))

    def teardown(self) -> None:
        try:
            assert unbalanced(self.client) == []
        finally:
            self.sandbox.close()
        assert not self.wrong, [*self.wrong]


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
