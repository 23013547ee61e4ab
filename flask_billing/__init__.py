"""Subscription billing for Flask on Stripe."""

from __future__ import annotations

import importlib
import typing as t

from .catalog import Catalog
from .errors import BillingError
from .extension import Billing
from .models import Customer

if t.TYPE_CHECKING:
    from .access import Access
    from .customers import current_customer
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

#: Name -> module it is imported from at first use.
_LATE: t.Final = {"Access": "access", "Owner": "owners", "current_customer": "customers"}


def __getattr__(name: str) -> object:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    return getattr(importlib.import_module(f".{_LATE[name]}", __name__), name)
