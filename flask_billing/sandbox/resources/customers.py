"""Customers."""

import re

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import balance, ending
from flask_billing.sandbox.errors import invalid, missing_object, not_built
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import new_id, new_invoice_prefix
from flask_billing.sandbox.lists import counted, page
from flask_billing.sandbox.resources import fields, payment_methods, tax_ids, test_clocks
from flask_billing.sandbox.router import Call, endpoint

_PLAIN = ("description", "email", "name", "phone", "tax_exempt", "business_name", "individual_name")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NOT_BUILT = ("cash_balance", "source", "default_source")


@endpoint("POST", "/v1/customers", "CustomerCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a customer, on a test clock if one is named."""
    if "test_clock" in call.params:
        test_clocks.join(account, call.params["test_clock"])
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
    created = account.mark()
    minted = None
    if params.get("payment_method"):
        minted = payment_methods.usable(account, params["payment_method"], "payment_method")
        payment_methods.attach_to(account, minted, customer["id"])
        params = _with_minted(params, minted["id"])
    _change(account, customer, params)
    balance.set_to(account, customer, params.get("balance", 0), "initial")
    account.emit("customer.created", customer, at=created)
    for entry in params.get("tax_id_data") or []:
        tax_ids.add(account, customer, entry["type"], entry["value"])
    return account.save(customer)


def _with_minted(params: Body, method_id: str) -> Body:
    """The parameters with the new card's id for the token that stood for it."""
    settings = params.get("invoice_settings") or {}
    if settings.get("default_payment_method") != params["payment_method"]:
        return params
    return {**params, "invoice_settings": {**settings, "default_payment_method": method_id}}


def _check(params: Body) -> None:
    for name in _NOT_BUILT:
        if name in params:
            raise not_built(f"`{name}` of customers", name)
    email = params.get("email")
    if email and not _EMAIL.fullmatch(email):
        raise invalid(f"Invalid email address: {email}", "email", "email_invalid")
    fields.not_longer(params, "email", 512)
    fields.not_longer(params, "name", 256)
    fields.not_longer(params, "phone", 20)
    if len((params.get("invoice_settings") or {}).get("custom_fields") or []) > 4:
        raise invalid(
            "Array custom_fields exceeded maximum 4 allowed elements.",
            "invoice_settings[custom_fields]",
        )


def _change(account: Account, customer: Body, params: Body) -> None:
    _check(params)
    fields.assign(customer, params, _PLAIN)
    customer["tax_exempt"] = customer["tax_exempt"] or "none"
    if "preferred_locales" in params:
        customer["preferred_locales"] = params["preferred_locales"] or []
    if "address" in params:
        merged = {**(customer["address"] or {}), **(params["address"] or {})}
        customer["address"] = fields.address(merged) if params["address"] else None
    if "shipping" in params:
        customer["shipping"] = _shipping(customer["shipping"] or {}, params["shipping"])
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" in settings:
        customer["invoice_settings"]["default_payment_method"] = _default_method(
            account, customer, settings["default_payment_method"]
        )
    fields.assign(
        customer["invoice_settings"], settings, ("custom_fields", "footer", "rendering_options")
    )
    fields.merge_metadata(customer, params)


def _shipping(known: Body, asked: Body | str) -> Body | None:
    if not asked or isinstance(asked, str):
        return None
    place = {**(known.get("address") or {}), **(asked.get("address") or {})}
    return {
        "address": fields.address(place),
        "name": asked.get("name", known.get("name")),
        "phone": asked.get("phone", known.get("phone")) or None,
    }


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
    """A page of customers, by email; those on a test clock only if it is named."""
    where = [("$.email", call.params["email"])] if "email" in call.params else []
    on_clock, none = test_clocks.filtered(call)
    return page(account, call, "customer", where=[*where, *on_clock], more=none)


@endpoint("GET", "/v1/customers/{id}/payment_methods", "CustomerPaymentMethodListParams")
def list_payment_methods(account: Account, call: Call) -> Body:
    """A page of the customer's payment methods."""
    account.require("customer", call.id, param="customer!")
    return payment_methods.page_for(account, call, call.id)


@endpoint("GET", "/v1/customers/{id}/payment_methods/{id}", "CustomerPaymentMethodRetrieveParams")
def retrieve_payment_method(account: Account, call: Call) -> Body:
    """One of the customer's payment methods."""
    account.require("customer", call.id, param="customer!")
    method = payment_methods.require(account, call.ids[1])
    if method["customer"] != call.id:
        raise missing_object("PaymentMethod", call.ids[1], "payment_method")
    return method


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
