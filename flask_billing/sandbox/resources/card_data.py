"""Card numbers that come with an intent, as Stripe.js sends them: ``payment_method_data[card]``."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.contract import read_params
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.resources import payment_methods

_CONTRACTS = frozenset(
    f"{kind}Intent{verb}Params"
    for kind in ("Payment", "Setup")
    for verb in ("Create", "Update", "Confirm")
)


def minted(account: Account, contract: str, params: Body) -> Body:
    """The parameters with a new payment method in place of the card's number.

    The SDK's types leave the ``card`` out, since numbers belong into the browser.
    """
    data = params.get("payment_method_data")
    if contract not in _CONTRACTS or not isinstance(data, dict) or "card" not in data:
        return params
    if params.get("payment_method"):
        raise invalid(
            "You may only specify one of these parameters: payment_method, payment_method_data.",
            "payment_method_data",
        )

    method = payment_methods.new(account, read_params("PaymentMethodCreateParams", data))
    rest = {name: value for name, value in params.items() if name != "payment_method_data"}
    return {**rest, "payment_method": method["id"]}
