"""The door to Stripe: what is sent, and what becomes of its answers."""

from __future__ import annotations

import collections.abc as c
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import stripe

from flask_billing import errors
from flask_billing.decline_reasons import sentence
from flask_billing.stripe_gateway import API_VERSION, gateway

from .patience import PATIENCE
from .stripe_double import API_KEY, CannedHost, CannedStripe, canned_host

Make = c.Callable[..., CannedHost]
CUSTOMER = {"id": "cus_1", "object": "customer"}


@pytest.fixture
def make(tmp_path: Path) -> c.Iterator[Make]:
    hosts: list[CannedHost] = []

    def make_host(**settings: object) -> CannedHost:
        url = f"sqlite:///{tmp_path / str(len(hosts))}.sqlite"
        made = canned_host(url, CUSTOMER, create=False, **settings)  # type: ignore[arg-type]
        hosts.append(made)
        return made

    yield make_host

    for host in hosts:
        host.close()


@pytest.fixture
def host(make: Make) -> CannedHost:
    return make()


def read(host: CannedHost) -> dict[str, object]:
    with host.app.app_context():
        return gateway().get("/v1/customers/cus_1")


def refused(host: CannedHost) -> errors.StripeError:
    """The error a read ends with."""
    with pytest.raises(errors.StripeError) as caught:
        read(host)

    return caught.value


def answer(**error: object) -> dict[str, object]:
    return {"error": {"message": "The text of Stripe.", **error}}


def test_an_object_is_a_plain_dictionary(host: CannedHost) -> None:
    found = read(host)

    assert found == CUSTOMER
    assert isinstance(found, dict)
    assert not isinstance(found, stripe.StripeObject)


def test_every_request_names_the_version_and_the_key(host: CannedHost) -> None:
    read(host)
    [request] = host.stripe.requests

    assert request.headers["Stripe-Version"] == API_VERSION
    assert request.headers["Authorization"] == f"Bearer {API_KEY}"


def test_the_sdks_global_settings_are_left_alone(host: CannedHost) -> None:
    read(host)

    assert stripe.api_key is None
    assert stripe.default_http_client is None


def test_what_is_asked_for_is_expanded(host: CannedHost) -> None:
    with host.app.app_context():
        gateway().get("/v1/customers/cus_1", {"expand": ["a", "b.c"]})

    [request] = host.stripe.requests
    assert request.query == {"expand[0]": ["a"], "expand[1]": ["b.c"]}


def post(host: CannedHost, key: str | None) -> str:
    """Send a write that the canned Stripe refuses; gives back the key it came with."""
    with host.app.app_context(), pytest.raises(errors.StripeNotFoundError):
        gateway().post("/v1/customers", {"email": "ada@example.com"}, idempotency_key=key)

    return host.stripe.requests[-1].headers["Idempotency-Key"]


def test_writes_carry_their_idempotency_key(host: CannedHost) -> None:
    assert post(host, "fb:customer:1:1") == "fb:customer:1:1"
    assert host.stripe.requests[-1].form == {"email": ["ada@example.com"]}


def test_writes_without_a_key_get_one_each(host: CannedHost) -> None:
    assert post(host, None) != post(host, None)


def test_a_repeat_of_the_sdk_has_the_same_key(host: CannedHost) -> None:
    host.stripe.fail(None, times=2)
    post(host, "fb:checkout:7:1")

    assert [request.headers["Idempotency-Key"] for request in host.stripe.requests] == [
        "fb:checkout:7:1"
    ] * 3


def test_a_write_waits_for_another_one_with_its_key(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A double click: the one that came second gets the first one's answer."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    host = make(BILLING_STRIPE_RETRIES=0)
    in_use = answer(type="idempotency_error", code="idempotency_key_in_use")
    host.stripe.fail(409, in_use, times=3)
    host.stripe.fail(200, CUSTOMER)

    with host.app.app_context():
        assert gateway().post("/v1/customers", idempotency_key="fb:customer:1:1") == CUSTOMER

    assert len(host.stripe.requests) == 4
    host.stripe.fail(409, in_use, times=99)

    with host.app.app_context(), pytest.raises(errors.StripeUnreachableError):
        gateway().post("/v1/customers", idempotency_key="fb:customer:1:1")


def test_a_failed_call_is_repeated_as_often_as_configured(make: Make) -> None:
    for retries in (0, 1, 4):
        host = make(BILLING_STRIPE_RETRIES=retries)
        host.stripe.fail(503, times=10)
        refused(host)
        assert len(host.stripe.requests) == retries + 1


def test_the_timeout_is_the_configured_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make(BILLING_STRIPE_TIMEOUT=timedelta(seconds=3))
    host.state.stripe.http_client = None
    asked: list[object] = []

    class NoNetwork(CannedStripe):
        """Stands where the SDK's own client would open sockets."""

        def __init__(self, *, timeout: object) -> None:
            super().__init__(CUSTOMER)
            asked.append(timeout)

    monkeypatch.setattr(stripe, "RequestsClient", NoNetwork)
    read(host)
    assert asked == [3.0]


def test_a_declined_card_has_a_sentence_for_people(host: CannedHost) -> None:
    host.stripe.fail(
        402,
        answer(type="card_error", code="card_declined", decline_code="insufficient_funds"),
    )
    error = refused(host)

    assert isinstance(error, errors.CardDeclinedError)
    assert (error.code, error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.for_people == "Your card was declined (insufficient funds). Try another card."
    assert str(error).endswith("Nothing was charged.")
    assert error.request_id == "req_1"
    assert not error.retryable


@pytest.mark.parametrize("reason", ["stolen_card", "lost_card", "fraudulent", "pickup_card"])
def test_what_would_help_a_thief_is_not_told(reason: str) -> None:
    assert sentence(reason, "card_declined") == sentence("generic_decline", "card_declined")


@pytest.mark.parametrize(
    ("decline_code", "code", "words"),
    [
        ("expired_card", "expired_card", "expired"),
        (None, "incorrect_cvc", "security code"),
        (None, "authentication_required", "confirm"),
        ("something_new", "something_newer", "declined"),
        (None, None, "declined"),
    ],
)
def test_every_decline_is_told_in_words(
    decline_code: str | None, code: str | None, words: str
) -> None:
    assert words in sentence(decline_code, code)


MISCONFIGURED = errors.StripeMisconfiguredError
REJECTED = errors.StripeRejectedError
UNREACHABLE = errors.StripeUnreachableError

ANSWERS: dict[str, tuple[int | None, object, type[errors.StripeError], bool]] = {
    "a wrong key": (401, answer(type="invalid_request_error"), MISCONFIGURED, False),
    "a restricted key": (403, answer(type="invalid_request_error"), MISCONFIGURED, False),
    "too many requests": (
        429,
        answer(type="rate_limit_error"),
        errors.StripeRateLimitedError,
        True,
    ),
    "a lock": (
        429,
        answer(type="invalid_request_error", code="lock_timeout"),
        errors.StripeRateLimitedError,
        True,
    ),
    "a server error": (500, answer(type="api_error"), UNREACHABLE, True),
    "a gateway's page": (502, "<html>Bad Gateway</html>", UNREACHABLE, True),
    "a proxy's page": (200, "<html>Log in to the network</html>", UNREACHABLE, True),
    "no answer": (None, None, UNREACHABLE, True),
    "the same key at work": (
        409,
        answer(type="idempotency_error", code="idempotency_key_in_use"),
        UNREACHABLE,
        True,
    ),
    "the same key with other params": (400, answer(type="idempotency_error"), REJECTED, False),
    "a wrong parameter": (
        400,
        answer(type="invalid_request_error", code="parameter_unknown", param="colour"),
        REJECTED,
        False,
    ),
    "something unknown": (
        404,
        answer(type="invalid_request_error", code="resource_missing"),
        errors.StripeNotFoundError,
        False,
    ),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_errors_of_stripe_become_ours(host: CannedHost, kind: str) -> None:
    status, body, expected, retryable = ANSWERS[kind]
    host.stripe.fail(status, body, times=10)
    error = refused(host)

    assert type(error) is expected
    assert error.retryable is retryable
    assert isinstance(error.__cause__, stripe.StripeError)
    assert API_KEY not in str(error)


def test_a_rejected_request_names_the_parameter(host: CannedHost) -> None:
    host.stripe.fail(*ANSWERS["a wrong parameter"][:2])
    error = refused(host)

    assert (error.status, error.code, error.param) == (400, "parameter_unknown", "colour")
    assert "The text of Stripe." in str(error)


def test_an_unknown_outcome_does_not_claim_that_nothing_happened(host: CannedHost) -> None:
    host.stripe.fail(None, times=10)

    assert "Nothing was charged" not in str(refused(host))


def test_without_a_key_the_setting_is_named(host: CannedHost) -> None:
    host.state.stripe.api_key = None

    with pytest.raises(errors.ConfigError, match="BILLING_STRIPE_SECRET_KEY"):
        read(host)


def test_a_list_is_read_to_its_end(host: CannedHost) -> None:
    pages = [
        {"object": "list", "has_more": True, "data": [{"id": "price_1"}, {"id": "price_2"}]},
        {"object": "list", "has_more": False, "data": [{"id": "price_3"}]},
    ]

    for page in pages:
        host.stripe.fail(200, page)

    with host.app.app_context():
        found = [price["id"] for price in gateway().list("/v1/prices", {"active": True})]

    assert found == ["price_1", "price_2", "price_3"]
    assert "starting_after" not in host.stripe.requests[0].query
    assert host.stripe.requests[1].query["starting_after"] == ["price_2"]
    assert host.stripe.requests[1].query["active"] == ["true"]


def test_an_app_has_one_client_however_many_threads_start_together(host: CannedHost) -> None:
    built: list[CannedStripe] = []
    together = threading.Barrier(8)

    def build() -> CannedStripe:
        built.append(CannedStripe(CUSTOMER))
        return built[-1]

    host.state.stripe.http_client = build

    def start() -> None:
        together.wait(PATIENCE)
        read(host)

    threads = [threading.Thread(target=start) for _ in range(8)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join(PATIENCE)

    assert len(built) == 1
    assert len(built[0].requests) == 8


def test_two_apps_keep_to_themselves(make: Make) -> None:
    one, other = make(), make()
    other.state.use_stripe(http_client=lambda: other.stripe, api_key="sk_test_other")
    other.stripe.put({**CUSTOMER, "name": "Of the other account"})

    assert "name" not in read(one)
    assert read(other)["name"] == "Of the other account"
    assert one.stripe.requests[-1].headers["Authorization"] == f"Bearer {API_KEY}"
    assert other.stripe.requests[-1].headers["Authorization"] == "Bearer sk_test_other"


def test_a_new_access_takes_a_new_client(host: CannedHost) -> None:
    read(host)
    elsewhere = CannedStripe({**CUSTOMER, "name": "Elsewhere"})
    host.state.use_stripe(http_client=lambda: elsewhere, api_key="sk_test_2")

    assert read(host)["name"] == "Elsewhere"
