"""The customer's balance: each change is a transaction; negative is a credit to the customer."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id


def of(customer: Body, currency: str) -> int:
    """The customer's balance in a currency; the first currency's is ``customer.balance``."""
    if customer["currency"] in {None, currency}:
        return int(customer["balance"])
    return int(customer.get("_", {}).get("balances", {}).get(currency, 0))


def by_currency(customer: Body) -> dict[str, int]:
    """Every balance that is not zero, by its currency."""
    balances: dict[str, int] = dict(customer.get("_", {}).get("balances", {}))
    if customer["currency"]:
        balances[customer["currency"]] = customer["balance"]
    return {currency: amount for currency, amount in balances.items() if amount}


def book(
    account: Account,
    customer: Body,
    amount: int,
    kind: str,
    *,
    currency: str,
    invoice: str | None = None,
    credit_note: str | None = None,
    description: str | None = None,
    metadata: Body | None = None,
) -> Body:
    """Add a signed amount to the balance in a currency; emits ``customer.updated``."""
    with account.changing(customer, "customer.updated"):
        customer["currency"] = customer["currency"] or currency
        if customer["currency"] == currency:
            customer["balance"] += amount
        else:
            balances = customer.setdefault("_", {}).setdefault("balances", {})
            balances[currency] = balances.get(currency, 0) + amount
    return _transaction(
        account,
        customer,
        amount,
        kind,
        currency=currency,
        invoice=invoice,
        credit_note=credit_note,
        description=description,
        metadata=metadata or {},
    )


def set_to(account: Account, customer: Body, amount: int, kind: str = "adjustment") -> None:
    """Set ``customer.balance`` itself, inside a change of the customer that emits its event."""
    difference, customer["balance"] = amount - customer["balance"], amount
    if difference:
        customer["currency"] = customer["currency"] or account.settings.currency
        _transaction(account, customer, difference, kind, currency=customer["currency"])


def _transaction(
    account: Account,
    customer: Body,
    amount: int,
    kind: str,
    *,
    currency: str,
    invoice: str | None = None,
    credit_note: str | None = None,
    description: str | None = None,
    metadata: Body | None = None,
) -> Body:
    return account.add(
        {
            "id": new_id("cbtxn"),
            "object": "customer_balance_transaction",
            "amount": amount,
            "checkout_session": None,
            "created": account.now,
            "credit_note": credit_note,
            "currency": currency,
            "customer": customer["id"],
            "customer_account": None,
            "description": description,
            "ending_balance": of(customer, currency),
            "invoice": invoice,
            "livemode": False,
            "metadata": metadata or {},
            "type": kind,
        }
    )


def settle(account: Account, customer: Body, invoice: Body, *, applied: int, carried: int) -> None:
    """What finalising an invoice does to the balance: credit used, small amounts carried over."""
    for amount, kind in ((applied, "applied_to_invoice"), (carried, "invoice_too_small")):
        if amount:
            currency = invoice["currency"]
            book(account, customer, amount, kind, currency=currency, invoice=invoice["id"])


def give_back(account: Account, invoice: Body) -> None:
    """A voided invoice returns what of the balance it had used."""
    used = invoice["ending_balance"] - invoice["starting_balance"]
    customer = account.get("customer", invoice["customer"])
    if used and customer is not None:
        book(
            account,
            customer,
            -used,
            "unapplied_from_invoice",
            currency=invoice["currency"],
            invoice=invoice["id"],
        )
