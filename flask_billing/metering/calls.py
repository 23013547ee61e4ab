"""A counted call, from its booking to its answer."""

from __future__ import annotations

import collections.abc as c
import contextlib
import functools
import json
import typing as t

from flask import Response, after_this_request, request

from .. import database
from ..afterwards import afterwards
from ..errors import MeteringUnavailableError
from ..state import state
from . import ledger, spool
from .booking import consume_call, log, refund
from .decision import Decision
from .refusal import QuotaExceeded, rate_limit_headers

#: Fired in the browser by every metered HTMX answer, so that open meters look again.
USAGE_EVENT: t.Final = "billing:usage"
#: What an event says of a call that has not been answered yet is put right by the answer.
_EXPECTED: t.Final = 200


class Call:
    """One counted call, until it is answered."""

    __slots__ = ("_decision", "_endpoint", "_lost", "_taken_back")

    def __init__(self, decision: Decision, lost: list[spool.Fact]) -> None:
        self._decision = decision
        self._lost = lost
        self._endpoint = request.endpoint
        self._taken_back = False

    def answered(self, response: Response) -> Response:
        """Put the status on record and the quota into the headers."""
        if response.status_code >= 500:
            self.take_back(response.status_code)
        elif response.status_code != _EXPECTED:
            self._keep_status(response.status_code)

        while self._lost:
            fact = self._lost.pop()
            fact.columns["status"] = response.status_code
            spool.keep(state(), fact)

        if "RateLimit-Limit" not in response.headers:  # the tighter quota may have been told
            for name, value in rate_limit_headers(self._decision.status):
                response.headers.add(name, value)

        if "HTTP_HX_REQUEST" in request.environ:
            announce(response)

        return response

    def take_back(self, status: int) -> None:
        """Undo the booking of a call that failed, once."""
        self._lost.clear()

        if self._taken_back or self._decision.key is None:
            return

        self._taken_back = True

        if database.joins_host():  # which rolls back what has failed, and this with it
            afterwards(functools.partial(self._refund, status))
        else:
            self._refund(status)

    def _refund(self, status: int) -> None:
        self._keep_status(status)

        try:
            refund(self._decision, endpoint=self._endpoint, status=status)
        except MeteringUnavailableError:
            log.exception("The failed call of %s could not be taken back", self._endpoint)

    def _keep_status(self, status: int) -> None:
        decision = self._decision

        if decision.key is None or decision.customer_id is None:
            return

        try:
            ledger.write_status(state(), decision.customer_id, decision.meter, decision.key, status)
        except MeteringUnavailableError:
            log.exception("The status of a call of %s could not be kept", self._endpoint)


def count_call(meter: str, cost: int) -> Call:
    """Count the current request, and look at its answer.

    :raises QuotaExceeded: an HTTP 429 that renders itself; nothing was booked.
    :raises NotSignedInError: when nobody is signed in.
    """
    lost: list[spool.Fact] = []
    decision = consume_call(
        meter,
        cost,
        lambda _, fact: lost.append(fact),
        endpoint=request.endpoint,
        status=_EXPECTED,
    )
    call = Call(decision, lost)
    after_this_request(call.answered)
    return call


@contextlib.contextmanager
def taking_back(calls: c.Sequence[Call]) -> c.Iterator[None]:
    """Take calls back where what they were counted for fails, or meets another meter's limit."""
    try:
        yield
    except QuotaExceeded:
        for call in calls:
            call.take_back(429)

        raise
    except Exception as error:
        if getattr(error, "code", None) is None:  # an HTTP error is an answer
            for call in calls:
                call.take_back(500)

        raise


def announce(response: Response) -> None:
    """Add our event to the ones the view itself triggers in the browser."""
    existing = response.headers.get("HX-Trigger")

    if existing is None:
        response.headers["HX-Trigger"] = USAGE_EVENT
        return

    if USAGE_EVENT in existing:  # of another meter
        return

    if not existing.lstrip().startswith("{"):
        response.headers["HX-Trigger"] = f"{existing}, {USAGE_EVENT}"
        return

    try:
        events: dict[str, object] = json.loads(existing)
    except ValueError:  # no browser could read it either
        return

    response.headers["HX-Trigger"] = json.dumps({**events, USAGE_EVENT: None})
