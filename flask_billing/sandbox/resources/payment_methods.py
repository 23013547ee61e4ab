"""Payment methods: cards minted from test tokens, attached to customers and detached."""

import hashlib
from datetime import UTC, datetime

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.card_form import Card, check_card, check_expiry
from flask_billing.sandbox.engine.payments import card_error
from flask_billing.sandbox.errors import invalid, missing_object, missing_param, not_built
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_BANK_TOKENS = {"pm_usBankAccount_success": False, "pm_usBankAccount_insufficientFunds": True}


def mint(
    account: Account,
    card: cards.Card,
    *,
    exp_month: int | None = None,
    exp_year: int | None = None,
    billing: Body | None = None,
    cvc: bool = True,
    unchecked: bool = False,
) -> Body:
    """A payment method for a test card.

    ``cvc`` says that the security code was given, ``unchecked`` that no bank has seen the card.
    """
    today = datetime.fromtimestamp(account.now, UTC)
    billing = billing or {}
    place = fields.address(billing.get("address")) or {}
    method = account.add(
        {
            "id": new_id("pm"),
            "object": "payment_method",
            "allow_redisplay": "unspecified",
            "billing_details": {
                "address": place or fields.address({"city": None}),
                "email": billing.get("email") or None,
                "name": billing.get("name") or None,
                "phone": billing.get("phone") or None,
                "tax_id": None,
            },
            "card": {
                "brand": card.brand,
                "checks": {
                    "address_line1_check": "unchecked" if place.get("line1") else None,
                    "address_postal_code_check": "unchecked" if place.get("postal_code") else None,
                    "cvc_check": "unchecked" if cvc else None,
                },
                "country": card.country,
                "display_brand": card.display_brand,
                "exp_month": exp_month or today.month,
                "exp_year": exp_year or today.year + 1,
                "fingerprint": hashlib.sha256(card.number.encode()).hexdigest()[:16],
                "funding": card.funding,
                "generated_from": None,
                "last4": card.last4,
                "networks": {"available": [card.brand], "preferred": None},
                "regulated_status": "unregulated",
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": account.now,
            "customer": None,
            "customer_account": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
            "_": {"number": card.number},
        }
    )
    if not unchecked:
        _check_with_bank(method)
    return method


def _check_with_bank(method: Body) -> None:
    """What was typed is compared with what the bank knows, once the card is saved or charged."""
    checks = (method.get("card") or {}).get("checks") or {}
    for name, result in checks.items():
        if result == "unchecked":
            refused = name == "cvc_check" and cards.card_of(method).behaviour == "cvc_fails"
            checks[name] = "fail" if refused else "pass"


def mint_bank_account(
    account: Account, *, fails: bool = False, billing: Body | None = None
) -> Body:
    """A payment method for a test bank account; ``fails`` says how its debits end."""
    method = mint(account, cards.BANK_STAND_IN, billing=billing)
    del method["card"]
    method["type"] = "us_bank_account"
    method["us_bank_account"] = {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": "FFDMA0xfhBjWSZLu",
        "last4": "1116" if fails else "6789",
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
    }
    method["_"]["fails"] = fails
    return account.save(method)


def usable(account: Account, object_id: str, param: str, status: int = 400) -> Body:
    """The payment method with this id, or a new one when it is a test token."""
    card = cards.by_token(object_id)
    if card is not None:
        return mint(account, card)
    if object_id in _BANK_TOKENS:
        return mint_bank_account(account, fails=_BANK_TOKENS[object_id])
    method = account.get("payment_method", object_id)
    if method is None:
        error = missing_object("PaymentMethod", object_id, param, status)
        error.message += (
            "; It's possible this PaymentMethod exists on one of your connected accounts, in which "
            "case you should retry this request on that connected account. Learn more at "
            "https://stripe.com/docs/connect/authentication"
        )
        raise error
    return method


def of_customer(account: Account, object_id: str, customer_id: str, param: str) -> Body:
    """A payment method that must be attached to this customer already."""
    method = account.require("payment_method", object_id, param=param, label="PaymentMethod")
    if method["customer"] != customer_id:
        raise invalid(
            f"The customer does not have a payment method with the ID {object_id}. The payment "
            "method must be attached to the customer.",
            param,
            "resource_missing",
        )
    return method


def attach_to(account: Account, method: Body, customer_id: str) -> None:
    """Attach a payment method to a customer; a card that is refused is a 402."""
    if method["customer"] == customer_id:
        return
    if method["customer"] is not None:
        raise invalid(
            "The payment method you provided has already been attached to a customer.",
            "payment_method",
            "payment_method_unexpected_state",
        )
    if method["_"].get("detached"):
        raise invalid(
            "This PaymentMethod was previously used without being attached to a Customer or was "
            "detached from a Customer, and may not be used again."
        )
    card = cards.card_of(method)
    if card.fails_setup:
        raise card_error(card.decline or cards.GENERIC, param="")
    method["customer"] = customer_id
    _check_with_bank(method)
    account.save(method)
    account.emit("payment_method.attached", method)


@endpoint("POST", "/v1/payment_methods", "PaymentMethodCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a card from a test number or token."""
    return new(account, call.params)


def new(account: Account, params: Body) -> Body:
    """A card from the parameters of ``POST /v1/payment_methods``."""
    if "payment_method" in params or "customer" in params:
        raise not_built("cards shared with connected accounts", "payment_method")
    kind = params.get("type")
    if kind is None:
        raise missing_param("type")
    if kind != "card":
        raise not_built(f"payment methods of the type `{kind}`", "type")
    if not params.get("card"):
        raise missing_param("card")

    method = of_card(account, params["card"], params.get("billing_details"))
    method["metadata"] = fields.new_metadata(params)
    method["allow_redisplay"] = params.get("allow_redisplay", "unspecified")
    return account.save(method)


def of_card(account: Account, details: Body, billing: Body | None = None) -> Body:
    """A payment method for the ``card`` hash: a token, or a number with expiry and code."""
    if "token" in details:
        card = cards.by_token(details["token"].replace("tok_", "pm_card_", 1))
        if card is None:
            raise missing_object("token", details["token"], "card[token]", 400)
        return mint(account, card, billing=billing)

    for name in ("number", "exp_month", "exp_year"):
        if not details.get(name):
            raise missing_param(f"card[{name}]")

    year = details["exp_year"]
    typed = Card(
        details["number"],
        details["exp_month"],
        year + 2000 if year < 100 else year,
        details.get("cvc") or "",
    )
    found = check_card(account, typed)
    assert found is not None
    return mint(
        account,
        found,
        exp_month=typed.exp_month,
        exp_year=typed.exp_year,
        billing=billing,
        cvc=bool(typed.cvc),
        unchecked=True,
    )


def require(account: Account, object_id: str) -> Body:
    """The payment method with the id in the path."""
    return account.require(
        "payment_method", object_id, param="payment_method!", label="PaymentMethod"
    )


@endpoint("GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One payment method."""
    return usable(account, call.id, "payment_method", 404)


@endpoint("POST", "/v1/payment_methods/{id}", "PaymentMethodUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change billing details, expiry and metadata of a card that belongs to a customer."""
    method = require(account, call.id)
    params = call.params
    if method["customer"] is None:
        raise invalid(
            "You must save this PaymentMethod to a customer before you can update it.",
            code="payment_method_unexpected_state",
        )
    if "us_bank_account" in params:
        raise not_built("changes of bank accounts", "us_bank_account")

    with account.changing(method, "payment_method.updated"):
        if params.get("card"):
            _change_card(account, method, params["card"])
        _change_billing(method["billing_details"], params.get("billing_details") or {})
        fields.assign(method, params, ("allow_redisplay",))
        fields.merge_metadata(method, params)
    return method


def _change_card(account: Account, method: Body, asked: Body) -> None:
    card = method.get("card")
    if card is None:
        raise invalid(f"A payment method of the type {method['type']} has no `card`.", "card")
    check_expiry(
        account, asked.get("exp_month", card["exp_month"]), asked.get("exp_year", card["exp_year"])
    )
    fields.assign(card, asked, ("exp_month", "exp_year"))


def _change_billing(billing: Body, asked: Body) -> None:
    fields.assign(billing, asked, ("email", "name", "phone", "tax_id"))
    if "address" in asked:
        merged = {**billing["address"], **(asked["address"] or {})}
        billing["address"] = fields.address(merged if asked["address"] else {"city": None})


@endpoint("POST", "/v1/payment_methods/{id}/attach", "PaymentMethodAttachParams")
def attach(account: Account, call: Call) -> Body:
    """Attach to a customer; a test token mints a new card each time."""
    customer = call.params.get("customer")
    if not customer:
        raise invalid("Must provide customer or customer_account.")
    method = usable(account, call.id, "payment_method", 404)
    account.require("customer", customer, param="customer")
    attach_to(account, method, customer)
    return method


@endpoint("POST", "/v1/payment_methods/{id}/detach", "PaymentMethodDetachParams")
def detach(account: Account, call: Call) -> Body:
    """Detach for good; the customer's default is cleared, subscriptions keep what they had."""
    return detach_from(account, call.id)


def detach_from(account: Account, object_id: str) -> Body:
    """Take a payment method from its customer."""
    method = require(account, object_id)
    if method["customer"] is None:
        raise invalid(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible.",
            "payment_method",
        )
    customer = account.get("customer", method["customer"])
    with account.changing(method, "payment_method.detached"):
        method["customer"] = None
        method["_"]["detached"] = True
    if customer and customer["invoice_settings"]["default_payment_method"] == method["id"]:
        with account.changing(customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = None
    return method


@endpoint("GET", "/v1/payment_methods", "PaymentMethodListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of a customer's payment methods; without a customer there are none."""
    return page_for(account, call, call.params.get("customer", ""))


def page_for(account: Account, call: Call, customer: str) -> Body:
    """A page of the payment methods of a customer, by type."""
    where = [
        (f"$.{name}", call.params[name])
        for name in ("type", "allow_redisplay")
        if name in call.params
    ]
    return page(account, call, "payment_method", customer=customer, where=where)
