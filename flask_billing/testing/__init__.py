"""Tests of a host's billing, offline: the pytest plugin, and the same without pytest.

``stripe_sandbox`` puts the host's app on a Stripe of its own for the length of a test. Its
fixtures are here for pytest to find; everything else is loaded by the first test that asks
for it, so a test run that has nothing to do with billing pays nothing.
"""

from __future__ import annotations

import importlib
import typing as t

if t.TYPE_CHECKING:
    from . import cards
    from .customer import SandboxCustomer
    from .plugin import (
        stripe_sandbox,
        stripe_sandbox_app,
        stripe_sandbox_now,
        stripe_sandbox_settings,
    )
    from .sandbox import StripeSandbox, WebhookFailedWarning
else:
    try:
        from .plugin import (
            stripe_sandbox,
            stripe_sandbox_app,
            stripe_sandbox_now,
            stripe_sandbox_settings,
        )
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise

__all__ = [
    "SandboxCustomer",
    "StripeSandbox",
    "WebhookFailedWarning",
    "cards",
    "stripe_sandbox",
    "stripe_sandbox_app",
    "stripe_sandbox_now",
    "stripe_sandbox_settings",
]

#: Name -> module it is imported from at first use.
_LATE: t.Final = {
    "SandboxCustomer": "customer",
    "StripeSandbox": "sandbox",
    "WebhookFailedWarning": "sandbox",
}


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(importlib.import_module(f".{_LATE[name]}", __name__), name)

    if name in __all__ and name.startswith("stripe_sandbox"):
        raise ImportError(
            f"The fixture {name!r} needs pytest. Install it, or use 'with "
            "flask_billing.testing.StripeSandbox(app) as stripe_sandbox:'."
        )

    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
