"""Every endpoint's parameter type exists in stripe-python, and belongs to that endpoint."""

from __future__ import annotations

import functools
import re
import typing as t
from pathlib import Path
from urllib.parse import urlencode

import pytest
import stripe
import stripe.params
from stripe._request_options import RequestOptions
from werkzeug.test import Client

from flask_billing.sandbox import Sandbox, contract, router
from flask_billing.sandbox.errors import ApiError

from .conftest import Shop

KEY = {"Authorization": "Bearer sk_test_anything"}


def endpoints() -> list[router.Endpoint]:
    Sandbox().close()
    return router.registered()


@functools.cache
def parameters_in_the_sdk() -> dict[tuple[str, str], str]:
    """(method, path with {id}) -> parameter type, read from the SDK's services."""
    found = {}
    pattern = re.compile(
        r'params: (?:Optional\[)?"(?P<type>\w+)"|'
        r'_request\(\s*"(?P<method>\w+)",\s*"(?P<path>/v[12]/[^"]+)"'
    )
    root = Path(stripe.__file__).parent

    for file in root.rglob("_*_service.py"):
        folder = file.relative_to(root).parts[:-1]
        last = None

        for match in pattern.finditer(file.read_text()):
            if match["type"]:
                last = match["type"]
            elif last is not None:
                path = re.sub(r"\{\w+\}", "{id}", match["path"])
                found[match["method"].upper(), path] = ".".join([*folder, last])

    return found


def fields_of(name: str) -> set[str]:
    """The parameters of a type below ``stripe.params``."""
    return set(contract.params_type(name).__annotations__) - set(RequestOptions.__annotations__)


def sent(http: Client, endpoint: router.Endpoint, name: str, value: str) -> dict[str, t.Any]:
    """The answer to a request with this one parameter."""
    path = "/" + "/".join(part.replace("{id}", "x_1") for part in endpoint.parts)
    data = {name: value}

    if endpoint.method == "POST" and endpoint.parts[0] == "v2":
        answer = http.post(path, json=data, headers=KEY)
    elif endpoint.method == "POST":
        answer = http.post(path, data=data, headers=KEY)
    else:
        answer = http.open(f"{path}?{urlencode(data)}", method=endpoint.method, headers=KEY)

    body: dict[str, t.Any] = answer.get_json()
    return body


every_endpoint = pytest.mark.parametrize(
    "endpoint", endpoints(), ids=lambda one: f"{one.method} {'/'.join(one.parts)}"
)


@every_endpoint
def test_the_type_is_the_endpoints(endpoint: router.Endpoint) -> None:
    path = "/" + "/".join(endpoint.parts)
    assert parameters_in_the_sdk()[endpoint.method, path] == endpoint.contract


@every_endpoint
def test_an_endpoint_knows_its_parameters_and_no_others(
    endpoint: router.Endpoint, sandbox: Sandbox
) -> None:
    http = Client(sandbox.wsgi_app)

    for name in sorted(fields_of(endpoint.contract)):
        error = sent(http, endpoint, name, "").get("error", {})
        assert error.get("code") != "parameter_unknown", name

    error = sent(http, endpoint, "surely_unknown", "1")["error"]
    assert (error["code"], error["param"]) == ("parameter_unknown", "surely_unknown")
    assert error["message"] == "Received unknown parameter: surely_unknown"


@pytest.mark.parametrize(
    ("path", "form", "code", "param"),
    [
        ("subscriptions", "items[0][price]=x", "parameter_missing", "customer"),
        ("subscriptions", "customer=c&items[0][cost]=1", "parameter_unknown", "items[0][cost]"),
        ("subscriptions", "customer=c&items=x", None, "items"),
        (
            "subscriptions",
            "customer=c&items[3][quantity]=2.5",
            "parameter_invalid_integer",
            "items[3][quantity]",
        ),
        (
            "subscriptions",
            "customer=c&items[0][quantity]=1_0",
            "parameter_invalid_integer",
            "items[0][quantity]",
        ),
        ("subscriptions", "customer=c&payment_behavior=maybe", None, "payment_behavior"),
        ("subscriptions", "customer=c&off_session=yes", None, "off_session"),
        ("subscriptions", "customer=", "parameter_invalid_empty", "customer"),
        (
            "subscriptions",
            "customer=c&items[0][price]=x&trial_end=soon",
            "parameter_invalid_integer",
            "trial_end",
        ),
        (
            "prices",
            "currency=usd&product_data[name]=x&recurring[interval]=eon",
            None,
            "recurring[interval]",
        ),
        (
            "prices",
            "currency=usd&product_data[name]=x&unit_amount_decimal=1e99999999",
            None,
            "unit_amount_decimal",
        ),
        ("coupons", "percent_off=Infinity", None, "percent_off"),
        ("customers", "metadata=x", None, "metadata"),
        ("customers", "metadata[a][b]=x", None, "metadata[a]"),
    ],
)
def test_mistakes_are_named_where_they_are(
    sandbox: Sandbox, path: str, form: str, code: str | None, param: str
) -> None:
    answer = Client(sandbox.wsgi_app).post(
        f"/v1/{path}", data=form, headers=KEY, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert (error["type"], error.get("code"), error["param"]) == (
        "invalid_request_error",
        code,
        param,
    )


def test_an_enumeration_is_closed_although_typed_open() -> None:
    with pytest.raises(ApiError) as caught:
        contract.read_params("SubscriptionListParams", {"status": "alive"})
    assert caught.value.message == (
        "Invalid status: must be one of active, all, canceled, ended, incomplete, "
        "incomplete_expired, past_due, paused, trialing, or unpaid"
    )


def test_an_empty_string_unsets_where_it_may(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create(
        {"name": "Ada", "address": {"city": "Bern"}, "metadata": {"a": "1", "b": "2"}}
    )
    client.v1.customers.update(customer.id, {"address": "", "metadata": {"a": ""}})
    found = client.v1.customers.retrieve(customer.id)
    assert (found.address, found.metadata.to_dict()) == (None, {"b": "2"})  # type: ignore[union-attr]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.products.create({"name": ""})
    assert caught.value.code == "parameter_invalid_empty"


def test_a_refusal_is_replayed_although_nothing_is_kept(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer("pm_card_chargeCustomerFail")
    params: stripe.params.SubscriptionCreateParams = {
        "customer": customer,
        "items": [{"price": shop.month}],
        "payment_behavior": "error_if_incomplete",
    }
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.subscriptions.create(params, {"idempotency_key": "k"})
        card = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
        client.v1.customers.update(
            customer, {"invoice_settings": {"default_payment_method": card.id}}
        )
    assert client.v1.subscriptions.create(params, {"idempotency_key": "k2"}).status == "active"


def test_canceling_may_credit_and_bill_at_once(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer()
    subscription = shop.subscribe(customer)
    sandbox.clock.advance(days=14)
    client.v1.subscriptions.cancel(subscription, {"prorate": True, "invoice_now": True})
    invoice = client.v1.invoices.list({"customer": customer}).data[0]
    assert (invoice.total, invoice.status) == (-1250, "draft")
    client.v1.invoices.finalize_invoice(invoice.id)
    assert client.v1.customers.retrieve(customer).balance == -1250


@pytest.mark.parametrize(
    ("path", "params", "param"),
    [
        ("payment_intents", {"confirmation_token": "ctoken_1"}, "confirmation_token"),
        ("refunds", {"reverse_transfer": "true"}, "reverse_transfer"),
        ("subscription_items", {"current_trial": {"trial_offer": "to_1"}}, "current_trial"),
        (
            "subscriptions",
            {"invoice_settings": {"account_tax_ids": ["atxi_1"]}},
            "invoice_settings[account_tax_ids]",
        ),
    ],
)
def test_what_would_be_passed_over_is_refused(
    client: stripe.StripeClient, shop: Shop, path: str, params: dict[str, t.Any], param: str
) -> None:
    needed: dict[str, dict[str, t.Any]] = {
        "payment_intents": {"amount": 2900, "currency": "usd"},
        "subscription_items": {"subscription": "sub_1", "price": shop.month},
        "subscriptions": {"customer": shop.customer(), "items": [{"price": shop.month}]},
    }
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.raw_request("post", f"/v1/{path}", **needed.get(path, {}), **params)

    assert (caught.value.http_status, caught.value.param) == (404, param)
    assert "The sandbox does not know" in str(caught.value)
