"""Somebody who calls the API at random and holds every answer against the SDK's classes."""

from __future__ import annotations

import typing as t

import stripe
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from flask_billing.sandbox import Sandbox, router

from .books import unbalanced
from .conftest import START
from .guesses import Guesses, kind_of

SEEDS = st.integers(0, 2**32 - 1)
#: What an answer to a call may be: done, refused, declined, not there, in conflict.
ANSWERS = {200, 400, 402, 404, 409}
LISTED = (
    "charges",
    "credit_notes",
    "customers",
    "events",
    "invoiceitems",
    "invoices",
    "payment_intents",
    "refunds",
    "subscription_schedules",
    "subscriptions",
)


class RandomCaller(RuleBasedStateMachine):
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
            router.registered(), key=lambda one: (one.parts[1], one.method, one.parts)
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

    @rule()
    def look_around(self) -> None:
        """See what came about by itself, so that calls can be about it."""
        for kind in LISTED:
            self.call("GET", f"/v1/{kind}", {"limit": 5})

    def teardown(self) -> None:
        try:
            found = unbalanced(self.client)
            assert not found, found
        finally:
            self.sandbox.close()
        assert not self.wrong, [*self.wrong]
