"""Tax ids of customers, and their verification, which takes Stripe a moment."""

import re

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_object, missing_param, not_built
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import counted, page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_MOST = 5
_VERIFIED = {"eu_vat", "gb_vat", "au_abn"}
_FORMATS = {
    "eu_vat": r"(AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK"
    r"|XI)[0-9A-Z+*]{8,12}",
    "gb_vat": r"(GB|XI)([0-9]{9}([0-9]{3})?|(GD|HA)[0-9]{3})",
    "us_ein": r"[0-9]{2}-[0-9]{7}",
    "au_abn": r"[0-9]{11}",
    "ch_vat": r"CHE-?[0-9]{3}\.?[0-9]{3}\.?[0-9]{3} ?(MWST|TVA|IVA)",
    "ca_bn": r"[0-9]{9}",
    "no_vat": r"[0-9]{9}MVA",
}

#: Digits that decide in test mode how the verification of a number ends.
_ENDINGS = {"000000000": "verified", "111111111": "unverified", "222222222": "pending"}


def add(account: Account, customer: Body, kind: str, value: str) -> Body:
    """Give a customer a tax id; emits ``customer.tax_id.created``."""
    value = value.strip().upper()
    if not re.fullmatch(_FORMATS.get(kind, r".{1,50}"), value):
        raise invalid(f"Invalid value for {kind}.", "value", "tax_id_invalid")
    if len(account.find("tax_id", customer=customer["id"])) >= _MOST:
        raise invalid(f"A customer can have up to {_MOST} tax IDs.")

    verified = kind in _VERIFIED
    tax_id = account.add(
        {
            "id": new_id("txi"),
            "object": "tax_id",
            "country": value[:2] if kind == "eu_vat" else kind[:2].upper(),
            "created": account.now,
            "customer": customer["id"],
            "customer_account": None,
            "livemode": False,
            "owner": {"customer": customer["id"], "type": "customer"},
            "type": kind,
            "value": value,
            "verification": {
                "status": "pending" if verified else "unavailable",
                "verified_address": None,
                "verified_name": None,
            },
        }
    )
    account.emit("customer.tax_id.created", tax_id)
    if verified:
        account.schedule(account.now, "tax_id.verify", tax_id["id"])
    return tax_id


def verify(account: Account, tax_id: Body) -> None:
    """The authority answered; what it says depends on the number."""
    ending = next(
        (end for digits, end in _ENDINGS.items() if tax_id["value"].endswith(digits)), "verified"
    )
    if ending == "pending":
        return

    with account.changing(tax_id, "customer.tax_id.updated"):
        tax_id["verification"] = {
            "status": ending,
            "verified_address": "unavailable" if ending == "verified" else None,
            "verified_name": "unavailable" if ending == "verified" else None,
        }


def on_page(account: Account, customer: str) -> list[Body]:
    """The tax ids as invoices and sessions repeat them."""
    return [
        {"type": tax_id["type"], "value": tax_id["value"]}
        for tax_id in account.find("tax_id", customer=customer)
    ]


@endpoint("POST", "/v1/customers/{id}/tax_ids", "CustomerTaxIdCreateParams")
def create(account: Account, call: Call) -> Body:
    """Give a customer a tax id."""
    customer = account.require("customer", call.id, param="customer!")
    return add(account, customer, call.params["type"], call.params["value"])


@endpoint("GET", "/v1/customers/{id}/tax_ids", "CustomerTaxIdListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of a customer's tax ids."""
    account.require("customer", call.id, param="customer!")
    return page(account, call, "tax_id", customer=call.id)


@endpoint("GET", "/v1/customers/{id}/tax_ids/{id}", "CustomerTaxIdRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One tax id of a customer."""
    return _of_customer(account, *call.ids)


@endpoint("DELETE", "/v1/customers/{id}/tax_ids/{id}", "CustomerTaxIdDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Take a tax id from a customer."""
    return _deleted(account, _of_customer(account, *call.ids))


def _of_customer(account: Account, customer: str, object_id: str) -> Body:
    account.require("customer", customer, param="customer!")
    tax_id = account.require("tax_id", object_id)
    if tax_id["customer"] != customer:
        raise missing_object("tax id", object_id)
    return tax_id


def _deleted(account: Account, tax_id: Body) -> Body:
    account.emit("customer.tax_id.deleted", tax_id)
    tax_id["deleted"] = True
    account.save(tax_id)
    return fields.deleted(tax_id)


@endpoint("POST", "/v1/tax_ids", "TaxIdCreateParams")
def create_for_owner(account: Account, call: Call) -> Body:
    """Give the customer named as the owner a tax id."""
    owner = call.params.get("owner") or {"type": "self"}
    if owner["type"] != "customer":
        raise not_built("tax ids of the account itself", "owner[type]")
    if not owner.get("customer"):
        raise missing_param("owner[customer]")

    customer = account.require("customer", owner["customer"], param="owner[customer]")
    return add(account, customer, call.params["type"], call.params["value"])


@endpoint("GET", "/v1/tax_ids/{id}", "TaxIdRetrieveParams")
def retrieve_any(account: Account, call: Call) -> Body:
    """One tax id."""
    return account.require("tax_id", call.id)


@endpoint("DELETE", "/v1/tax_ids/{id}", "TaxIdDeleteParams")
def delete_any(account: Account, call: Call) -> Body:
    """Delete a tax id."""
    return _deleted(account, account.require("tax_id", call.id))


@on_request("customer", "tax_ids")
def _tax_ids(account: Account, customer: Body) -> Body:
    found = account.find("tax_id", customer=customer["id"], newest_first=True)
    url = f"/v1/customers/{customer['id']}/tax_ids"
    return counted(url, [account.show(one) for one in found])
