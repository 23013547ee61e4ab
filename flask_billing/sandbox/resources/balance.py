"""The account itself: a cheap call to see whether the key works."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import ACCOUNT_ID


@endpoint("GET", "/v1/balance", "BalanceRetrieveParams")
def balance(account: Account, call: Call) -> Body:
    """The account's balance: play money."""
    currency = account.settings.currency
    return {
        "object": "balance",
        "available": [{"amount": 0, "currency": currency, "source_types": {"card": 0}}],
        "livemode": False,
        "pending": [{"amount": 0, "currency": currency, "source_types": {"card": 0}}],
    }


@endpoint("GET", "/v1/account", "AccountRetrieveCurrentParams")
def retrieve(account: Account, call: Call) -> Body:
    """The account behind the key."""
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "charges_enabled": True,
        "country": account.settings.country,
        "default_currency": account.settings.currency,
        "details_submitted": True,
        "email": None,
        "metadata": {},
        "payouts_enabled": True,
        "type": "standard",
    }
