"""Views that count by configuration: nothing about them has to change."""

from __future__ import annotations

import collections.abc as c
import functools
import inspect
import threading
import typing as t

from flask import current_app, request

from ..errors import NotSignedInError
from ..state import BillingState
from .booking import log
from .calls import Call, count_call, taking_back
from .decorator import COUNTS_ON, TRACKED
from .inputs import find_meter
from .refusal import MeteringClosed, QuotaExceeded
from .tracking_rules import Rule, misses, read_rules

View = c.Callable[..., t.Any]

#: Attribute of a view that was wrapped.
_WRAPPED: t.Final = "__billing_tracked__"
_wrapping = threading.Lock()


def install(current: BillingState) -> None:
    """Let the app's requests count by its rules.

    A view is wrapped when it is first asked for, so that requests are counted once everything
    registered to run before them has run: whoever signs in there is known, and what is refused
    there costs nothing.

    :raises ConfigError: for a rule that cannot work.
    """
    rules = read_rules(current.app.config["BILLING_TRACKING"], current.catalog)

    if rules:
        current.app.before_request(functools.partial(_wrap_view, current, rules))


def _tell_misses(current: BillingState, rules: tuple[Rule, ...]) -> None:
    """Log what no request can count by, once in a process."""
    if current.caches.get("metering.tracking.told"):
        return

    current.caches["metering.tracking.told"] = True

    for miss in misses(rules, current.app):
        log.error("%s", miss)


def _wrap_view(current: BillingState, rules: tuple[Rule, ...]) -> None:
    _tell_misses(current, rules)
    views = current.app.view_functions
    endpoint = request.endpoint

    if endpoint not in views or hasattr(views[endpoint], _WRAPPED):
        return

    with _wrapping:
        if not hasattr(views[endpoint], _WRAPPED):
            views[endpoint] = _tracked(current, rules, views[endpoint])


def _tracked(current: BillingState, rules: tuple[Rule, ...], view: View) -> View:
    waits = inspect.iscoroutinefunction(view)

    @functools.wraps(view)
    def counted(*args: t.Any, **kwargs: t.Any) -> t.Any:
        calls: list[Call] = []

        with taking_back(calls):
            if current.app.config["BILLING_METERING_ENABLED"]:
                _count(current, _matching(rules, view), calls)

            call_view = current_app.ensure_sync(view) if waits else view
            return call_view(*args, **kwargs)

    setattr(counted, _WRAPPED, True)
    return counted


def _matching(rules: tuple[Rule, ...], view: View) -> list[Rule]:
    """The first rule of each meter that covers the request and that the view does not count on."""
    own = _counts_itself(view)
    found: dict[str, Rule] = {}

    for rule in rules:
        if rule.meter not in own and rule.meter not in found and rule.covers(request):
            found[rule.meter] = rule

    return list(found.values())


def _counts_itself(view: View) -> c.Collection[str]:
    """The meters of a view's own ``@metered``, on it or on the method of its class."""
    own: tuple[str, ...] = getattr(view, COUNTS_ON, ())
    method = getattr(getattr(view, "view_class", None), request.method.lower(), None)
    return (*own, *getattr(method, COUNTS_ON, ()))


def _count(current: BillingState, rules: list[Rule], calls: list[Call]) -> None:
    for rule in rules:
        try:
            cost = rule.cost if isinstance(rule.cost, int) else rule.cost()

            if cost == 0:
                continue

            calls.append(count_call(rule.meter, cost))
        except NotSignedInError:
            return
        except (QuotaExceeded, MeteringClosed):
            raise
        except Exception:
            if find_meter(current, rule.meter).on_error == "closed":
                raise

            log.exception(
                "A request to %s could not be counted on %s", request.endpoint, rule.meter
            )
            continue

        request.environ.setdefault(TRACKED, set()).add(rule.meter)
