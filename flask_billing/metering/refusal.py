"""Saying no: the refusal is an HTTP answer that explains itself and shows the way on."""

from __future__ import annotations

import collections.abc as c
import json
import math
import typing as t

from flask import current_app, has_request_context, render_template, url_for
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.wrappers import Response

from .. import clock, negotiation
from ..catalog import Plan
from ..errors import BillingError, MeteringUnavailableError
from ..state import state
from .decision import Decision, Usage

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.wrappers.request import Request as WSGIRequest

#: Fired in the browser by an HTMX request that was refused; the shipped dialog listens.
REFUSAL_EVENT: t.Final = "billing:quota-exceeded"


class QuotaExceeded(BillingError, HTTPException):  # noqa: N818  (public surface)
    """The quota does not allow this call; nothing was booked.

    Raised in a view it answers 429 (``BILLING_QUOTA_STATUS``): a problem document for API
    clients, the upgrade page for people, a fragment and an event for HTMX.

    :param decision: what was asked, and how much there is.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.code = int(state().app.config["BILLING_QUOTA_STATUS"])
        self.description = sentence(decision)
        super().__init__(self.description)
        self.description = sentence(decision)
        self.response = None

    @property
    def suggested_plan(self) -> Plan | None:
        """The next plan that includes more of this meter."""
        catalog = state().catalog
        return catalog.next_plan(catalog.plan(self.decision.plan), self.decision.meter)

    def problem(self) -> dict[str, object]:
        """The refusal as a problem document (RFC 9457)."""
        decision, suggested = self.decision, self.suggested_plan
        resets_at = decision.resets_at
        return {
            "type": "about:blank",
            "title": "Quota exceeded",
            "status": self.code,
            "detail": self.description,
            "code": "quota_exceeded",
            "reason": decision.reason,
            "meter": decision.meter,
            "used": decision.used,
            "limit": decision.limit,
            "remaining": decision.remaining,
            "requested": decision.requested,
            "window": decision.status.window,
            "resets_at": None if resets_at is None else resets_at.isoformat(),
            "plan": decision.plan,
            "suggested_plan": suggested.key if suggested else None,
            "upgrade_url": upgrade_url(),
        }

    def get_headers(
        self,
        environ: WSGIEnvironment | None = None,
        scope: dict[str, t.Any] | None = None,
    ) -> list[tuple[str, str]]:
        """Retry-After, unless there is no reset to wait for, and the RateLimit fields."""
        headers = [*rate_limit_headers(self.decision.status), ("Cache-Control", "no-store")]
        seconds = seconds_until_reset(self.decision.status)

        if seconds is not None:
            headers.append(("Retry-After", str(seconds)))

        return headers

    def get_response(
        self,
        environ: WSGIEnvironment | WSGIRequest | None = None,
        scope: dict[str, t.Any] | None = None,
    ) -> Response:
        """The answer in the form the client asked for."""
        headers = {**dict(self.get_headers()), "Vary": ", ".join(("Accept", *negotiation.VARY))}

        if not has_request_context() or negotiation.wants_json():
            body = json.dumps(self.problem())
            return Response(body, self.code, headers, mimetype="application/problem+json")

        if negotiation.from_htmx():
            headers["HX-Trigger"] = json.dumps({REFUSAL_EVENT: self.problem()})

        fragment = negotiation.wants_fragment()
        template = "billing/_quota_exceeded.html" if fragment else "billing/quota_exceeded.html"
        page = render_template(
            template,
            decision=self.decision,
            usage=self.decision.status,
            suggested_plan=self.suggested_plan,
            upgrade_url=upgrade_url(),
        )
        return Response(page, self.code, headers, mimetype="text/html")


class MeteringClosed(MeteringUnavailableError, ServiceUnavailable):  # noqa: N818
    """The usage store is down, and the meter refuses calls it cannot count."""

    def __init__(self, meter: str) -> None:
        text = (
            f"{meter} cannot be counted just now, so this call was not made. Nothing was booked "
            "or charged. Try again in a minute."
        )
        MeteringUnavailableError.__init__(self, text)
        self.description = text
        self.response = None
        self.retry_after = 60


def sentence(decision: Decision) -> str:
    """The refusal in a sentence for people."""
    status = decision.status

    if decision.reason == "not_included":
        return f"{status.name}: not included in your plan. Nothing was used or charged."

    return (
        f"{status.name}: {status.used:,} of {status.stops_at or 0:,} used, and this needs "
        f"{decision.requested:,} more. Nothing was used or charged."
    )


def rate_limit_headers(status: Usage) -> c.Iterator[tuple[str, str]]:
    """The RateLimit header fields for a quota; none where it never refuses.

    Where more than the limit is sold they are of the cap: who is told that none remain stops.
    """
    if status.stops_at is None:
        return

    yield "RateLimit-Limit", str(status.stops_at)
    yield "RateLimit-Remaining", str(status.left)
    seconds = seconds_until_reset(status)

    if seconds is not None:
        yield "RateLimit-Reset", str(seconds)


def seconds_until_reset(status: Usage) -> int | None:
    """Whole seconds until the quota is fresh, at least 1; None for a one-shot allowance."""
    if status.resets_at is None:
        return None

    return max(1, math.ceil((status.resets_at - clock.now()).total_seconds()))


def upgrade_url() -> str:
    """Where more can be bought: the plans page."""
    if has_request_context():
        return url_for("billing.plans")

    prefix: str = current_app.config["BILLING_URL_PREFIX"]
    return f"{prefix}/plans"
