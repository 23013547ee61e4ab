"""Another plan while the trial goes on: nothing is charged."""

from __future__ import annotations

from ..models import SubscriptionChange
from . import facts, schedules
from .calls import Calls, Outcome
from .charging import path
from .refusals import StaleChangeError


def switch(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Change the items of a subscription on trial.

    :raises StaleChangeError: where the trial is over, or the plan another one than was quoted.
    """
    asked = change.request or {}
    subscription = calls.get(path(change))

    if facts.is_at(subscription, asked):
        return Outcome("done")

    if facts.of(subscription) != asked["facts"]:
        raise StaleChangeError

    schedules.release_ours(subscription, calls)
    calls.post("change", path(change), asked["params"])
    return Outcome("done")
