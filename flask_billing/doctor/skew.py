"""Does this machine's clock agree with Stripe's?"""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import typing as t

from flask import current_app

from .. import clock
from ..stripe_gateway import gateway
from .finding import Finding, failure, ok, warning

#: Signatures older than ``BILLING_WEBHOOK_TOLERANCE`` are refused; a tenth of it is worth a word.
NOTICEABLE: t.Final = 10


def check() -> c.Iterator[Finding]:
    """Compare the time Stripe answers at with ours, in whole seconds."""
    theirs = gateway().server_time()

    if theirs is None:
        yield ok("clock", "Stripe's answer bore no clear date, so the clocks were not compared.")
        return

    tolerance: dt.timedelta = current_app.config["BILLING_WEBHOOK_TOLERANCE"]
    apart = abs(clock.wall() - theirs)
    text = f"This machine's clock is {apart.total_seconds():.0f} s from Stripe's."

    if apart >= tolerance:
        yield failure("clock", text, "Webhooks are refused as stale. Set the clock by NTP.")
    elif apart >= tolerance / NOTICEABLE:
        yield warning("clock", text, "Set the clock by NTP.")
    else:
        yield ok("clock", text)
