"""Parameters that Stripe knows and the sandbox does not: refused at the door, never forgotten.

What depends on more than the parameter's name is refused where it is read.
"""

from typing import Any

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import not_built

_AUTOMATIC_TAX = "automatic_tax"

#: By the type of the parameters, those whose effect would be missed.
_UNBUILT = {
    "ChargeUpdateParams": ("fraud_details", "transfer_group"),
    "InvoicePayParams": ("forgive", "mandate"),
    "PaymentIntentCaptureParams": ("hooks",),
    "PaymentIntentConfirmParams": (
        "amount_details",
        "amount_to_confirm",
        "confirmation_token",
        "hooks",
        "mandate",
        "payment_details",
    ),
    "PaymentIntentCreateParams": (
        "confirmation_token",
        "hooks",
        "mandate",
    ),
    "PaymentIntentUpdateParams": ("hooks",),
    "RefundCreateParams": ("origin", "refund_application_fee", "reverse_transfer"),
    "SetupIntentConfirmParams": ("confirmation_token",),
    "SubscriptionItemCreateParams": ("current_trial",),
    "SubscriptionItemUpdateParams": ("current_trial",),
    "WebhookEndpointCreateParams": ("connect",),
}


def refuse(contract: str, params: Body) -> None:
    """Refuse what the type of the parameters allows and the sandbox would pass over."""
    for name in _UNBUILT.get(contract, ()):
        if params.get(name):
            raise not_built(f"`{name}` here", name)
    _refuse_automatic_tax(params, "")


def _refuse_automatic_tax(params: Any, path: str) -> None:
    """Wherever it is switched on in a request: an invoice without its tax would be wrong."""
    if isinstance(params, list):
        for index, entry in enumerate(params):
            _refuse_automatic_tax(entry, f"{path}[{index}]")
    elif isinstance(params, dict):
        for name, value in params.items():
            where = f"{path}[{name}]" if path else name
            if name == _AUTOMATIC_TAX and isinstance(value, dict) and value.get("enabled"):
                raise not_built("automatic tax (it knows tax rates)", f"{where}[enabled]")
            _refuse_automatic_tax(value, where)
