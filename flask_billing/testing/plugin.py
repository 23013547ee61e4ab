"""The fixtures. Found by pytest through the entry point, so nothing heavy is imported here."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import datetime

import pytest

if t.TYPE_CHECKING:
    from flask import Flask

    from ..sandbox import Settings
    from .sandbox import StripeSandbox


@pytest.fixture
def stripe_sandbox_app(app: Flask) -> Flask:
    """The app that is put on the sandbox. Override it where your fixture is not called ``app``."""
    return app


@pytest.fixture
def stripe_sandbox_now() -> datetime | None:
    """When the sandbox's clock stands still first. None is the present second."""
    return None


@pytest.fixture
def stripe_sandbox_settings() -> Settings | None:
    """The settings of the Stripe account, as dunning. None are the sandbox's own."""
    return None


@pytest.fixture
def stripe_sandbox(
    stripe_sandbox_app: Flask,
    stripe_sandbox_now: datetime | None,
    stripe_sandbox_settings: Settings | None,
) -> c.Iterator[StripeSandbox]:
    """A fresh Stripe under the app for this test: frozen clock, signed webhooks, factories."""
    from .sandbox import StripeSandbox

    with StripeSandbox(
        stripe_sandbox_app, now=stripe_sandbox_now, settings=stripe_sandbox_settings
    ) as sandbox:
        yield sandbox
