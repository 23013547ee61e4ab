"""Who pays on a Checkout Session, and what of it goes onto the customer."""

from __future__ import annotations

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.card_form import Card
from flask_billing.sandbox.errors import missing_object
from flask_billing.sandbox.resources import customers, fields, tax_ids


def customer_of(account: Account, session: Body, person: Card) -> Body | None:
    """The session's customer, brought up to date; a new one where the mode wants one."""
    if session["customer"]:
        customer = account.get("customer", session["customer"])
        if customer is None:
            raise missing_object("customer", session["customer"], "customer", 400)
        _update(account, session, customer, person)
        return customer

    if session["mode"] != "subscription" and session["customer_creation"] != "always":
        return None

    customer = customers.new_customer(account, _new(session, person))
    session["customer"] = customer["id"]
    _add_tax_id(account, session, customer, person)
    return customer


def _new(session: Body, person: Card) -> Body:
    params = {
        "email": person.email or session["customer_email"] or "",
        "name": person.name or "",
        "phone": person.phone,
        "address": _address(person),
    }
    return {name: value for name, value in params.items() if value or name in {"email", "name"}}


def _address(person: Card) -> Body | None:
    names = ("line1", "city", "state", "postal_code", "country")
    given = {name: getattr(person, name) for name in names if getattr(person, name)}
    return given or None


def _update(account: Account, session: Body, customer: Body, person: Card) -> None:
    """``customer_update`` says what of the form the customer takes over."""
    updates = session["_"]["customer_update"] or {}
    with account.changing(customer, "customer.updated"):
        if updates.get("name") == "auto" and person.name:
            customer["name"] = person.name
        if updates.get("address") == "auto" and _address(person):
            customer["address"] = fields.address(_address(person))
    _add_tax_id(account, session, customer, person)


def _add_tax_id(account: Account, session: Body, customer: Body, person: Card) -> None:
    if (session.get("tax_id_collection") or {}).get("enabled") and person.tax_id:
        tax_ids.add(account, customer, person.tax_id_type, person.tax_id)


def billing_details(customer: Body | None, person: Card) -> Body:
    """What the card is saved with."""
    return {
        "name": person.name,
        "email": person.email or (customer or {}).get("email"),
        "phone": person.phone,
        "address": _address(person),
    }


def details(account: Account, session: Body, customer: Body | None, person: Card) -> Body:
    """``customer_details`` of the completed session."""
    asked = session["customer_details"] or {"tax_exempt": "none"}
    taxed = customer is not None and (session.get("tax_id_collection") or {}).get("enabled")
    return {
        "address": fields.address({"country": "US", **(_address(person) or {})}),
        "business_name": None,
        "email": (customer or {}).get("email") or person.email or session["customer_email"],
        "individual_name": None,
        "name": person.name or (customer or {}).get("name"),
        "phone": person.phone or None,
        "tax_exempt": asked["tax_exempt"],
        "tax_ids": tax_ids.on_page(account, customer["id"]) if taxed and customer else [],
    }
