"""Bringing Stripe in line with the catalog: products, prices and meters.

A repeated push changes nothing. What Stripe holds and the catalog does not name is left
alone, and no price is ever deleted: subscriptions stay on the one they were sold at.
"""

from __future__ import annotations

import contextlib
import dataclasses
import uuid

import sqlalchemy as sa

from ..database import transaction
from ..errors import StripeError
from ..state import state
from ..stripe_gateway import StripeObject, gateway
from ..sync import plans
from .differences import Difference, difference
from .recording import record
from .steps import Change, Step, get

__all__ = ["Change", "diff", "push"]


def diff() -> list[Change]:
    """What a push would do, in its order. Changes nothing.

    :raises StripeError: where Stripe could not be asked.
    """
    return difference(state().catalog).changes


def push(connection: sa.Connection | None = None) -> list[Change]:
    """Do what :func:`diff` says, and record which price stands for which plan.

    Conflicts are in the list too: they were left as they are.

    :param connection: where to record the prices; None is a committed transaction of its own.
    :raises StripeError: where Stripe refused or could not be reached. What was done stays, and
        a repeated push does the rest.
    """
    found = difference(state().catalog)
    changes = found.changes
    _carry_out(found)

    with contextlib.nullcontext(connection) if connection else transaction() as recording:
        for pushed in found.prices:
            record(recording, pushed)

    plans.forget()
    return changes


def _carry_out(found: Difference) -> None:
    meters: dict[str, str] = {}

    for step in found.first:
        answer = _send(step)

        if answer is not None and answer["object"] == "billing.meter":
            meters[answer["event_name"]] = answer["id"]

    for pushed in found.prices:
        for step in pushed.steps:
            answer = _send(step)

            if step.change.action in ("create", "update"):
                pushed.found = answer

    for step in found.metered:
        _send(_for_meter(step, meters))


def _for_meter(step: Step, meters: dict[str, str]) -> Step:
    """The step with the meter that was made a moment ago."""
    if step.meter is None:
        return step

    recurring = {**step.params["recurring"], "meter": meters[step.meter]}
    return dataclasses.replace(step, params={**step.params, "recurring": recurring})


def _send(step: Step) -> StripeObject | None:
    if step.path is None:
        return None

    try:
        answer = gateway().post(step.path, step.params, idempotency_key=step.idempotency_key)
    except StripeError as error:
        if step.idempotency_key is None or not error.replayed:
            raise
    else:
        if not _was_deactivated(step, answer):
            return answer

    # Stripe keeps what it answered to a key for a day: an error, whatever was mended since, and a
    # meter that was deactivated since. What should be there after all, the next push finds.
    another = f"{step.idempotency_key}:{uuid.uuid4().hex}"
    return gateway().post(step.path, step.params, idempotency_key=another)


def _was_deactivated(step: Step, made: StripeObject) -> bool:
    """Whether a meter was made by an earlier push, and deactivated since."""
    if step.change.action != "create" or step.change.kind != "meter":
        return False

    there = get(f"{step.path}/{made['id']}")
    return there is not None and there["status"] == "inactive"
