"""What stands before every page of ours, each request passing one of two doors."""

from __future__ import annotations

from flask import request
from flask.typing import ResponseReturnValue

from . import csrf, portal


def check() -> ResponseReturnValue | None:
    """An answer in place of the view's: to a forged form, or for a page left to Stripe's portal."""
    return portal.instead() if request.method in csrf.SAFE_METHODS else csrf.check()
