"""What is refused at the door: nothing of it is stored, and nothing of its body is logged."""

from __future__ import annotations

import collections.abc as c
import hmac
import io
import json
import logging
import time

import pytest
import sqlalchemy as sa
from flask import request
from flask_wtf.csrf import CSRFProtect

from flask_billing.models import WebhookEvent

from ..stripe_double import (
    WEBHOOK_PATH,
    WEBHOOK_SECRET,
    CannedHost,
    StripeObject,
    event,
    signature,
)
from .stories import made, rows, sign_up

SECRET_WORD = "a word of the body"

Make = c.Callable[..., CannedHost]


@pytest.fixture
def host(make_canned: Make) -> CannedHost:
    return make_canned()


def payout(**fields: object) -> StripeObject:
    return event("payout.paid", {"id": "po_1", "object": "payout", "note": SECRET_WORD}, **fields)


def post(host: CannedHost, body: bytes, header: str | None) -> int:
    headers = {} if header is None else {"Stripe-Signature": header}
    answer = host.app.test_client().post(
        WEBHOOK_PATH, data=body, headers=headers, content_type="application/json"
    )
    return answer.status_code


def stored(host: CannedHost) -> int:
    with host.app.app_context():
        count = host.db.session.scalar(sa.select(sa.func.count()).select_from(WebhookEvent))
        assert count is not None
        return count


def body_of(event: StripeObject) -> bytes:
    return json.dumps(event).encode()


def stop_the_clock(patch: pytest.MonkeyPatch) -> None:
    """At a full second, as signatures tell the time."""
    now = int(time.time())
    patch.setattr(time, "time", lambda: float(now))


def headers_of_strangers(body: bytes) -> dict[str, str | None]:
    timestamp = int(time.time())
    good = signature(body)
    digest = good.partition("v1=")[2]
    return {
        "unsigned": None,
        "empty": "",
        "no timestamp": f"v1={digest}",
        "no signature": f"t={timestamp}",
        "another secret": signature(body, "whsec_of_somebody"),
        "another body": signature(body + b" "),
        "another moment": f"t={timestamp - 1},v1={digest}",
        "older scheme": f"t={timestamp},v0={digest}",
        "upper case": f"t={timestamp},v1={digest.upper()}",
        "not ASCII": f"t={timestamp},v1=é",
        "strange digits": f"t=²,v1={digest}",
        "no number": f"t=now,v1={digest}",
        "too long a number": f"t={'9' * 400},v1={digest}",
        "negative": f"t=-{timestamp},v1={digest}",
        "stale": signature(body, at=timestamp - 301),
        "from the future": signature(body, at=timestamp + 301),
    }


@pytest.mark.parametrize("fault", headers_of_strangers(b""))
def test_a_delivery_that_is_not_provably_stripes_is_refused(
    host: CannedHost,
    fault: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = body_of(payout())
    stop_the_clock(monkeypatch)

    assert post(host, body, headers_of_strangers(body)[fault]) == 400

    assert stored(host) == 0
    assert "Refused a webhook" in caplog.text
    assert SECRET_WORD not in caplog.text
    assert WEBHOOK_SECRET not in caplog.text


@pytest.mark.parametrize(
    ("fault", "advice"),
    [("another secret", "BILLING_STRIPE_WEBHOOK_SECRETS"), ("stale", "clock")],
)
def test_who_runs_the_app_is_told_why_deliveries_of_stripes_are_refused(
    host: CannedHost, fault: str, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = body_of(payout())
    header = headers_of_strangers(body)[fault]
    answer = host.app.test_client().post(
        WEBHOOK_PATH, data=body, headers={"Stripe-Signature": str(header)}
    )

    assert advice in caplog.text
    assert advice in answer.get_json()["error"], "Stripe's dashboard shows the answer"


@pytest.mark.parametrize("age", [0, 300, -300])
def test_a_signature_is_good_for_five_minutes(
    host: CannedHost, age: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(payout())
    stop_the_clock(monkeypatch)

    assert post(host, body, signature(body, at=time.time() - age)) == 200
    assert stored(host) == 1


NOT_EVENTS = {
    "empty": b"",
    "not JSON": b"payload=" + SECRET_WORD.encode(),
    "not UTF-8": b'{"object": "event", "id": "\xff"}',
    "UTF-16": json.dumps({"object": "event"}).encode("utf-16"),
    "nested too deep": b"[" * 200_000,
    "a list": b"[]",
    "a number": b"1",
    "another object": b'{"object": "charge", "id": "ch_1"}',
    "a thin event": b'{"object": "v2.core.event", "id": "evt_1", "type": "v1.invoice.paid"}',
    "no id": body_of(payout(id=None)),
    "no type": body_of(payout(type=7)),
    "no object": body_of(payout(data={})),
    "an object that is none": body_of(payout(data={"object": "in_1"})),
}


@pytest.mark.parametrize("kind", NOT_EVENTS)
def test_a_signed_body_that_is_no_event_is_refused(
    host: CannedHost, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    body = NOT_EVENTS[kind]

    assert post(host, body, signature(body)) == 400
    assert stored(host) == 0
    assert SECRET_WORD not in caplog.text


def test_a_live_event_does_not_reach_an_app_with_a_test_key(host: CannedHost) -> None:
    body = body_of(payout(livemode=True))

    assert post(host, body, signature(body)) == 400
    assert stored(host) == 0


def test_a_test_event_does_not_reach_an_app_with_a_live_key(make_canned: Make) -> None:
    host = make_canned(
        BILLING_STRIPE_SECRET_KEY="sk_live_1", BILLING_BASE_URL="https://app.example.com"
    )
    test, live = body_of(payout()), body_of(payout(livemode=True))

    assert post(host, test, signature(test)) == 400
    assert stored(host) == 0
    assert post(host, live, signature(live)) == 200


def test_an_oversized_body_is_refused_by_its_length(make_canned: Make) -> None:
    host = make_canned(BILLING_WEBHOOK_MAX_BYTES=2000)
    body = body_of(payout(filler="x" * 2000))

    assert post(host, body, signature(body)) == 413
    assert stored(host) == 0


@pytest.mark.parametrize("size", [2000, 2001])
def test_a_body_without_length_is_read_to_the_limit_and_no_further(
    make_canned: Make, size: int
) -> None:
    host = make_canned(BILLING_WEBHOOK_MAX_BYTES=2000)
    body = body_of(payout()).ljust(size)
    stream = Trickle(body + b"never read" * 1000 if size > 2000 else body)
    answer = host.app.test_client().post(
        WEBHOOK_PATH,
        headers={"Stripe-Signature": signature(body), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input": stream, "wsgi.input_terminated": True},
    )

    assert answer.status_code == (200 if size == 2000 else 413)
    assert stored(host) == (1 if size == 2000 else 0)
    assert stream.tell() <= 2001


def test_a_hook_of_the_host_may_have_read_the_body(host: CannedHost) -> None:
    host.app.before_request(lambda: None if request.get_data() else "nothing to log")
    body = body_of(payout())

    assert post(host, body, signature(body)) == 200
    assert stored(host) == 1


def test_a_body_that_ends_too_early_is_refused(host: CannedHost) -> None:
    body = body_of(payout())
    answer = host.app.test_client().post(
        WEBHOOK_PATH,
        headers={"Stripe-Signature": signature(body), "Content-Length": str(len(body))},
        environ_overrides={"wsgi.input": Trickle(body[:-10])},
    )

    assert answer.status_code == 400
    assert stored(host) == 0


class Trickle(io.BytesIO):
    """A body that comes in small pieces, as from a socket."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most 700 bytes at a time."""
        return super().read(min(700, size) if size is not None and size >= 0 else 700)


def test_only_posts_are_taken(host: CannedHost) -> None:
    assert host.app.test_client().get(WEBHOOK_PATH).status_code == 405


def test_without_a_secret_nothing_is_trusted(
    host: CannedHost, caplog: pytest.LogCaptureFixture
) -> None:
    host.state.stripe.webhook_secrets = ()
    body = body_of(payout())

    assert post(host, body, signature(body, "")) == 503
    assert stored(host) == 0
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "BILLING_STRIPE_WEBHOOK_SECRETS" in record.getMessage()
    assert SECRET_WORD not in caplog.text


def test_any_of_several_secrets_may_have_signed(make_canned: Make) -> None:
    host = make_canned(BILLING_STRIPE_WEBHOOK_SECRETS="whsec_new, whsec_old")

    for secret in ("whsec_new", "whsec_old", WEBHOOK_SECRET):
        body = body_of(payout())
        assert post(host, body, signature(body, secret)) == 200

    body = body_of(payout())
    assert post(host, body, signature(body, "whsec_older")) == 400


def test_a_rolled_secret_signs_beside_the_old_one(make_canned: Make) -> None:
    """While a secret is rolled, Stripe sends one v1 for each; one we know is enough."""
    host = make_canned()
    body = body_of(payout())
    new = signature(body, "whsec_not_known_here_yet").partition(",")[2]

    assert post(host, body, f"{signature(body)},{new},v0=abc") == 200
    body = body_of(payout())
    new = signature(body, "whsec_not_known_here_yet")
    assert post(host, body, f"{new},{signature(body).partition(',')[2]}") == 200


def test_many_signatures_cost_no_more_than_one(
    host: CannedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(payout(filler="x" * 900_000))
    header = f"t={int(time.time())}," + ",".join(["v1=" + "0" * 64] * 1000)
    digest, signed = hmac.digest, []

    def counted(key: bytes, message: bytes, name: str) -> bytes:
        signed.append(len(message))
        return digest(key, message, name)

    monkeypatch.setattr(hmac, "digest", counted)

    assert post(host, body, header) == 400
    assert len([length for length in signed if length > 900_000]) == 1


def test_a_failing_event_is_logged_without_its_body(
    make_canned: Make, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Databases quote the row they refuse, so their errors stay in the inbox."""
    subscription = made("subscription", latest_invoice=SECRET_WORD)
    subscription["status"] = None  # not what the column takes
    host = make_canned(subscription, database_url=database_url)
    sign_up(host)
    sent = event("customer.subscription.updated", subscription)

    assert host.deliver(sent).status_code == 500
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert sent["id"] in record.getMessage()
    assert "IntegrityError" in record.getMessage()
    assert SECRET_WORD not in caplog.text
    [row] = rows(host, WebhookEvent)
    assert "Traceback" in row.error


def test_the_hosts_csrf_protection_lets_stripe_in(host: CannedHost) -> None:
    CSRFProtect(host.app)

    assert host.deliver(payout()).status_code == 200
