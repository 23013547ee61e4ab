"""Subscription billing for Flask on Stripe."""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from .access import Access
    from .catalog import Catalog
    from .customers import current_customer
    from .errors import BillingError
    from .extension import Billing
    from .models import Customer
    from .owners import Owner

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Billing",
    "BillingError",
    "Catalog",
    "Customer",
    "Owner",
    "current_customer",
]

#: Name -> module it is imported from at first use, so that the package itself costs nothing: a
#: test run of an environment that merely has it imports it for the plugin.
_LATE: t.Final = {
    "Access": "access",
    "Billing": "extension",
    "BillingError": "errors",
    "Catalog": "catalog",
    "Customer": "models",
    "Owner": "owners",
    "current_customer": "customers",
}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    return getattr(importlib.import_module(f".{_LATE[name]}", __name__), name)
