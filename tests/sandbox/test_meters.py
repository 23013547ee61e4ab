"""Meters: usage that is reported, looked up, taken back and billed."""

from __future__ import annotations

import json
import typing as t

import pytest
import stripe
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox

from .conftest import START, Shop

NOW = int(START.timestamp())
HOUR, DAY = 3_600, 86_400


class Metering:
    """A meter and somebody who is metered."""

    def __init__(self, client: stripe.StripeClient, customer: str, formula: str = "sum") -> None:
        self.client = client
        self.customer = customer
        self.meter = client.v1.billing.meters.create(
            {
                "display_name": "Calls",
                "event_name": "calls",
                "default_aggregation": {"formula": formula},
            }
        ).id

    def report(self, value: object = 1, **more: t.Any) -> stripe.billing.MeterEvent:
        """Report usage of the customer."""
        payload = {"stripe_customer_id": self.customer, "value": str(value)}
        params: t.Any = {"event_name": "calls", "payload": payload, **more}
        return self.client.v1.billing.meter_events.create(params)

    def summaries(self, start: int, end: int, **more: t.Any) -> list[tuple[int, float]]:
        """(start, usage) of the windows, all pages of them."""
        params: t.Any = {"customer": self.customer, "start_time": start, "end_time": end, **more}
        found = self.client.v1.billing.meters.event_summaries.list(self.meter, params)
        return [(one.start_time, one.aggregated_value) for one in found.auto_paging_iter()]

    def used(self) -> float:
        """What was used in all."""
        return self.summaries(NOW - 40 * DAY, NOW + 40 * DAY)[0][1]


@pytest.fixture
def metering(client: stripe.StripeClient, shop: Shop) -> Metering:
    """Ada's calls."""
    return Metering(client, shop.customer())


# meters


def test_a_meter_stops_and_starts_again(client: stripe.StripeClient, metering: Metering) -> None:
    meters = client.v1.billing.meters
    stopped = meters.deactivate(metering.meter)
    assert (stopped.status, stopped.status_transitions.deactivated_at) == ("inactive", NOW)
    assert [one.id for one in meters.list({"status": "inactive"})] == [metering.meter]
    with pytest.raises(stripe.InvalidRequestError):
        meters.deactivate(metering.meter)
    assert meters.reactivate(metering.meter).status == "active"
    with pytest.raises(stripe.InvalidRequestError):
        meters.reactivate(metering.meter)
    assert meters.update(metering.meter, {"display_name": "Requests"}).display_name == "Requests"


def test_a_meter_cannot_start_when_its_name_is_taken(
    client: stripe.StripeClient, metering: Metering
) -> None:
    client.v1.billing.meters.deactivate(metering.meter)
    Metering(client, metering.customer)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.billing.meters.reactivate(metering.meter)
    assert refusal.value.param == "event_name"


# reporting


def test_an_identifier_is_unique_for_a_day(metering: Metering, sandbox: Sandbox) -> None:
    metering.report(5, identifier="one")
    for hours in (0, 23):
        sandbox.clock.advance(hours=hours)
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            metering.report(5, identifier="one")
        assert refusal.value.param == "identifier"
    sandbox.clock.advance(hours=1)
    metering.report(5, identifier="one")
    assert metering.used() == 10


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-35 * DAY - 1, "timestamp_too_far_in_past"), (301, "timestamp_in_future")],
)
def test_usage_is_of_the_last_35_days(metering: Metering, seconds: int, code: str) -> None:
    metering.report(1, timestamp=NOW - 35 * DAY)
    metering.report(1, timestamp=NOW + 300)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        metering.report(1, timestamp=NOW + seconds)
    assert (refusal.value.code, refusal.value.param) == (code, "timestamp")
    assert metering.used() == 2


@pytest.mark.parametrize(("formula", "usage"), [("sum", 9), ("count", 3), ("last", 2)])
def test_formulas(client: stripe.StripeClient, shop: Shop, formula: str, usage: int) -> None:
    metering = Metering(client, shop.customer(), formula)
    metering.report(2, timestamp=NOW + 60)  # the last one, although reported first
    metering.report(3, timestamp=NOW - 60)
    metering.report(4, timestamp=NOW)
    assert metering.used() == usage


# taking back


def test_an_event_can_be_canceled_for_a_day(
    client: stripe.StripeClient, metering: Metering, sandbox: Sandbox
) -> None:
    for name in ("kept", "canceled", "late"):
        metering.report(1, identifier=name)

    def cancel(identifier: str, event_name: str = "calls") -> stripe.billing.MeterEventAdjustment:
        return client.v1.billing.meter_event_adjustments.create(
            {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}
        )

    assert cancel("canceled").status == "pending"
    assert metering.used() == 2
    for wrong in (("nobody's",), ("kept", "tokens")):
        with pytest.raises(stripe.InvalidRequestError):
            cancel(*wrong)
    sandbox.clock.advance(days=1)
    with pytest.raises(stripe.InvalidRequestError, match="24 hours"):
        cancel("late")
    assert metering.used() == 2


# looking up


def test_summaries_by_hour_and_day(metering: Metering) -> None:
    midnight = NOW - 12 * HOUR
    for hours in (-30, -13, -12, -1, 0):
        metering.report(1, timestamp=NOW + hours * HOUR)
    assert metering.summaries(midnight - DAY, midnight + DAY, value_grouping_window="day") == [
        (midnight, 3),
        (midnight - DAY, 2),
    ]
    by_hour = metering.summaries(
        midnight - DAY, midnight + DAY, value_grouping_window="hour", limit=7
    )
    assert len(by_hour) == 48
    assert [(at - NOW) // HOUR for at, used in by_hour if used] == [0, -1, -12, -13, -30]
    assert metering.summaries(midnight, NOW) == [(midnight, 2)]  # the end is not part of it


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"start_time": NOW + 1, "end_time": NOW + HOUR}, "start_time"),
        ({"start_time": NOW, "end_time": NOW + 61}, "end_time"),
        ({"start_time": NOW, "end_time": NOW}, "end_time"),
        (
            {"start_time": NOW + 60, "end_time": NOW + HOUR, "value_grouping_window": "hour"},
            "start_time",
        ),
        (
            {"start_time": NOW, "end_time": NOW + DAY, "value_grouping_window": "day"},
            "start_time",
        ),
    ],
)
def test_summaries_want_aligned_times(
    client: stripe.StripeClient, metering: Metering, params: t.Any, param: str
) -> None:
    params["customer"] = metering.customer
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.billing.meters.event_summaries.list(metering.meter, params)
    assert refusal.value.param == param


# what could not be booked


class ThinReceiver:
    """Takes thin events as an app with stripe-python does."""

    def __init__(self, client: stripe.StripeClient, secret: str) -> None:
        self.client = client
        self.secret = secret
        self.payloads: list[t.Any] = []
        self.events: list[t.Any] = []

    def __call__(self, environ: t.Any, start_response: t.Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        notification = self.client.parse_event_notification(
            body, environ["HTTP_STRIPE_SIGNATURE"], self.secret
        )
        self.payloads.append(json.loads(body))
        self.events.append(notification.fetch_event())
        start_response("200 OK", [])
        return []


@pytest.fixture
def thin(client: stripe.StripeClient, sandbox: Sandbox) -> ThinReceiver:
    """A receiver of thin events, beside one of everything else."""
    receiver = ThinReceiver(client, "whsec_thin")
    sandbox.webhooks.add_endpoint(receiver, "whsec_thin", payload="thin")
    return receiver


def test_bad_usage_is_reported_later_in_a_thin_event(
    client: stripe.StripeClient, metering: Metering, sandbox: Sandbox, thin: ThinReceiver
) -> None:
    metering.report("1.5", identifier="a")
    metering.report("many", identifier="b")
    metering.customer, customer = "cus_nobody", metering.customer
    metering.report(1, identifier="c")
    metering.customer = customer
    assert sandbox.webhooks.deliver() == []
    sandbox.clock.advance(minutes=1)
    kind = "v1.billing.meter.error_report_triggered"
    assert sandbox.webhooks.deliver() == [(kind, 200)]
    payload, event = thin.payloads[0], thin.events[0]
    assert (payload["object"], payload["type"]) == ("v2.core.event", kind)
    assert "data" not in payload
    assert payload["related_object"] == {
        "id": metering.meter,
        "type": "billing.meter",
        "url": f"/v1/billing/meters/{metering.meter}",
    }
    assert event.id == payload["id"]
    assert event.data.reason.error_count == 3
    errors = {one.code: one for one in event.data.reason.error_types}
    assert {code: one.error_count for code, one in errors.items()} == {
        "meter_event_invalid_value": 2,
        "meter_event_customer_not_found": 1,
    }
    sample = errors["meter_event_customer_not_found"].sample_errors[0]
    assert sample.request.identifier == "c"
    assert metering.used() == 0
    listed = client.v2.core.events.list({"object_id": metering.meter})
    assert [one.id for one in listed.data] == [event.id]
    sandbox.clock.advance(days=1)
    assert sandbox.webhooks.deliver() == []


def test_usage_without_a_meter_is_reported(
    client: stripe.StripeClient, metering: Metering, sandbox: Sandbox, thin: ThinReceiver
) -> None:
    client.v1.billing.meter_events.create(
        {"event_name": "unheard", "payload": {"stripe_customer_id": metering.customer}}
    )
    client.v1.billing.meters.deactivate(metering.meter)
    metering.report(1)
    sandbox.clock.advance(minutes=1)
    assert sorted(kind for kind, _status in sandbox.webhooks.deliver()) == [
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    ]
    codes = {event.type: event.data.reason.error_types[0].code for event in thin.events}
    assert codes == {
        "v1.billing.meter.error_report_triggered": "archived_meter",
        "v1.billing.meter.no_meter_found": "no_meter",
    }


def test_thin_events_are_for_those_who_asked_for_them(
    metering: Metering, sandbox: Sandbox, thin: ThinReceiver
) -> None:
    seen: list[str] = []

    def app(environ: t.Any, start_response: t.Any) -> list[bytes]:
        seen.append(json.loads(environ["wsgi.input"].read())["object"])
        start_response("200 OK", [])
        return []

    sandbox.webhooks.add_endpoint(app)
    metering.report("many")
    metering.client.v1.customers.create({"name": "Bob"})
    sandbox.clock.advance(minutes=1)
    sandbox.webhooks.deliver()
    assert seen == ["event"]
    assert len(thin.events) == 1
    assert sandbox.webhooks.replay(thin.events[0].id)
    assert [event.id for event in thin.events] == [thin.events[0].id] * 2


def test_a_destination_keeps_its_secret_and_address_to_itself(client: stripe.StripeClient) -> None:
    destinations = client.v2.core.event_destinations
    params: t.Any = {
        "name": "Meters",
        "type": "webhook_endpoint",
        "event_payload": "thin",
        "enabled_events": ["v1.billing.meter.no_meter_found"],
        "webhook_endpoint": {"url": "https://host.example/hook"},
        "metadata": {"team": "billing"},
    }
    made = destinations.create(params)
    assert made.webhook_endpoint
    assert made.webhook_endpoint.to_dict() == {"signing_secret": None, "url": None}
    secret = "webhook_endpoint.signing_secret"
    asked: t.Any = {**params, "include": [secret]}
    told = destinations.create(asked).webhook_endpoint
    assert told
    assert str(told.signing_secret).startswith("whsec_")
    shown = destinations.retrieve(made.id, {"include": ["webhook_endpoint.url"]})
    assert shown.webhook_endpoint
    assert shown.webhook_endpoint.url == "https://host.example/hook"
    assert len(destinations.list().data) == 2
    destinations.delete(made.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such event destination"):
        destinations.retrieve(made.id)
    mistakes: list[tuple[t.Any, str]] = [
        ({"type": "amazon_eventbridge"}, "type"),
        ({"event_payload": "snapshot"}, "event_payload"),
        ({"webhook_endpoint": {"url": "nowhere"}}, "webhook_endpoint.url"),
        ({"colour": "blue"}, "colour"),
    ]
    for wrong, param in mistakes:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            destinations.create(params | wrong)
        assert caught.value.param == param


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", "[" * 100_000, '{"a": ' * 50 + "1" + "}" * 50]
)
def test_json_that_cannot_be_read_is_refused(sandbox: Sandbox, body: str) -> None:
    answer = Client(sandbox.wsgi_app).post(
        "/v2/core/event_destinations",
        data=body,
        content_type="application/json",
        headers={"Authorization": f"Bearer {sandbox.api_key}"},
    )
    assert answer.status_code == 400
    assert "message" in answer.get_json()["error"]


# billing


def metered_price(client: stripe.StripeClient, shop: Shop, meter: str, **terms: t.Any) -> str:
    """A price for what a meter counts."""
    params: t.Any = {
        "product": shop.product,
        "currency": "usd",
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        **terms,
    }
    return client.v1.prices.create(params).id


TIERS = [
    {"up_to": 1000, "unit_amount_decimal": "1"},
    {"up_to": "inf", "unit_amount_decimal": "0.5", "flat_amount": 100},
]


@pytest.mark.parametrize(
    ("terms", "total"),
    [
        ({"unit_amount_decimal": "0.5"}, 600),
        ({"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": TIERS}, 1200),
        ({"billing_scheme": "tiered", "tiers_mode": "volume", "tiers": TIERS}, 700),
        (
            {
                "unit_amount": 250,
                "transform_quantity": {"divide_by": 500, "round": "up"},
            },
            750,
        ),
    ],
)
def test_usage_is_billed_after_the_period(
    client: stripe.StripeClient,
    shop: Shop,
    sandbox: Sandbox,
    metering: Metering,
    terms: t.Any,
    total: int,
) -> None:
    price = metered_price(client, shop, metering.meter, **terms)
    subscription = shop.subscribe(metering.customer, price)
    for _ in range(2):
        metering.report(600)
    sandbox.clock.advance(days=28, minutes=30)
    metering.report(5)  # of the next period
    sandbox.clock.advance(hours=1)
    renewed = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert (renewed.total, renewed.status) == (total, "paid")
    assert sum(line.quantity or 0 for line in renewed.lines.data) == 1200
    assert sum(line.amount for line in renewed.lines.data) == total


@pytest.mark.parametrize(("formula", "total"), [("sum", 35), ("count", 15), ("last", 20)])
def test_a_formula_decides_what_is_billed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, formula: str, total: int
) -> None:
    metering = Metering(client, shop.customer(), formula)
    price = metered_price(client, shop, metering.meter, unit_amount=5)
    shop.subscribe(metering.customer, price)
    for value in (1, 2, 4):
        metering.report(value)
        sandbox.clock.advance(days=1)
    sandbox.clock.advance(days=28)
    assert client.v1.invoices.list({"customer": metering.customer}).data[0].total == total


def test_more_taken_back_than_used_is_billed_as_nothing(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, metering: Metering
) -> None:
    subscription = shop.subscribe(
        metering.customer, metered_price(client, shop, metering.meter, unit_amount=5)
    )
    metering.report(-3)
    assert metering.used() == -3
    sandbox.clock.advance(days=29)
    renewed = client.v1.invoices.list({"subscription": subscription}).data[0]
    assert (renewed.total, renewed.status) == (0, "paid")
