"""Every endpoint's parameter type exists in stripe-python, and belongs to that endpoint."""

from __future__ import annotations

import collections.abc as c
import functools
import re
from pathlib import Path

import pytest
import stripe
import stripe.params

from flask_billing.sandbox import Sandbox, contract, router
from flask_billing.sandbox.errors import ApiError

from .conftest import Shop


def endpoints() -> c.Iterator[router.Endpoint]:
    Sandbox().close()
    for found in router._ENDPOINTS.values():
        yield from found


@functools.cache
def parameters_in_the_sdk() -> dict[tuple[str, str], str]:
    """(method, path with {id}) -> parameter type, read from the SDK's services."""
    found = {}
    pattern = re.compile(
        r'params: (?:Optional\[)?"(?P<type>\w+)"|'
        r'_request\(\s*"(?P<method>\w+)",\s*"(?P<path>/v1/[^"]+)"'
    )
    for file in Path(stripe.__file__).parent.rglob("_*_service.py"):
        last = None
        for match in pattern.finditer(file.read_text()):
            if match["type"]:
                last = match["type"]
            elif last is not None:
                path = re.sub(r"\{\w+\}", "{id}", match["path"])
                found[match["method"].upper(), path] = last
    return found


@pytest.mark.parametrize(
    "endpoint", list(endpoints()), ids=lambda one: f"{one.method} {'/'.join(one.parts)}"
)
def test_the_type_is_the_endpoints(endpoint: router.Endpoint) -> None:
    if endpoint.contract is None:
        return
    read = contract._params_reader(endpoint.contract)
    with pytest.raises(ApiError) as caught:
        read({"surely_unknown": "1"}, "")
    assert caught.value.code == "parameter_unknown"
    path = "/" + "/".join(endpoint.parts)
    name = endpoint.contract.rsplit(".", 1)[-1]
    assert parameters_in_the_sdk()[endpoint.method, path] == name


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
    assert (invoice.total, invoice.status) == (-1250, "paid")
    assert client.v1.customers.retrieve(customer).balance == -1250
