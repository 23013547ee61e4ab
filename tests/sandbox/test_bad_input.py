"""What no client should send: refused as Stripe would, and never with a 500."""

from __future__ import annotations

import typing as t

import pytest
import stripe
from werkzeug.test import Client, TestResponse

from flask_billing.sandbox import Sandbox
from flask_billing.sandbox.resources import customers

KEY = {"Authorization": "Bearer sk_test_anything"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def http(sandbox: Sandbox) -> Client:
    """A bare HTTP client."""
    return Client(sandbox.wsgi_app)


def post(http: Client, body: str | bytes, content_type: str = FORM) -> TestResponse:
    return http.post("/v1/customers", data=body, headers=KEY, content_type=content_type)


def error_of(answer: TestResponse) -> dict[str, t.Any]:
    body: dict[str, t.Any] = answer.get_json()["error"]
    assert body["type"] == "invalid_request_error"
    return body


@pytest.mark.parametrize(
    "body",
    [
        "a[b=1",
        "[a]=1",
        "=",
        "name=%ff",
        "%ff=1",
        b"name=\xff\xfe",
        "a=1&a[b]=2",
        "address[city]=x&address[city][y]=2",
        "a" + "[b]" * 13 + "=1",
        "&".join(f"metadata[{n}]=1" for n in range(2_001)),
        "name[]=x",
        "expand[a]=b",
        "expand[0][1]=b",
    ],
)
def test_malformed_forms(http: Client, body: str | bytes) -> None:
    answer = post(http, body)
    assert answer.status_code == 400
    assert error_of(answer)["message"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "multipart/form-data"])
def test_other_content_types(http: Client, content_type: str) -> None:
    answer = post(http, '{"name": "Ada"}', content_type)
    assert answer.status_code == 400
    assert "check that your POST content type is" in error_of(answer)["message"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "DELETE", "BREW"])
@pytest.mark.parametrize("path", ["/v1/customers", "/v1", "/v1/", "/v1//customers", "/v2/core"])
def test_unknown_methods_and_paths(http: Client, method: str, path: str) -> None:
    answer = http.open(path, method=method, headers=KEY)
    assert answer.status_code == 404
    assert error_of(answer)["message"].startswith(f"Unrecognized request URL ({method}: {path}).")


def test_what_is_not_there_says_so_in_json_too(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v2.billing.meter_event_session.create()

    assert caught.value.http_status == 404
    assert "(POST: /v2/billing/meter_event_session)" in str(caught.value)


@pytest.mark.parametrize(
    "object_id",
    ["cus_%00", "cus_ä", "%F0%9F%92%B3", "%ff", "' OR 1=1 --", "$.id", "cus_" + "x" * 5_000, "."],
)
@pytest.mark.parametrize("kind", ["customers", "subscriptions", "checkout/sessions", "events"])
def test_odd_ids(http: Client, kind: str, object_id: str) -> None:
    answer = http.get(f"/v1/{kind}/{object_id}", headers=KEY)
    assert answer.status_code == 404
    assert error_of(answer)["code"] == "resource_missing"
    listed = http.get(f"/v1/{kind}", query_string={"starting_after": object_id}, headers=KEY)
    assert listed.status_code == 400


def test_an_id_with_a_slash_is_one_id(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.retrieve("cus_a/b")


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({f"metadata[k{n}]": "v" for n in range(51)}, "metadata"),
        ({"metadata[" + "k" * 41 + "]": "v"}, "metadata[" + "k" * 41 + "]"),
        ({"metadata[k]": "v" * 501}, "metadata[k]"),
    ],
)
def test_metadata_has_limits(http: Client, form: dict[str, str], param: str) -> None:
    answer = http.post("/v1/customers", data=form, headers=KEY)
    assert (answer.status_code, error_of(answer)["param"]) == (400, param)


def test_metadata_may_be_full(client: stripe.StripeClient) -> None:
    full = {f"{n:040}": "ä" * 500 for n in range(50)}
    customer = client.v1.customers.create({"metadata": full})
    assert customer.metadata is not None
    assert customer.metadata.to_dict() == full
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.update(customer.id, {"metadata": {"one": "more"}})
    assert caught.value.param == "metadata"


def test_keys_of_metadata_may_be_numbers(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"metadata": {"7": "seven", "0": "zero"}})
    assert customer.metadata is not None
    assert customer.metadata.to_dict() == {"7": "seven", "0": "zero"}


def test_text_may_be_anything(client: stripe.StripeClient) -> None:
    name = 'a&b=c[0] 100% + "ä" \x00 💳 \u202e'
    assert client.v1.customers.create({"name": name}).name == name
    assert client.v1.customers.list({"email": name}).data == []


def test_lists_may_come_without_indexes(http: Client, client: stripe.StripeClient) -> None:
    answer = post(http, "preferred_locales[]=de&preferred_locales[]=fr")
    assert answer.get_json()["preferred_locales"] == ["de", "fr"]
    answer = post(http, "preferred_locales[9]=de&preferred_locales[3]=fr")
    assert answer.get_json()["preferred_locales"] == ["fr", "de"]
    answer = post(
        http,
        "invoice_settings[custom_fields][][name]=a&invoice_settings[custom_fields][][value]=1&"
        "invoice_settings[custom_fields][][name]=b&invoice_settings[custom_fields][][value]=2",
    )
    assert answer.get_json()["invoice_settings"]["custom_fields"] == [
        {"name": "a", "value": "1"},
        {"name": "b", "value": "2"},
    ]


def test_the_last_of_two_wins(http: Client) -> None:
    assert post(http, "name=Ada&name=Bob").get_json()["name"] == "Bob"


def test_a_defect_is_a_logged_500(
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    every_answer_fits: dict[str, None],
) -> None:
    def broken(*_: object) -> t.NoReturn:
        raise RuntimeError("a defect")

    monkeypatch.setattr(customers, "new_customer", broken)
    with pytest.raises(stripe.APIError) as caught:
        sandbox.client().v1.customers.create({"name": "Ada"})
    assert caught.value.http_status == 500
    assert caught.value.error is not None
    assert caught.value.error.type == "api_error"
    record = caplog.records[-1]
    assert record.exc_info is not None
    assert "RuntimeError: a defect" in caplog.text
    assert sandbox.requests[-1].status == 500
    assert list(every_answer_fits)
    every_answer_fits.clear()
