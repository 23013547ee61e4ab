"""Does what Stripe posts come to our route, past all that the app does before a request?"""

from __future__ import annotations

import collections.abc as c
import contextlib
import logging

from flask import current_app
from werkzeug.test import Client, TestResponse

from ..state import state
from .finding import Finding, failure, ok, warning

log = logging.getLogger("flask_billing.doctor")

_ADVICE = (
    "Whatever stands before every request, as a check for who is signed in, has to let the "
    "endpoint 'billing.webhooks.stripe' pass."
)


def check() -> c.Iterator[Finding]:
    """Post what nobody signed, inside this process, and see whether our route refuses it."""
    base: str | None = current_app.config["BILLING_BASE_URL"]
    server: str | None = current_app.config["SERVER_NAME"]
    path = state().webhook_path
    answer = _post(path, base or f"https://{server or 'localhost'}")

    if answer is not None and _is_ours(answer):
        yield ok("route", f"What is posted to {path} comes to the route for webhooks.")
        return

    told = "fails" if answer is None else f"is answered {answer.status_code}"
    text = f"What is posted to {path} {told} before it comes to the route for webhooks."
    # Without an address of its own the app may refuse the one that was made up.
    yield (failure if base else warning)("route", text, _ADVICE)


def _post(path: str, base: str) -> TestResponse | None:
    try:
        with _unheard():
            return Client(current_app).post(path, base_url=base, json={})
    except Exception:  # whatever the app raises, it is the answer
        log.exception("Posting to %s failed", path)
        return None


def _is_ours(answer: TestResponse) -> bool:
    said = answer.get_json(silent=True)
    return answer.status_code in (400, 503) and isinstance(said, dict) and "error" in said


@contextlib.contextmanager
def _unheard() -> c.Iterator[None]:
    """Keep the refusal that is hoped for out of the log, where it would alarm somebody."""
    refusals = logging.getLogger("flask_billing.webhooks")

    def none(record: logging.LogRecord) -> bool:
        return False

    refusals.addFilter(none)

    try:
        yield
    finally:
        refusals.removeFilter(none)
