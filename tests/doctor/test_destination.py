"""Stripe tells of usage that it could not book at an event destination, which has to be there."""

from __future__ import annotations

import collections.abc as c
import json
import typing as t

import pytest
import stripe

from flask_billing.models import MeterExport
from flask_billing.testing import StripeSandbox, WebhookFailedWarning
from flask_billing.webhooks.verify import THIN_TYPES

from ..host import Host, user
from ..metering.test_export import CATALOG, Account

URL: t.Final = "https://host.example/billing/webhooks/stripe"


@pytest.fixture
def account(make_app: c.Callable[..., Host], database_url: str) -> c.Iterator[Account]:
    """An app whose tokens are billed by Stripe, which has no destination for its thin events."""
    host = make_app(database_url, catalog=CATALOG, BILLING_BASE_URL="https://host.example")

    with StripeSandbox(host.app) as sandbox:
        found = Account(host, sandbox)

        for one in destinations(found):
            sandbox.client().v2.core.event_destinations.delete(one.id)

        yield found


def test_a_missing_destination_is_told_and_made_and_its_secret_shown_once(
    account: Account,
) -> None:
    (finding,) = doctor(account)
    assert finding["level"] == "failure"
    assert "no event destination for this app" in finding["text"]

    printed = fix(account)
    [secret] = [line for line in printed.splitlines() if line.startswith("whsec_")][1:]
    [made] = destinations(account)
    assert (made.event_payload, made.status) == ("thin", "enabled")
    assert set(made.enabled_events) == set(THIN_TYPES)
    assert made.webhook_endpoint
    assert (made.webhook_endpoint.url, made.webhook_endpoint.signing_secret) == (URL, None)
    assert [finding["level"] for finding in doctor(account)] == ["ok"]
    assert secret not in fix(account)
    assert len(destinations(account)) == 1


def test_a_destination_that_is_disabled_or_lacks_types_is_mended(account: Account) -> None:
    fix(account)
    [made] = destinations(account)
    client = account.stripe.client().v2.core.event_destinations
    client.update(made.id, {"enabled_events": [THIN_TYPES[1], "v1.billing.other"]})
    assert THIN_TYPES[0] in doctor(account)[0]["text"]
    client.disable(made.id)
    assert "is disabled" in doctor(account)[0]["text"]

    fix(account)
    [mended] = destinations(account)
    assert mended.enabled_events == [THIN_TYPES[1], "v1.billing.other", THIN_TYPES[0]]
    assert [finding["level"] for finding in doctor(account)] == ["ok"]


def test_one_secret_is_too_few(account: Account) -> None:
    fix(account)
    access = account.host.state.stripe
    access.webhook_secrets = access.webhook_secrets[:1]
    assert "There is one signing secret" in doctor(account)[0]["text"]


def test_without_usage_for_stripe_there_is_nothing_to_tell(any_host: Host) -> None:
    for one in any_host.sandbox.client().v2.core.event_destinations.list().data:
        any_host.sandbox.client().v2.core.event_destinations.delete(one.id)

    any_host.app.config["BILLING_BASE_URL"] = "https://host.example"
    runner = any_host.app.test_cli_runner()
    result = runner.invoke(args=["billing", "doctor", "--fix", "destination"])
    assert result.exit_code == 0
    assert any_host.sandbox.client().v2.core.event_destinations.list().data == []


def test_a_report_is_believed_once_its_secret_is_listed(account: Account) -> None:
    ada, sandbox = account.stripe.subscribe(user("1"), "pro"), account.stripe
    secret = fix(account).splitlines()[-1]
    [made] = destinations(account)
    sandbox.webhooks.add_endpoint(account.host.app, secret, object_id=made.id, payload="thin")
    meters = sandbox.client().v1.billing.meters
    [meter] = meters.list({"status": "active"}).data
    ada.use("tokens", 1)
    account.export()
    ada.use("tokens", 6)
    meters.deactivate(meter.id)
    account.export()
    meters.reactivate(meter.id)

    with pytest.warns(WebhookFailedWarning, match=f"{THIN_TYPES[0]} .400."):
        sandbox.advance(minutes=2)

    assert account.states() == ["sent", "sent"]

    access = account.host.state.stripe
    access.webhook_secrets = (*access.webhook_secrets, secret)
    assert (THIN_TYPES[0], 200) in sandbox.webhooks.deliver()
    [event] = destinations_events(account)
    assert {status for _type, status in sandbox.webhooks.replay(event.id)} == {200}
    assert account.states() == ["sent", "failed"]
    [_taken, failed] = account.host.rows(MeterExport)
    assert str(failed.error).startswith("archived_meter: ")
    assert account.counters() == [(7, 1)]


def destinations(account: Account) -> list[stripe.v2.core.EventDestination]:
    """What Stripe sends thin events to."""
    client = account.stripe.client().v2.core.event_destinations
    return client.list({"include": ["webhook_endpoint.url"]}).data


def destinations_events(account: Account) -> list[stripe.v2.core.Event]:
    """The thin events there are."""
    return account.stripe.client().v2.core.events.list().data


def doctor(account: Account) -> list[dict[str, t.Any]]:
    """What the check finds."""
    runner = account.host.app.test_cli_runner()
    result = runner.invoke(args=["billing", "doctor", "--json", "destination"])
    findings: list[dict[str, t.Any]] = json.loads(result.stdout)
    return findings


def fix(account: Account) -> str:
    """What is printed while it is put right."""
    runner = account.host.app.test_cli_runner()
    result = runner.invoke(args=["billing", "doctor", "--fix", "keys"])
    assert result.exit_code == 0, result.output
    return result.stderr
