"""The one place that tells the time.

Business time (periods, trials, cooldowns) is :func:`now`; in the sandbox it follows the
sandbox's clock, which can be moved. Signatures, leases, back-off and token age use
:func:`wall`, which cannot.
"""

from __future__ import annotations

import collections.abc as c
import time
import typing as t
from datetime import UTC, datetime

from flask import Flask, current_app

Source = c.Callable[[], datetime]

#: The app itself: to look an attribute up on the proxy takes seven times as long.
_app: t.Final[c.Callable[[], Flask]] = t.cast("t.Any", current_app)._get_current_object


def wall() -> datetime:
    """The real time, in UTC."""
    return datetime.now(UTC)


def now() -> datetime:
    """Business time of the current app, in UTC."""
    source: Source | None = _app().extensions.get("billing_clock")
    return source() if source is not None else datetime.now(UTC)


def set_source(app: Flask, source: Source | None) -> None:
    """Let the app's business time come from ``source``; None returns to the wall clock."""
    app.extensions["billing_clock"] = source


def wall_seconds() -> float:
    """Seconds since the epoch, by the wall clock."""
    return time.time()


def from_timestamp(seconds: int | float | None) -> datetime | None:
    """Stripe's Unix seconds as UTC, None staying None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
