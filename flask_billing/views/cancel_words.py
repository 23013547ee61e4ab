"""What the pages say of a cancellation, before and after it was asked for."""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from datetime import UTC

from .. import formatting
from ..models import Customer, Subscription, SubscriptionChange
from ..row_marks import reference
from ..state import state
from ..subscriptions.cancel import RECORDED, ends_at_once
from ..subscriptions.last_charge import after_the_end, last_charge
from ..translation import gettext as _
from .badges import state_of
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class Ended:
    """What the page says once the plan was cancelled.

    :param recorded: whether Stripe could not be told yet.
    :param runs: whether the plan can still be kept.
    :param lines: as on a receipt.
    """

    heading: str
    texts: tuple[str, ...]
    lines: tuple[tuple[str, str], ...]
    recorded: bool
    runs: bool


def plan_name(subscription: Subscription) -> str:
    """The plan's name; a plan the catalog does not know is "your plan"."""
    plan = state().catalog.plan(subscription.plan or subscription.last_plan)
    return plan.name if plan is not None else _("your plan")


def reasons() -> dict[str, str]:
    """Why customers leave, as they would say it, by Stripe's code."""
    return {
        "too_expensive": _("It's too expensive"),
        "unused": _("I don't use it enough"),
        "missing_features": _("It lacks features I need"),
        "switched_service": _("I'm switching to something else"),
        "too_complex": _("It's too complicated"),
        "low_quality": _("The quality isn't good enough"),
        "customer_service": _("I'm unhappy with the support"),
        "other": _("Another reason"),
    }


def consequences(subscription: Subscription, change: SubscriptionChange | None) -> list[str]:
    """What cancelling means now, a sentence each: kept with the request, word for word.

    :param change: the change that waits for its date, if one does.
    """
    plan = plan_name(subscription)
    found = state_of(subscription)

    if ends_at_once(subscription):
        return _at_once(found, plan)

    end = subscription.current_period_end
    texts = [promise(subscription)]

    if end is not None:
        kept = (
            _("Your trial of %(plan)s runs until %(date)s, and then it ends.")
            if found == "trialing"
            else _("You keep %(plan)s until %(date)s.")
        )
        texts.insert(0, kept % {"plan": plan, "date": formatting.day(end)})

    if change is not None and change.to_plan is not None and (to := _name(change.to_plan)):
        texts.append(_("The switch to %(plan)s won't take place.", plan=to))

    if subscription.pause is not None:
        texts.append(_("The pause won't take place."))

    return texts


def promise(subscription: Subscription) -> str:
    """What is still charged of a plan that runs until its end."""
    plan = subscription.plan or subscription.last_plan
    return last_charge(plan, trial=subscription.status == "trialing")


def digest(texts: t.Iterable[str]) -> str:
    """What tells whether somebody has read the same."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def recorded(change: SubscriptionChange, subscription: Subscription) -> str:
    """What is said while Stripe could not be told of a cancellation."""
    moment = change.created_at.astimezone(UTC)
    said = last_charge(None) if ends_at_once(subscription) else promise(subscription)
    return _(
        "We recorded your cancellation at %(time)s UTC and will finish it automatically. "
        "%(promise)s",
        time=f"{moment:%H:%M}",
        promise=said,
    )


def outcome(visitor: Visitor, change: SubscriptionChange | None) -> Ended:
    """How a cancellation stands.

    :param change: None where it was not asked for here, but at Stripe.
    """
    subscription = visitor.access.subscription
    assert subscription is not None, "who cancelled has had a plan"
    lines = _lines(subscription, change)

    if change is not None and change.state in RECORDED:
        return Ended(
            _("Your cancellation is recorded"),
            (recorded(change, subscription), *_mail_to_come(visitor.customer)),
            lines,
            recorded=True,
            runs=True,
        )

    plan = plan_name(subscription)
    runs = visitor.live is not None

    if runs and subscription.cancel_at is not None:
        first = _(
            "You keep %(plan)s until %(date)s. %(promise)s",
            plan=plan,
            date=formatting.day(subscription.cancel_at),
            promise=promise(subscription),
        )
    else:
        first = _("%(plan)s has ended. %(promise)s", plan=plan, promise=_after(subscription))

    texts = (first, *_mailed(visitor.customer)) if change is not None else (first,)
    return Ended(_("Your plan is cancelled"), texts, lines, recorded=False, runs=runs)


def _at_once(found: str, plan: str) -> list[str]:
    match found:
        case "incomplete":
            return [
                _("%(plan)s hasn't started. Cancelling now ends it.", plan=plan),
                _("The first invoice is void, and you weren't charged."),
            ]
        case "paused":
            return [
                _("%(plan)s is paused. Cancelling now ends it today.", plan=plan),
                _("You won't be charged again."),
            ]
        case _failed_payment:
            return [
                _("Cancelling now ends %(plan)s today and stops payment attempts.", plan=plan),
                _("You won't be charged again. What is unpaid stays on your invoices."),
            ]


def _after(subscription: Subscription) -> str:
    """What is still charged of a plan that has ended: nothing of a trial, or of one at once."""
    ended, end = subscription.ended_at, subscription.current_period_end

    if ended is None or end is None or ended < end:
        return after_the_end(None)

    trial_end = subscription.trial_end
    on_trial = trial_end is not None and trial_end >= end
    return after_the_end(None if on_trial else subscription.plan or subscription.last_plan)


def _lines(
    subscription: Subscription, change: SubscriptionChange | None
) -> tuple[tuple[str, str], ...]:
    ended = subscription.ended_at
    end = ended or subscription.cancel_at
    lines = [(_("Plan"), plan_name(subscription))]

    if change is not None:
        lines += [
            (_("Reference"), reference(change)),
            (_("Requested"), formatting.full_moment(change.created_at)),
        ]

    if end is not None:
        lines.append((_("Ended") if ended is not None else _("Ends"), formatting.day(end)))

    return tuple(lines)


def _mailed(customer: Customer) -> tuple[str, ...]:
    if customer.email is None:
        return ()

    return (_("We e-mailed a confirmation to %(email)s.", email=customer.email),)


def _mail_to_come(customer: Customer) -> tuple[str, ...]:
    if customer.email is None:
        return ()

    return (_("We'll e-mail a confirmation to %(email)s then.", email=customer.email),)


def _name(key: str) -> str | None:
    plan = state().catalog.plan(key)
    return plan.name if plan is not None else None
