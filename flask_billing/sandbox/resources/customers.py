"""Customers."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import balance, ending
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import new_id, new_invoice_prefix
from flask_billing.sandbox.lists import counted, page
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.router import Call, endpoint

_PLAIN = ("description", "email", "name", "phone", "tax_exempt")


@endpoint("POST", "/v1/customers", "CustomerCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a customer."""
    return new_customer(account, call.params)


def new_customer(account: Account, params: Body) -> Body:
    """A customer from its parameters; emits ``customer.created``."""
    customer: Body = {
        "id": new_id("cus"),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": params.get("invoice_prefix") or new_invoice_prefix(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": params.get("next_invoice_sequence", 1),
        "phone": None,
        "preferred_locales": params.get("preferred_locales") or [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    account.add(customer)
    _change(account, customer, params)
    balance.set_to(account, customer, params.get("balance", 0), "initial")
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        payment_methods.attach_to(account, method, customer["id"])
    account.emit("customer.created", customer)
    return customer


def _change(account: Account, customer: Body, params: Body) -> None:
    fields.assign(customer, params, _PLAIN)
    customer["tax_exempt"] = customer["tax_exempt"] or "none"
    if "preferred_locales" in params:
        customer["preferred_locales"] = params["preferred_locales"] or []
    if "address" in params:
        merged = {**(customer["address"] or {}), **(params["address"] or {})}
        customer["address"] = fields.address(merged) if params["address"] else None
    if "shipping" in params:
        shipping = params["shipping"] or None
        customer["shipping"] = shipping and {
            "address": fields.address(shipping.get("address")),
            "name": shipping.get("name"),
            "phone": shipping.get("phone") or None,
        }
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        customer["invoice_settings"]["default_payment_method"] = _default_method(
            account, customer, settings["default_payment_method"]
        )
    fields.assign(customer["invoice_settings"], settings, ("custom_fields", "footer"))
    fields.merge_metadata(customer, params)


def _default_method(account: Account, customer: Body, object_id: str) -> str | None:
    if object_id == "":
        return None
    param = "invoice_settings[default_payment_method]"
    method = payment_methods.of_customer(account, object_id, customer["id"], param)
    default: str = method["id"]
    return default


@endpoint("GET", "/v1/customers/{id}", "CustomerRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One customer; of a deleted one, that it was deleted."""
    body = account.anything(call.id)
    if body and body["object"] == "customer" and body.get("deleted"):
        return fields.deleted(body)
    return account.require("customer", call.id)


@endpoint("POST", "/v1/customers/{id}", "CustomerUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a customer."""
    customer = account.require("customer", call.id)
    with account.changing(customer, "customer.updated"):
        _change(account, customer, call.params)
        if "balance" in call.params:
            balance.set_to(account, customer, call.params["balance"])
    return customer


@endpoint("DELETE", "/v1/customers/{id}", "CustomerDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Delete a customer and cancel the subscriptions."""
    customer = account.require("customer", call.id)
    for subscription in account.find("subscription", customer=customer["id"]):
        if subscription["status"] not in {"canceled", "incomplete_expired"}:
            ending.cancel(account, subscription)
    account.emit("customer.deleted", customer)
    customer["deleted"] = True
    account.save(customer)
    return fields.deleted(customer)


@endpoint("GET", "/v1/customers", "CustomerListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of customers, by email."""
    where = [("$.email", call.params["email"])] if "email" in call.params else []
    return page(account, call, "customer", where=where)


@endpoint("GET", "/v1/customers/{id}/payment_methods", "CustomerPaymentMethodListParams")
def list_payment_methods(account: Account, call: Call) -> Body:
    """A page of the customer's payment methods."""
    account.require("customer", call.id, param="customer!")
    where = [("$.type", call.params["type"])] if "type" in call.params else []
    return page(account, call, "payment_method", customer=call.id, where=where)


@endpoint("GET", "/v1/customers/{id}/payment_methods/{id}", "CustomerPaymentMethodRetrieveParams")
def retrieve_payment_method(account: Account, call: Call) -> Body:
    """One of the customer's payment methods."""
    account.require("customer", call.id, param="customer!")
    return account.require(
        "payment_method", call.ids[1], param="payment_method!", label="PaymentMethod"
    )


@on_request("customer", "tax")
def _tax(account: Account, customer: Body) -> Body:
    return {
        "automatic_tax": "unrecognized_location",
        "ip_address": None,
        "location": None,
        "provider": "stripe",
    }


@on_request("customer", "invoice_credit_balance")
def _invoice_credit_balance(account: Account, customer: Body) -> Body:
    stored = account.anything(customer["id"])
    return dict(balance.by_currency(stored or customer))


@on_request("customer", "subscriptions")
def _subscriptions(account: Account, customer: Body) -> Body:
    found = account.find("subscription", customer=customer["id"], newest_first=True)
    live = [account.show(one) for one in found if one["status"] != "canceled"]
    return counted(f"/v1/customers/{customer['id']}/subscriptions", live)


@on_request("customer", "sources")
def _sources(account: Account, customer: Body) -> Body:
    return counted(f"/v1/customers/{customer['id']}/sources", [])
