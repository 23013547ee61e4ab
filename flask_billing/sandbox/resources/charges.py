"""Charges and the balance transactions behind them."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import refunds
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import counted, page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY


@endpoint("GET", "/v1/charges/{id}", "ChargeRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One charge."""
    return account.require("charge", call.id)


@endpoint("GET", "/v1/charges", "ChargeListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of charges, by customer and payment intent."""
    params = call.params
    return page(
        account,
        call,
        "charge",
        customer=params.get("customer"),
        parent=params.get("payment_intent"),
    )


@endpoint("POST", "/v1/charges/{id}", "ChargeUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change description, receipt address, shipping and metadata."""
    charge = account.require("charge", call.id)
    with account.changing(charge, "charge.updated"):
        fields.assign(charge, call.params, ("description", "receipt_email"))
        if call.params.get("shipping"):
            charge["shipping"] = fields.shipping(call.params["shipping"])
        fields.merge_metadata(charge, call.params)
    return charge


@on_request("charge", "balance_transaction")
def _balance_transaction(account: Account, charge: Body) -> Body | None:
    captured = charge["amount_captured"]
    return balance_transaction(charge, captured, (captured * 29 + 500) // 1000 + 30)


def balance_transaction(source: Body, amount: int, fee: int) -> Body | None:
    """What a charge or refund moved on the account's balance, once it did."""
    if source["balance_transaction"] is None:
        return None
    details = {
        "amount": fee,
        "application": None,
        "currency": source["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": source["balance_transaction"],
        "object": "balance_transaction",
        "amount": amount,
        "available_on": source["created"] // DAY * DAY + 7 * DAY,
        "balance_type": "payments",
        "created": source["created"],
        "currency": source["currency"],
        "description": source.get("description"),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": amount - fee,
        "reporting_category": source["object"],
        "source": source["id"],
        "status": "pending",
        "type": source["object"],
    }


@on_request("charge", "refunds")
def _refunds(account: Account, charge: Body) -> Body:
    found = [account.show(one) for one in refunds.of_charge(account, charge["id"])]
    return counted(f"/v1/charges/{charge['id']}/refunds", found)
