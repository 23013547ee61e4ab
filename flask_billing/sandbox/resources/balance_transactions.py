"""Transactions on a customer's balance."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import balance
from flask_billing.sandbox.errors import missing_object
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_KIND = "customer_balance_transaction"


@endpoint(
    "POST", "/v1/customers/{id}/balance_transactions", "CustomerBalanceTransactionCreateParams"
)
def create(account: Account, call: Call) -> Body:
    """Credit a customer (a negative amount) or add to what they owe."""
    params = call.params
    customer = account.require("customer", call.id, param="customer!")
    return balance.book(
        account,
        customer,
        params["amount"],
        "adjustment",
        currency=params["currency"].lower(),
        description=params.get("description") or None,
        metadata=fields.new_metadata(params),
    )


@endpoint("GET", "/v1/customers/{id}/balance_transactions", "CustomerBalanceTransactionListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of the transactions, by invoice."""
    customer = account.require("customer", call.id, param="customer!")
    where = [("$.invoice", call.params["invoice"])] if "invoice" in call.params else []
    return page(account, call, _KIND, customer=customer["id"], where=where)


@endpoint(
    "GET",
    "/v1/customers/{id}/balance_transactions/{id}",
    "CustomerBalanceTransactionRetrieveParams",
)
def retrieve(account: Account, call: Call) -> Body:
    """One transaction."""
    return _require(account, call)


@endpoint(
    "POST",
    "/v1/customers/{id}/balance_transactions/{id}",
    "CustomerBalanceTransactionUpdateParams",
)
def update(account: Account, call: Call) -> Body:
    """Change description and metadata."""
    transaction = _require(account, call)
    fields.assign(transaction, call.params, ("description",))
    fields.merge_metadata(transaction, call.params)
    return account.save(transaction)


def _require(account: Account, call: Call) -> Body:
    customer = account.require("customer", call.id, param="customer!")
    transaction = account.get(_KIND, call.ids[1])
    if transaction is None or transaction["customer"] != customer["id"]:
        raise missing_object("customer balance transaction", call.ids[1])
    return transaction
