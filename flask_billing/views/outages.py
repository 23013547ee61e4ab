"""What is answered while the database does not: a page, a fragment, JSON, or 503 for Stripe."""

from __future__ import annotations

import contextlib
import logging
import typing as t

import sqlalchemy as sa
from flask import Response, jsonify, render_template_string, request, url_for
from jinja2 import TemplateError

from .. import missing_tables, negotiation
from ..state import state
from ..translation import gettext as _
from .problems import problem

log = logging.getLogger("flask_billing.views")

#: Seconds after which it is worth trying again.
_RETRY_AFTER: t.Final = 30
_BARE: t.Final = "<!doctype html><title>{{ title }}</title><h1>{{ title }}</h1><p>{{ text }}</p>"


def database_down(error: Exception) -> Response:
    """The database is gone, locked or full. Whether a form's work was done is not known."""
    cause = getattr(error, "orig", None) or error
    advice = f". {missing_tables.ADVICE}" if missing_tables.are_the_reason(cause) else ""
    log.error("The database does not answer: %s: %s%s", type(cause).__name__, cause, advice)

    with contextlib.suppress(sa.exc.SQLAlchemyError):
        state().db.session.rollback()

    answer = _answer()
    answer.headers["Retry-After"] = str(_RETRY_AFTER)
    return answer


def _answer() -> Response:
    if request.endpoint == "billing.webhooks.stripe":
        answer = jsonify(error="the database does not answer")  # Stripe sends it again
        answer.status_code = 503
        return answer

    reads = request.method == "GET"

    if reads and negotiation.wants_fragment():
        return Response(status=503)  # billing.js tells, but for what is polled

    title = _("We can't read your billing just now")
    text = (
        _("Try again in a minute.")
        if reads
        else _(
            "We don't know yet whether it went through. Look again in a minute before you "
            "repeat it; nothing is charged twice."
        )
    )
    url = request.url if reads else url_for("billing.overview")
    label = _("Try again") if reads else _("Go to billing")

    try:
        return problem(503, title, text, code="database_unavailable", url=url, label=label)
    except (sa.exc.SQLAlchemyError, TemplateError):  # the host's own page asks the database
        return Response(render_template_string(_BARE, title=title, text=text), 503)
