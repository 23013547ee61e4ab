"""The smallest amount that can be charged, by currency (docs: minimum and maximum charges)."""

from flask_billing.sandbox.account import Account

_MINIMUMS = {
    "aed": 200,
    "bgn": 100,
    "czk": 1500,
    "dkk": 250,
    "gbp": 30,
    "hkd": 400,
    "huf": 17_500,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}


def charge(account: Account, currency: str) -> int:
    """The smallest charge in minor units; the settings' own where Stripe's table has none."""
    return _MINIMUMS.get(currency, account.settings.minimum_charge)
