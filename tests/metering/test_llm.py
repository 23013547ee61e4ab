"""Calls of language models: tokens in either vocabulary, prices, and runs by phase."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from flask import render_template_string

from flask_billing.errors import ConfigError, InvalidUsageError
from flask_billing.models import UsageEvent, UsageRollup

from ..host import Host

PRICES = {"acme/large": {"input": 300, "output": "1500", "cached": 7.5}}


@pytest.fixture
def priced(make_app: c.Callable[..., Host], database_url: str) -> Host:
    """A host that knows what a model costs."""
    return make_app(
        database_url,
        BILLING_LLM_PRICES=PRICES,
        BILLING_LLM_METERS={"tokens": "total_tokens", "api_calls": "calls"},
    )


def call(host: Host, **said: t.Any) -> list[t.Any]:
    """Book a call of the priced model."""
    with host.app.app_context():
        said = {"provider": "acme", "model": "large", "customer": host.customer(), **said}
        return host.billing.record_llm(**said)


def test_a_call_is_booked_with_the_parts_of_its_cost(priced: Host) -> None:
    tokens = {"prompt_tokens": 1000, "completion_tokens": 100, "cached_tokens": 401}
    call(priced, tokens=tokens, latency_ms=930, key="one")
    again = call(priced, tokens=tokens, latency_ms=930, key="one")

    by_meter = {event.meter: event for event in priced.rows(UsageEvent)}
    event = by_meter["tokens"]
    assert [decision.replayed for decision in again] == [True, True]
    assert (event.quantity, by_meter["api_calls"].quantity) == (1100, 1)
    assert (event.input_tokens, event.output_tokens, event.cached_tokens) == (1000, 100, 401)
    assert (event.cost_prompt, event.cost_completion, event.cost_cached) == (179700, 150000, 3008)
    assert (event.cost_total, event.cost_saved) == (332708, 117293)
    assert by_meter["api_calls"].cost_total is None

    daily = priced.rows(UsageRollup, meter="tokens")[0]
    assert (daily.cost_prompt, daily.cost_total, daily.cost_saved) == (179700, 332708, 117293)


def test_an_unknown_model_and_a_cost_of_ones_own_are_fine(priced: Host) -> None:
    call(priced, provider="other", tokens=50)
    call(priced, tokens={"total_tokens": 60}, cost=9)

    events = priced.rows(UsageEvent, meter="tokens")
    assert [(event.quantity, event.cost_total) for event in events] == [(50, None), (60, 9)]


def test_mistakes_book_nothing(priced: Host) -> None:
    wrong: list[dict[str, t.Any]] = [
        {"tokens": {"tokens": 3}},
        {"tokens": {"input_tokens": 3, "cached_tokens": 4}},
        {"tokens": {"input_tokens": 3, "prompt_tokens": 4}},
        {"tokens": -3},
        {"tokens": 3, "key": "k" * 300},
    ]

    for said in wrong:
        with pytest.raises(InvalidUsageError):
            call(priced, **said)

    assert priced.rows(UsageEvent) == []


def test_a_run_is_summed_by_phase(priced: Host) -> None:
    call(priced, tokens={"input_tokens": 1_000_000, "output_tokens": 0}, run="doc", phase="plan")
    call(priced, tokens={"input_tokens": 10, "output_tokens": 20}, run="doc", phase="write")
    call(priced, tokens={"input_tokens": 5, "output_tokens": 5}, run="doc", phase="write")
    call(priced, tokens=7, run="other")

    with priced.app.app_context():
        found = priced.billing.run_summary("doc", customer=priced.customer())
        elsewhere = priced.billing.run_summary("doc", customer=priced.customer("2"))

    assert [(one.phase, one.calls, one.tokens) for one in found.phases] == [
        ("plan", 1, 1_000_000),
        ("write", 2, 40),
    ]
    assert found.total.cost_total == 300_000_000 + 15 * 300 + 25 * 1500
    assert elsewhere.phases == []


def test_a_page_shows_a_run(priced: Host) -> None:
    @priced.app.get("/run")
    def run() -> str:
        return render_template_string("<{{ billing_run_summary('<doc>') }}>")

    call(priced, tokens={"input_tokens": 1_000_000, "output_tokens": 0}, run="<doc>", phase="<b>")

    html = priced.client().get("/run").text
    assert "&lt;b&gt;" in html
    assert "1,000,000" in html
    assert "$3" in html
    assert priced.client("2").get("/run").text == "<>"


@pytest.mark.parametrize(
    "settings",
    [
        {"BILLING_LLM_PRICES": {"large": {"input": 1, "output": 1}}},
        {"BILLING_LLM_PRICES": {"acme/large": {"input": -1, "output": 1}}},
        {"BILLING_LLM_METERS": {"tokens": "words"}},
    ],
)
def test_settings_that_make_no_sense_are_refused(
    make_app: c.Callable[..., Host], settings: dict[str, t.Any]
) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        make_app(**settings)
