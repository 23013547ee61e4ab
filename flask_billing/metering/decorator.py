"""``@metered``: a view whose calls count."""

from __future__ import annotations

import collections.abc as c
import functools
import inspect
import json
import typing as t

from flask import Response, after_this_request, current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Unauthorized

from ..errors import MeteringUnavailableError, NotSignedInError
from ..state import state
from . import ledger
from .booking import consume, log, refund
from .decision import Decision
from .refusal import QuotaExceeded, rate_limit_headers

View = t.TypeVar("View", bound=c.Callable[..., t.Any])
Cost = int | c.Callable[[], int]

#: Fired in the browser by every metered HTMX answer, so that open meters look again.
USAGE_EVENT: t.Final = "billing:usage"
#: What an event says of a call that has not been answered yet is put right by the answer.
_EXPECTED: t.Final = 200


def metered(
    meter: str,
    quantity: Cost = 1,
    *,
    signed_out: c.Callable[[], ResponseReturnValue] | None = None,
) -> c.Callable[[View], View]:
    """Count each call of a view; a call beyond the quota meets a 429 with a way out.

    What a call cost is taken back where the view fails: by an exception, a status from 500 on,
    or a refusal of another meter inside it.

    :param quantity: units a call costs, or a function that tells for the current request.
    :param signed_out: answers where nobody is signed in; None is a plain 401.
    """

    def decorate(view: View) -> View:
        waits = inspect.iscoroutinefunction(view)

        @functools.wraps(view)
        def counted(*args: t.Any, **kwargs: t.Any) -> t.Any:
            cost = quantity if isinstance(quantity, int) else quantity()

            try:
                decision = consume(meter, cost, endpoint=request.endpoint, status=_EXPECTED)
            except NotSignedInError as error:
                if signed_out is not None:
                    return signed_out()

                raise Unauthorized("Sign in to use this. Nothing was counted.") from error

            call = _Call(decision)
            after_this_request(call.answered)

            try:
                call_view = current_app.ensure_sync(view) if waits else view
                return call_view(*args, **kwargs)
            except QuotaExceeded:
                call.take_back(429)
                raise
            except Exception as error:
                if getattr(error, "code", None) is None:  # an HTTP error is an answer
                    call.take_back(500)

                raise

        return t.cast("View", counted)

    return decorate


class _Call:
    """One counted call, until it is answered."""

    __slots__ = ("_decision", "_endpoint", "_taken_back")

    def __init__(self, decision: Decision) -> None:
        self._decision = decision
        self._endpoint = request.endpoint
        self._taken_back = False

    def answered(self, response: Response) -> Response:
        """Put the status on record and the quota into the headers."""
        if response.status_code >= 500:
            self.take_back(response.status_code)
        elif response.status_code != _EXPECTED:
            self._keep_status(response.status_code)

        if "RateLimit-Limit" not in response.headers:  # the tighter quota may have been told
            for name, value in rate_limit_headers(self._decision.status):
                response.headers.add(name, value)

        if "HTTP_HX_REQUEST" in request.environ:
            announce(response)

        return response

    def take_back(self, status: int) -> None:
        """Undo the booking of a call that failed, once."""
        if self._taken_back or self._decision.key is None:
            return

        self._taken_back = True
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


def announce(response: Response) -> None:
    """Add our event to the ones the view itself triggers in the browser."""
    existing = response.headers.get("HX-Trigger")

    if existing is None:
        response.headers["HX-Trigger"] = USAGE_EVENT
        return

    if not existing.lstrip().startswith("{"):
        response.headers["HX-Trigger"] = f"{existing}, {USAGE_EVENT}"
        return

    events: dict[str, object] = json.loads(existing)
    response.headers["HX-Trigger"] = json.dumps({**events, USAGE_EVENT: None})
