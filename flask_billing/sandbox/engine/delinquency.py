"""Whether a customer is behind: the last that happened to any of their invoices decides."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body


def behind(account: Account, invoice: Body) -> None:
    """An automatic payment failed, or the due date passed."""
    if account.cause.request_id is None:
        _set(account, invoice, True)


def settled(account: Account, invoice: Body) -> None:
    """The invoice was paid, or given up."""
    _set(account, invoice, False)


def _set(account: Account, invoice: Body, value: bool) -> None:
    customer = account.get("customer", invoice["customer"])
    if customer is not None and customer["delinquent"] != value:
        with account.changing(customer, "customer.updated"):
            customer["delinquent"] = value
