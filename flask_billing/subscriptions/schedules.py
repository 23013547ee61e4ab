"""Subscription schedules: what Stripe does to a subscription at a later date."""

from __future__ import annotations

import typing as t

from .. import stripe_objects
from ..errors import StripeRejectedError
from ..stripe_gateway import Params, StripeObject, gateway
from .calls import Calls
from .refusals import ForeignScheduleError


class Caller(t.Protocol):
    """Who asks Stripe on behalf of a change, of a plan or of anything else."""

    def get(self, path: str) -> StripeObject:
        """Read something as it is now."""

    def post(self, step: str, path: str, params: Params | None = None) -> StripeObject:
        """Change something, once for the change and step."""


#: Key of a schedule's metadata that says which of our changes it carries out.
CHANGE: t.Final = "billing_change"


def is_ours(schedule_id: str) -> bool:
    """Whether a schedule carries out one of our changes."""
    return CHANGE in _metadata(gateway().get(_path(schedule_id)))


def release(subscription_id: str, calls: Calls) -> None:
    """Let go of a schedule, so that the subscription can be changed again.

    While one is attached Stripe refuses every other change of when it ends; released, it runs
    on as it is. Whoever attached the schedule: a cancellation must always go through.
    """
    path = f"/v1/subscriptions/{subscription_id}"
    attached = stripe_objects.reference(calls.get(path).get("schedule"))

    if attached is None:
        return

    try:
        calls.post("release", f"{_path(attached)}/release")
    except StripeRejectedError:
        # It came to its end, or somebody else released it, since we looked.
        if stripe_objects.reference(calls.get(path).get("schedule")) is not None:
            raise


def release_ours(subscription: stripe_objects.StripeObject, calls: Calls) -> None:
    """Let go of a schedule of ours.

    :raises ForeignScheduleError: where another one is attached.
    """
    attached = stripe_objects.reference(subscription.get("schedule"))

    if attached is None:
        return

    if CHANGE not in _metadata(calls.get(_path(attached))):
        raise ForeignScheduleError

    release(subscription["id"], calls)


def attach(
    subscription: stripe_objects.StripeObject, mark: str, calls: Calls
) -> tuple[StripeObject, bool]:
    """A schedule for a subscription, of one phase: its current period.

    :param mark: tells the schedule of this change from those of others.
    :returns: the schedule, and whether it is complete already, of an earlier try.
    :raises ForeignScheduleError: where one is attached that is not ours.
    """
    attached = stripe_objects.reference(subscription.get("schedule"))

    if attached is not None:
        found = calls.get(_path(attached))

        if _metadata(found).get(CHANGE) == mark:
            return found, True

        if CHANGE in _metadata(found):
            release(subscription["id"], calls)
            attached = None

    try:
        # An earlier try that crashed is answered again: its schedule bears no mark yet.
        made = calls.post(
            "schedule", "/v1/subscription_schedules", {"from_subscription": subscription["id"]}
        )
    except StripeRejectedError as error:
        if attached is None:
            raise

        raise ForeignScheduleError from error

    return made, False


def put(
    schedule: stripe_objects.StripeObject,
    items: list[StripeObject],
    interval: str,
    mark: str,
    calls: Calls,
) -> None:
    """Let other items follow when the current phase ends, and then let go.

    Everything else of the current phase is said again, for both, because a phase forgets what
    it does not say. The last one says how long it lasts, else it might never end.
    """
    current = schedule["phases"][0]
    shared = _shared(current)
    first = {
        **shared,
        "items": [_item(item) for item in current["items"]],
        "start_date": current["start_date"],
        "end_date": current["end_date"],
    }

    if current.get("trial_end"):
        first["trial_end"] = current["trial_end"]

    if _drops_metered(current["items"], items):
        # By "none" Stripe would not bill what was used until then. The period ends there, so
        # nothing else is prorated.
        shared = {**shared, "proration_behavior": "create_prorations"}

    following = {
        **shared,
        "items": [_item(item) for item in items],
        "duration": {"interval": interval, "interval_count": 1},
    }

    try:
        calls.post(
            "phases",
            _path(schedule["id"]),
            {
                "end_behavior": "release",
                "proration_behavior": "none",
                "metadata": {CHANGE: mark},
                "phases": [first, following],
            },
        )
    except StripeRejectedError:
        calls.post("give-up", f"{_path(schedule['id'])}/release")
        raise


def _drops_metered(present: list[StripeObject], following: list[StripeObject]) -> bool:
    """Whether an item that bills use, which has no quantity, goes with a phase."""
    kept = {stripe_objects.reference(item["price"]) for item in following}
    return any(
        item.get("quantity") is None and stripe_objects.reference(item["price"]) not in kept
        for item in present
    )


def charge_to(schedule_id: str, method: str, calls: Caller) -> None:
    """Let the phases to come be charged to another payment method too.

    They repeat the one the subscription had, and would bring it back. A schedule that is not ours
    may say more than we could repeat, so it is left alone.
    """
    schedule = calls.get(_path(schedule_id))
    current = schedule.get("current_phase")

    if CHANGE not in _metadata(schedule) or current is None:
        return

    phases = [
        {
            **_shared(phase),
            "default_payment_method": method,
            "items": [_item(item) for item in phase["items"]],
            "start_date": phase["start_date"],
            "end_date": phase["end_date"],
            **({"trial_end": phase["trial_end"]} if phase.get("trial_end") else {}),
        }
        for phase in schedule["phases"]
        if phase["start_date"] >= current["start_date"]
    ]
    calls.post(
        f"charge-{schedule_id}",
        _path(schedule_id),
        {
            "default_settings": {"default_payment_method": method},
            "proration_behavior": "none",
            "phases": phases,
        },
    )


def _shared(phase: stripe_objects.StripeObject) -> StripeObject:
    """What of a phase holds beyond it, in the words of a request."""
    found: StripeObject = {
        "proration_behavior": "none",
        "discounts": [_discount(entry) for entry in phase.get("discounts") or ()],
        "default_tax_rates": _references(phase.get("default_tax_rates")),
        "metadata": dict(phase.get("metadata") or {}),
        "description": phase.get("description"),
        "collection_method": phase.get("collection_method"),
        "default_payment_method": stripe_objects.reference(phase.get("default_payment_method")),
    }

    if (phase.get("automatic_tax") or {}).get("enabled"):
        found["automatic_tax"] = {"enabled": True}

    return {name: value for name, value in found.items() if value}


def _item(item: stripe_objects.StripeObject) -> StripeObject:
    found = {
        "price": stripe_objects.reference(item.get("price")),
        "quantity": item.get("quantity"),
        "metadata": dict(item.get("metadata") or {}) or None,
        "tax_rates": _references(item.get("tax_rates")) or None,
        "discounts": [_discount(entry) for entry in item.get("discounts") or ()] or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _discount(entry: stripe_objects.StripeObject) -> StripeObject:
    found = {
        name: stripe_objects.reference(entry.get(name))
        for name in ("discount", "promotion_code", "coupon")
    }
    # One of the three names it; a discount that runs already goes before its coupon.
    name = next(name for name, value in found.items() if value is not None)
    return {name: found[name]}


def _references(entries: object) -> list[str | None]:
    return [stripe_objects.reference(entry) for entry in stripe_objects.list_data(entries)]


def _metadata(schedule: stripe_objects.StripeObject) -> dict[str, str]:
    return schedule.get("metadata") or {}


def _path(schedule_id: str) -> str:
    return f"/v1/subscription_schedules/{schedule_id}"
