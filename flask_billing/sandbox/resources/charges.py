"""Charges and the balance transactions behind them, read only."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import counted, page
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


@on_request("charge", "balance_transaction")
def _balance_transaction(account: Account, charge: Body) -> Body | None:
    if not charge["paid"]:
        return None
    fee = charge["amount"] * 29 // 1000 + 30
    return {
        "id": charge["balance_transaction"],
        "object": "balance_transaction",
        "amount": charge["amount"],
        "available_on": charge["created"] // DAY * DAY + 7 * DAY,
        "balance_type": "payments",
        "created": charge["created"],
        "currency": charge["currency"],
        "description": charge["description"],
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [
            {
                "amount": fee,
                "application": None,
                "currency": charge["currency"],
                "description": "Stripe processing fees",
                "type": "stripe_fee",
            }
        ],
        "net": charge["amount"] - fee,
        "reporting_category": "charge",
        "source": charge["id"],
        "status": "pending",
        "type": "charge",
    }


@on_request("charge", "refunds")
def _refunds(account: Account, charge: Body) -> Body:
    return counted(f"/v1/charges/{charge['id']}/refunds", [])
