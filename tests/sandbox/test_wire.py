"""Stripe's HTTP: keys, parameters, errors, lists, expand, idempotency."""

from __future__ import annotations

import json
import threading
import time
import typing as t

import pytest
import stripe
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox

from ..patience import PATIENCE
from .conftest import Shop

KEY = {"Authorization": "Bearer sk_test_anything"}


@pytest.fixture
def http(sandbox: Sandbox) -> Client:
    """A bare HTTP client."""
    return Client(sandbox.wsgi_app)


def error_of(error: stripe.StripeError) -> dict[str, t.Any]:
    body: dict[str, t.Any] = json.loads(error.http_body or "")["error"]
    return body


def test_answers_carry_a_request_id_and_the_version(http: Client) -> None:
    answer = http.get("/v1/customers", headers=KEY)
    assert answer.status_code == 200
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == "2026-10-28.endive"


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer sk_live_x", "Bearer nonsense", "Basic !!!"]
)
def test_a_wrong_key_is_401(http: Client, authorization: str) -> None:
    answer = http.get("/v1/customers", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_the_key_may_come_as_basic_auth(http: Client) -> None:
    assert http.get("/v1/customers", auth=("sk_test_x", "")).status_code == 200


def test_an_unknown_path_says_so(http: Client) -> None:
    answer = http.post("/v1/issuing/cards", headers=KEY)
    assert answer.status_code == 404
    assert answer.json is not None
    assert "Unrecognized request URL (POST: /v1/issuing/cards)" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"nonsense": "1"}, "parameter_unknown", "nonsense"),
        ({"name": "x", "balance": "ten"}, "parameter_invalid_integer", "balance"),
        ({"tax_exempt": "perhaps"}, None, "tax_exempt"),
        ({"address[nowhere]": "x"}, "parameter_unknown", "address[nowhere]"),
        ({"preferred_locales": "de"}, None, "preferred_locales"),
    ],
)
def test_parameters_are_checked(
    http: Client, form: dict[str, str], code: str | None, param: str
) -> None:
    answer = http.post("/v1/customers", data=form, headers=KEY)
    assert answer.status_code == 400
    assert answer.json is not None
    assert answer.json["error"].get("code") == code
    assert answer.json["error"]["param"] == param


def test_a_missing_parameter_is_named(http: Client) -> None:
    answer = http.post("/v1/products", data={"description": "x"}, headers=KEY)
    assert answer.json is not None
    assert answer.json["error"]["message"] == "Missing required param: name."
    assert answer.json["error"]["code"] == "parameter_missing"


def test_an_enumeration_names_its_values(http: Client) -> None:
    answer = http.get("/v1/subscriptions?status=alive", headers=KEY)
    assert answer.json is not None
    assert answer.json["error"]["message"].startswith("Invalid status: must be one of ")


@pytest.mark.parametrize(
    "body", ["a[b=1", "%ff=1", "a[b][c][d][e][f][g][h][i][j][k][l][m][n]=1", "=", "a=1&a[b]=2"]
)
def test_malformed_forms_are_400(http: Client, body: str) -> None:
    answer = http.post(
        "/v1/customers",
        data=body,
        headers=KEY,
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 400


def test_a_huge_body_is_refused(http: Client) -> None:
    answer = http.post(
        "/v1/customers",
        data="name=" + "x" * (2**20 + 10),
        headers=KEY,
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code == 413


def test_objects_that_are_not_there(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as path:
        client.v1.customers.retrieve("cus_x")
    assert (path.value.http_status, path.value.code, path.value.param) == (
        404,
        "resource_missing",
        "id",
    )
    assert path.value.user_message == "No such customer: 'cus_x'"
    with pytest.raises(stripe.InvalidRequestError) as body:
        shop.subscribe(price="price_x")
    assert (body.value.http_status, body.value.param) == (400, "items[0][price]")
    assert body.value.user_message == "No such price: 'price_x'"


def test_lists_go_on_from_a_cursor(client: stripe.StripeClient) -> None:
    ids = [client.v1.customers.create({"name": f"{n}"}).id for n in range(25)]
    first = client.v1.customers.list()
    assert [one.id for one in first.data] == ids[:14:-1]
    assert first.has_more
    everybody = client.v1.customers.list({"limit": 7}).auto_paging_iter()
    assert [one.id for one in everybody] == ids[::-1]
    before = client.v1.customers.list({"ending_before": ids[3], "limit": 2})
    assert [one.id for one in before.data] == [ids[5], ids[4]]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"starting_after": "cus_x"})
    assert caught.value.code == "resource_missing"


@pytest.mark.parametrize("limit", [0, 101, -1])
def test_a_page_has_1_to_100(client: stripe.StripeClient, limit: int) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"limit": limit})
    assert (caught.value.http_status, caught.value.param) == (400, "limit")


def test_one_cursor_at_a_time(client: stripe.StripeClient) -> None:
    one = client.v1.customers.create({"name": "Ada"}).id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"starting_after": one, "ending_before": one})
    assert "only specify one of these parameters" in str(caught.value)


def test_a_cursor_of_another_kind(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"ending_before": shop.product})
    assert (caught.value.code, caught.value.param) == ("resource_missing", "ending_before")


def test_lists_inside_objects_have_cursors_too(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    for amount in range(100, 105):
        client.v1.invoice_items.create({"customer": customer, "amount": amount, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    lines = client.v1.invoices.line_items
    ids = [line.id for line in lines.list(invoice.id).auto_paging_iter()]
    assert len(ids) == 5
    after = lines.list(invoice.id, {"starting_after": ids[1], "limit": 2})
    assert ([line.id for line in after.data], after.has_more) == (ids[2:4], True)
    before = lines.list(invoice.id, {"ending_before": ids[3], "limit": 2})
    assert ([line.id for line in before.data], before.has_more) == (ids[1:3], True)
    first = lines.list(invoice.id, {"ending_before": ids[1], "limit": 2})
    assert ([line.id for line in first.data], first.has_more) == (ids[:1], False)
    with pytest.raises(stripe.InvalidRequestError):
        lines.list(invoice.id, {"starting_after": "il_x"})


def test_lists_by_the_time_of_creation(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    made = {}
    for name in ("a", "b", "c"):
        made[name] = client.v1.customers.create({"name": name}).created
        sandbox.clock.advance(hours=1)

    def names(created: t.Any) -> str:
        return "".join(one.name or "" for one in client.v1.customers.list({"created": created}))

    b = made["b"]
    assert names({"gt": b}) == "c"
    assert names({"gte": b}) == "cb"
    assert names({"lt": b}) == "a"
    assert names({"lte": b}) == "ba"
    assert names({"gt": made["a"], "lt": made["c"]}) == "b"
    assert names(b) == "b"
    for wrong, param in (({"near": b}, "created[near]"), ("today", "created")):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            names(wrong)
        assert caught.value.param == param


def test_prices_by_lookup_keys(client: stripe.StripeClient, shop: Shop) -> None:
    found = client.v1.prices.list(
        {"lookup_keys": ["pro_year", "nobody", "pro_month"], "expand": ["data.product"]}
    )
    assert {price.id for price in found.data} == {shop.month, shop.year}
    assert {price.product.name for price in found.data} == {"Pro"}  # type: ignore[union-attr]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.prices.list({"lookup_keys": [f"key_{n}" for n in range(11)]})
    assert caught.value.param == "lookup_keys"


def test_a_delete_has_its_parameters_in_the_query(
    http: Client, client: stripe.StripeClient, shop: Shop
) -> None:
    subscription = shop.subscribe()
    path = f"/v1/subscriptions/{subscription}"
    refused = http.delete(f"{path}?nonsense=1", headers=KEY)
    assert refused.get_json()["error"]["code"] == "parameter_unknown"
    answer = http.delete(f"{path}?cancellation_details[feedback]=unused&prorate=true", headers=KEY)
    assert answer.get_json()["cancellation_details"]["feedback"] == "unused"


def test_expand_goes_deep(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer()
    shop.subscribe(customer)
    found = client.v1.subscriptions.list(
        {
            "customer": customer,
            "expand": ["data.latest_invoice.payments.data", "data.items.data.price.product"],
        }
    ).data[0]
    assert found["items"].data[0].price.product.name == "Pro"
    assert found.latest_invoice.payments.data[0].status == "paid"  # type: ignore[union-attr]
    invoice = client.v1.invoices.list({"expand": ["data.customer"]}).data[0]
    assert invoice.customer.email == "ada@example.com"  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["email", "nowhere", "default_source.x.y.z.q"])
def test_what_cannot_be_expanded(client: stripe.StripeClient, path: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"name": "Ada", "expand": [path]})
    assert caught.value.http_status == 400
    assert client.v1.customers.list().data == []


def test_one_key_does_the_work_once(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    first = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k1"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k1"})
    assert again.id == first.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.customers.list().data) == 1
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"name": "Bob"}, {"idempotency_key": "k1"})
    assert caught.value.http_status == 400


def test_a_decline_is_replayed_and_a_validation_error_is_not(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer(card=None)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.pay("in_x", {}, {"idempotency_key": "k"})
    invoice_id = _open_invoice(client, customer)
    for _ in range(2):
        with pytest.raises(stripe.CardError) as caught:
            client.v1.invoices.pay(
                invoice_id,
                {"payment_method": _failing_card(client, customer)} if _ == 0 else _again,
                {"idempotency_key": "pay"},
            )
    assert caught.value.code == "card_declined"
    assert client.v1.invoices.retrieve(invoice_id).attempt_count == 1


_again: t.Any = {}


def _failing_card(client: stripe.StripeClient, customer: str) -> str:
    method = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    _again.update(payment_method=method.id)
    return method.id


def _open_invoice(client: stripe.StripeClient, customer: str) -> str:
    client.v1.invoice_items.create({"customer": customer, "amount": 1000, "currency": "usd"})
    invoice = client.v1.invoices.create(
        {"customer": customer, "pending_invoice_items_behavior": "include"}
    )
    return client.v1.invoices.finalize_invoice(invoice.id).id


def test_a_key_belongs_to_one_endpoint(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.products.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert "('/v1/products' vs '/v1/customers')" in str(caught.value)


def test_a_replay_is_the_first_answer(client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    client.v1.customers.update(first.id, {"name": "Bob"})
    again = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
    assert again.name == "Ada"
    assert first.last_response is not None
    assert again.last_response is not None
    before, after = first.last_response.headers, again.last_response.headers
    assert "Idempotent-Replayed" not in before
    assert after["Original-Request"] == before["Request-Id"] == before["Original-Request"]
    assert after["Request-Id"] != before["Request-Id"]
    assert after["Idempotency-Key"] == "k"


def test_what_was_refused_may_be_asked_again_with_its_key(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.products.create({"name": ""}, {"idempotency_key": "k"})
    assert client.v1.products.create({"name": "Pro"}, {"idempotency_key": "k"}).name == "Pro"


def test_keys_have_255_characters(client: stripe.StripeClient) -> None:
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k" * 255})
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k" * 256})
    assert caught.value.http_status == 400
    assert len(client.v1.customers.list().data) == 1


def test_keys_are_kept_for_a_day_of_wall_time(
    client: stripe.StripeClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create() -> str:
        return client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"}).id

    first = create()
    sandbox.clock.advance(days=31)
    assert create() == first
    day = time.time() + 24 * 3600
    monkeypatch.setattr(time, "time", lambda: day - 60)
    assert create() == first
    monkeypatch.setattr(time, "time", lambda: day + 60)
    assert create() != first


def test_a_key_in_flight_is_a_409(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    """The first request waits for the store, which somebody else holds; the second comes then."""
    answers: list[tuple[int | None, str | None]] = []

    def create() -> None:
        try:
            client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "k"})
            answers.append((200, None))
        except stripe.StripeError as error:
            answers.append((error.http_status, error_of(error)["code"]))

    waiting = [threading.Thread(target=create) for _ in range(2)]
    with sandbox._room.store.transaction():
        for thread in waiting:
            thread.start()
        deadline = time.monotonic() + PATIENCE
        while not answers and time.monotonic() < deadline:
            time.sleep(0.01)
    for thread in waiting:
        thread.join()
    assert answers == [(409, "idempotency_key_in_use"), (200, None)]
    create()
    assert len(client.v1.customers.list().data) == 1


def test_requests_are_remembered(client: stripe.StripeClient, sandbox: Sandbox) -> None:
    client.v1.customers.create(
        {"name": "Ada", "metadata": {"plan": "pro"}}, {"idempotency_key": "k1"}
    )
    request = sandbox.requests[-1]
    assert (request.method, request.path, request.status) == ("POST", "/v1/customers", 200)
    assert request.params == {"name": "Ada", "metadata": {"plan": "pro"}}
    assert request.idempotency_key == "k1"
