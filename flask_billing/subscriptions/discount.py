"""A discount given to a running subscription: beside those it has, and with a coupon of its own."""

from __future__ import annotations

import collections.abc as c
import hashlib
import typing as t

from .. import stripe_objects
from ..errors import StripeRejectedError
from ..models import Subscription, SubscriptionChange
from ..stripe_gateway import StripeObject
from . import intent_rows, intents, schedules
from .calls import Calls, Outcome
from .wish import Wish

#: Stripe refuses longer ones.
_NAME_LENGTH: t.Final = 40


def discount(
    subscription: Subscription,
    *,
    coupon: str,
    terms: c.Mapping[str, str | int],
    name: str,
    quote_id: str,
    reason: str | None = None,
    comment: str | None = None,
    actor: str | None = None,
) -> SubscriptionChange:
    """Take something off the next invoices; an end that was planned is taken back.

    :param coupon: id of the coupon that is made for this and used up by it.
    :param terms: the coupon's ``percent_off`` or ``amount_off`` and ``duration``.
    :param quote_id: what was agreed; each is carried out once.
    :raises StripeError: where Stripe refused, or did not answer; then it is carried out later.
    """
    request = {"coupon": coupon, "terms": dict(terms), "name": name[:_NAME_LENGTH]}
    wish = Wish(
        "discount",
        request=request,
        quote_id=quote_id,
        reason=reason,
        feedback=comment,
        actor=actor,
    )
    return intents.carry_out(subscription, wish)


def apply(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Make the coupon, give it, and look whether it is there."""
    request = change.request or {}
    path = f"/v1/subscriptions/{intent_rows.subscription_of(change).stripe_id}"
    found = _read(calls, path)

    if not _is_given(found, request["coupon"]):
        _mint(calls, request)
        _give(calls, path, found, request["coupon"])
        found = _read(calls, path)

    return (
        Outcome("done")
        if _is_given(found, request["coupon"])
        else Outcome("failed", reason="not_applied")
    )


def _is_given(subscription: StripeObject, coupon: str) -> bool:
    """Whether the discount is there and the subscription goes on."""
    coupons = map(stripe_objects.coupon_of, stripe_objects.discounts(subscription))
    return coupon in coupons and stripe_objects.cancels_at(subscription) is None


def _mint(calls: Calls, request: dict[str, t.Any]) -> None:
    """A coupon that can be used once, so that nobody else ever gets it."""
    try:
        calls.post(
            "coupon",
            "/v1/coupons",
            {
                "id": request["coupon"],
                "name": request["name"],
                "max_redemptions": 1,
                **request["terms"],
            },
        )
    except StripeRejectedError as error:
        if error.code != "resource_already_exists":  # by us, longer ago than keys are kept
            raise


def _give(calls: Calls, path: str, subscription: StripeObject, coupon: str) -> None:
    kept = [found["id"] for found in stripe_objects.discounts(subscription)]
    have = [stripe_objects.coupon_of(found) for found in stripe_objects.discounts(subscription)]
    params: dict[str, t.Any] = {
        # What is not named is taken away.
        "discounts": [
            *({"discount": discount_id} for discount_id in kept),
            *([] if coupon in have else [{"coupon": coupon}]),
        ]
    }

    if stripe_objects.cancels_at(subscription) is not None:
        schedules.release(subscription["id"], calls)
        at_period_end = subscription.get("cancel_at_period_end")
        params |= {"cancel_at_period_end": False} if at_period_end else {"cancel_at": ""}

    try:
        calls.post(f"discount-{_digest(params)}", path, params)
    except StripeRejectedError:
        # Used up by a request of ours that we never heard back from?
        if not _is_given(_read(calls, path), coupon):
            raise


def _read(calls: Calls, path: str) -> StripeObject:
    return calls.get(path, {"expand": ["discounts"]})


def _digest(params: c.Mapping[str, t.Any]) -> str:
    """Tells requests apart that were made after looking again: a key stands for one of them."""
    return hashlib.sha256(repr(params).encode()).hexdigest()[:12]
