"""Refunds."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import refunds
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources.charges import balance_transaction
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/refunds", "RefundCreateParams")
def create(account: Account, call: Call) -> Body:
    """Refund a charge, named itself or by its payment intent."""
    params = call.params
    if params.get("charge"):
        charge = account.require("charge", params["charge"], param="charge")
    elif params.get("payment_intent"):
        intent = account.require("payment_intent", params["payment_intent"], param="payment_intent")
        charge = refunds.refundable_charge(account, intent)
    else:
        raise invalid(
            "One of the following params should be provided for this request: payment_intent or "
            "charge."
        )
    return refunds.refund(
        account,
        charge,
        params.get("amount"),
        reason=params.get("reason"),
        metadata=fields.new_metadata(params),
    )


@endpoint("GET", "/v1/refunds/{id}", "RefundRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One refund."""
    return account.require("refund", call.id)


@endpoint("POST", "/v1/refunds/{id}", "RefundUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change the metadata, the only thing that can be changed."""
    refund = account.require("refund", call.id)
    with account.changing(refund, "refund.updated"):
        fields.merge_metadata(refund, call.params)
    return refund


@endpoint("GET", "/v1/refunds", "RefundListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of refunds, by charge and payment intent."""
    params = call.params
    intent = params.get("payment_intent")
    where = [("$.payment_intent", intent)] if intent else []
    return page(account, call, "refund", parent=params.get("charge"), where=where)


@on_request("refund", "balance_transaction")
def _balance_transaction(account: Account, refund: Body) -> Body | None:
    return balance_transaction(refund, -refund["amount"], 0)
