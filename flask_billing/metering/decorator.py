"""``@metered``: a view whose calls count."""

from __future__ import annotations

import collections.abc as c
import functools
import inspect
import typing as t

from flask import current_app, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Unauthorized

from ..errors import InvalidUsageError, NotSignedInError
from ..state import state
from .accounts import current_owner_key
from .calls import Call, count_call, taking_back

View = t.TypeVar("View", bound=c.Callable[..., t.Any])
Cost = int | c.Callable[[], int]

#: Attribute of a view that counts by itself: the meters it counts on.
COUNTS_ON: t.Final = "__billing_meters__"
#: Key of the request's environment that holds the meters it was counted on already.
TRACKED: t.Final = "flask_billing.tracked"


def metered(
    meter: str,
    quantity: Cost = 1,
    *,
    signed_out: c.Callable[[], ResponseReturnValue] | None = None,
) -> c.Callable[[View], View]:
    """Count each call of a view; a call beyond the quota meets a 429 with a way out.

    What a call cost is taken back where the view fails: by an exception, a status from 500 on,
    or a refusal of another meter inside it.

    :param quantity: units a call costs, or a function that tells for the current request; 0 is
        not counted.
    :param signed_out: answers where nobody is signed in; None is a plain 401.
    :raises InvalidUsageError: where it is used without a meter.
    """
    if not isinstance(meter, str):
        raise InvalidUsageError(
            'A metered view names its meter, as @billing.metered("reports") does.'
        )

    def decorate(view: View) -> View:
        waits = inspect.iscoroutinefunction(view)

        @functools.wraps(view)
        def counted(*args: t.Any, **kwargs: t.Any) -> t.Any:
            call_view = current_app.ensure_sync(view) if waits else view

            if meter in request.environ.get(TRACKED, ()):
                return call_view(*args, **kwargs)

            cost = quantity if isinstance(quantity, int) else quantity()

            try:
                calls = [count_call(meter, cost)] if cost != 0 else _uncounted()
            except NotSignedInError as error:
                if signed_out is not None:
                    return signed_out()

                raise Unauthorized("Sign in to use this. Nothing was counted.") from error

            with taking_back(calls):
                return call_view(*args, **kwargs)

        setattr(counted, COUNTS_ON, (*getattr(view, COUNTS_ON, ()), meter))
        return t.cast("View", counted)

    return decorate


def _uncounted() -> list[Call]:
    """No calls, of whoever is signed in: what costs nothing is still not for nobody."""
    if current_owner_key(state()) is None:
        raise NotSignedInError

    return []
