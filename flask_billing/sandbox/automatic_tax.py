"""Automatic tax: Stripe calculates it from addresses and registrations, the sandbox does not."""

from typing import Any

from flask_billing.sandbox.errors import not_built

_NAME = "automatic_tax"


def refuse(params: Any, path: str = "") -> None:
    """Refuse to switch it on, wherever in a request: an invoice without its tax would be wrong."""
    if isinstance(params, list):
        for index, entry in enumerate(params):
            refuse(entry, f"{path}[{index}]")
    elif isinstance(params, dict):
        for name, value in params.items():
            where = f"{path}[{name}]" if path else name
            if name == _NAME and isinstance(value, dict) and value.get("enabled"):
                raise not_built("automatic tax (it knows tax rates)", f"{where}[enabled]")
            refuse(value, where)
