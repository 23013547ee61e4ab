"""Pausing a plan for some months, and letting it run again.

What is paid for is used up first: the pause begins with the next renewal, which is not charged,
nor is any until the date it ends. The renewal of that date is.
"""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa

from .. import access, clock, stripe_objects
from ..database import reread
from ..errors import CardDeclinedError, NotPausableError
from ..metering.buckets import add_months
from ..models import Customer, Subscription, SubscriptionChange
from ..row_marks import PAUSE_FROM
from ..stripe_gateway import Params, gateway
from . import charging, intent_rows, intents
from .calls import Calls, Outcome
from .current import live_subscription, refreshed_subscription
from .wish import Wish

#: Months that one pause may last.
LONGEST: t.Final = 3
#: How long before the renewal at its end a pause is over, so that Stripe never voids that one.
#: A renewal is collected an hour after it was drafted, which leaves two for Stripe to be late.
MARGIN: t.Final = timedelta(hours=1)

#: Why a payment is not made yet that lets a plan run again.
TO_CONFIRM: t.Final = "to_confirm"
#: Why a plan cannot be paused.
Obstacle = t.Literal[
    "months", "yearly", "trialing", "not_active", "paused", "changing", "renewing", "not_paused",
    "begun",
]  # fmt: skip

_TEXTS: t.Final[dict[Obstacle, str]] = {
    "months": f"A pause lasts 1 to {LONGEST} months.",
    "yearly": "Plans by the year cannot be paused.",
    "trialing": "A trial cannot be paused.",
    "not_active": "Only a plan that runs and is paid for can be paused.",
    "paused": "The plan is paused already.",
    "changing": "A change of the plan waits for its date or its payment. Undo it first.",
    "renewing": "The renewal is being charged right now. Try again in two hours.",
    "not_paused": "The plan is not paused.",
    "begun": "The pause has begun. The plan can run again now, for a payment.",
}


@dataclasses.dataclass(frozen=True)
class Resumption:
    """What it costs to let a paused plan run again now.

    :param amount: minor units charged at once, for a whole period that begins now.
    """

    subscription: Subscription
    amount: int
    currency: str


def pause(customer: Customer, months: int, *, actor: str | None = None) -> SubscriptionChange:
    """Pause a monthly plan from the end of what is paid for. A coming end is taken back.

    :param months: 1 to 3 renewals that are not charged.
    :raises NotPausableError: saying why; nothing was changed.
    :raises StripeError: where Stripe refused, or did not answer: then the pause is recorded and
        :func:`.finish_open` carries it out.
    """
    if not 1 <= months <= LONGEST:
        raise _refusal("months")

    subscription = live_subscription(customer)
    standing = _standing(subscription)

    if standing is not None and standing.request == {"months": months}:
        return standing  # a second click

    if (found := obstacle(subscription)) is not None:
        raise _refusal(found)

    wish = Wish("pause", request={"months": months}, actor=actor)
    return _successful(intents.carry_out(subscription, wish))


def undo_pause(customer: Customer, *, actor: str | None = None) -> SubscriptionChange | None:
    """Take back a pause that has not begun; nothing is charged.

    :returns: the change; None where none is coming.
    :raises NotPausableError: where it has begun: see :func:`unpause`.
    """
    subscription = live_subscription(customer)

    if subscription.pause is None:
        subscription = refreshed_subscription(customer)

        if subscription.pause is None:
            return None

    return _successful(intents.carry_out(subscription, Wish("undo_pause", actor=actor)))


def resumption(customer: Customer) -> Resumption:
    """What it costs to let a paused plan run again now, as Stripe reckons it.

    :raises NotPausableError: where it is not paused, or the pause has not begun.
    """
    subscription = refreshed_subscription(customer)

    if access.judge(subscription, clock.now()).reason != "paused":
        raise _refusal("not_paused")

    details: dict[str, object] = {"billing_cycle_anchor": {"type": "now"}}

    if subscription.status == "paused":
        details["resume_at"] = "now"
    else:
        details["proration_behavior"] = "none"

    preview = gateway().post(
        "/v1/invoices/create_preview",
        {"subscription": subscription.stripe_id, "subscription_details": details},
    )
    return Resumption(subscription, preview["amount_due"], preview["currency"])


def unpause(customer: Customer, *, amount: int, actor: str | None = None) -> SubscriptionChange:
    """End a pause now: a whole period begins and is charged.

    The billing date moves to today. To go on with the period that was not paid for would either
    give the rest of it away or charge for days of the pause.

    :param amount: what the customer was told that they are charged now, in minor units.
    :returns: the change; its reason is :data:`TO_CONFIRM` where the bank wants to be asked. Then
        nothing is charged yet: the subscription's latest invoice waits for its payment.
    :raises NotPausableError: where nothing is paused, or it would be another amount.
    :raises CardDeclinedError: where the bank said no; the plan stays paused.
    """
    found = resumption(customer)

    if found.amount != amount:
        raise NotPausableError("amount", "The amount has changed meanwhile. Nothing was charged.")

    wish = Wish("unpause", amount=amount, currency=found.currency, actor=actor)
    change = intents.carry_out(found.subscription, wish)

    if change.state == "failed" and change.reason != TO_CONFIRM:
        raise CardDeclinedError("The payment did not go through.", code=change.reason)

    return change


def obstacle(subscription: Subscription) -> Obstacle | None:
    """Why a subscription cannot be paused as it stands; None where it can."""
    if subscription.pause is not None or subscription.status == "paused":
        return "paused"

    if subscription.status == "trialing":
        return "trialing"

    if subscription.status != "active":
        return "not_active"

    if subscription.interval != "month":
        return "yearly"

    if subscription.schedule_id is not None or subscription.pending_until is not None:
        return "changing"

    return None


def begin(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Tell Stripe not to collect from the next renewal on."""
    subscription = intent_rows.refreshed(change)

    if subscription.pause is not None:  # ours, repeated after a crash
        return Outcome("pending", effective_at=subscription.pause_starts_at)

    found = obstacle(subscription) or _renewal_under_way(subscription, calls)

    if found is not None:
        return Outcome("failed", reason=found)

    starts, anchor = subscription.current_period_end, subscription.anchor
    assert starts is not None, "what is active has a period"
    assert anchor is not None, "what is active has an anchor"
    assert change.request is not None, "it holds the months"
    resumes = renewal_after(anchor, starts, change.request["months"]) - MARGIN
    params: dict[str, object] = {
        "pause_collection": {"behavior": "void", "resumes_at": int(resumes.timestamp())},
        "metadata": {PAUSE_FROM: str(int(starts.timestamp()))},
    }

    if subscription.cancel_at is not None:
        by_period = (subscription.snapshot or {}).get("cancel_at_period_end")
        params.update({"cancel_at_period_end": False} if by_period else {"cancel_at": ""})

    # Of another period it is another request.
    calls.post(f"pause-{int(starts.timestamp())}", _path(subscription), params)
    return Outcome("pending", effective_at=starts)


def take_back(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Tell Stripe to collect as ever."""
    subscription = intent_rows.refreshed(change)

    if subscription.pause is None:
        return Outcome("done")

    if subscription.pause_starts_at is None or subscription.pause_starts_at <= clock.now():
        return Outcome("failed", reason="begun")

    calls.post("undo-pause", _path(subscription), NOT_PAUSED)
    return Outcome("done")


def run_again(change: SubscriptionChange, calls: Calls) -> Outcome:
    """Let Stripe begin and charge a new period now."""
    subscription = intent_rows.refreshed(change)
    anew: Params = {"billing_cycle_anchor": {"type": "now"}}

    if subscription.status == "paused":
        return _resumed(subscription, anew, calls)

    if subscription.pause is None:
        return Outcome("done", effective_at=clock.now())

    params = {**NOT_PAUSED, **anew, "proration_behavior": "none"}

    try:
        behavior = {"payment_behavior": "error_if_incomplete"}
        calls.post("unpause", _path(subscription), {**params, **behavior})
    except CardDeclinedError as error:
        if error.code not in charging.TO_CONFIRM:
            raise

        # The period begins all the same, with an invoice that can be confirmed.
        behavior = {"payment_behavior": "allow_incomplete"}
        answer = calls.post("unpause-unpaid", _path(subscription), {**params, **behavior})
        waits = answer["status"] == "past_due"
        return Outcome("done", effective_at=clock.now(), reason=TO_CONFIRM if waits else None)

    return Outcome("done", effective_at=clock.now())


def _resumed(subscription: Subscription, anew: Params, calls: Calls) -> Outcome:
    """Resume what Stripe itself has paused, which lasts until the invoice for that is paid."""
    known = calls.get(_path(subscription), {"expand": ["latest_invoice"]})
    invoice = stripe_objects.expanded(known.get("latest_invoice")) or {}

    if invoice.get("status") == "open":  # of an earlier try: a second one would be charged too
        return _paid(invoice["id"], calls)

    params = {**anew, "payment_behavior": "resume_on_payment_success"}
    answer = calls.post("resume", f"{_path(subscription)}/resume", params)

    if answer["status"] != "paused":
        return Outcome("done")

    refusal = charging.refusal(answer, calls)

    if refusal is not None and refusal.code not in charging.TO_CONFIRM:
        return Outcome("failed", reason="payment_failed")

    # Stripe tried as if the customer were not there. They are, and can answer their bank.
    return _paid(stripe_objects.reference(answer.get("latest_invoice")), calls)


def _paid(invoice: str | None, calls: Calls) -> Outcome:
    try:
        calls.post(f"pay-{invoice}", f"/v1/invoices/{invoice}/pay")
    except CardDeclinedError as error:
        if error.code not in charging.TO_CONFIRM:
            raise

        return Outcome("failed", reason=TO_CONFIRM)

    return Outcome("done")


def look(change: SubscriptionChange, calls: Calls) -> Outcome | None:
    """Whether a paused plan runs again that was to be charged; None where it does not."""
    subscription = intent_rows.refreshed(change)

    if subscription.pause is None and subscription.status in ("active", "past_due"):
        return Outcome("done", effective_at=subscription.current_period_start)

    return None


def renewal_after(anchor: datetime, renewal: datetime, months: int) -> datetime:
    """The renewal so many months after one, by the anchor's day: 31 Jan, 28 Feb, 31 Mar."""
    passed = (renewal.year - anchor.year) * 12 + renewal.month - anchor.month
    return add_months(anchor, passed + months)


#: What lets Stripe collect as ever.
NOT_PAUSED: t.Final[Params] = {"pause_collection": "", "metadata": {PAUSE_FROM: ""}}


def _renewal_under_way(subscription: Subscription, calls: Calls) -> Obstacle | None:
    """Whether the period that runs is still to be charged: a pause would make it a gift."""
    begun = subscription.current_period_start

    if subscription.latest_invoice is None or begun is None:
        return None

    if clock.now() - begun > timedelta(days=4):  # as long as Stripe may keep a draft
        return None

    invoice = calls.get(f"/v1/invoices/{subscription.latest_invoice}")
    return "renewing" if invoice["status"] in ("draft", "open") else None


def _standing(subscription: Subscription) -> SubscriptionChange | None:
    """The pause that waits for its date."""
    return reread(
        sa.select(SubscriptionChange).where(
            SubscriptionChange.subscription_id == subscription.id,
            SubscriptionChange.kind == "pause",
            SubscriptionChange.state == "pending",
        )
    )


def _successful(change: SubscriptionChange) -> SubscriptionChange:
    if change.state == "failed":
        raise _refusal(t.cast("Obstacle", change.reason))

    return change


def _refusal(why: Obstacle) -> NotPausableError:
    return NotPausableError(why, _TEXTS.get(why, "The plan cannot be paused now."))


def _path(subscription: Subscription) -> str:
    return f"/v1/subscriptions/{subscription.stripe_id}"
