"""The banner that says what state the plan is in, and until when."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import timedelta

from flask import session, url_for

from .. import access, clock, formatting
from ..models import PaymentMethod, Subscription, SubscriptionChange
from ..state import state
from ..translation import gettext as _
from . import account_rows, cancel_words, payment_labels
from .badges import state_of
from .checkout import UPDATING
from .visitor import Visitor, owner_mark

#: How long Stripe waits for the first payment (stripe-facts, section 4).
FIRST_PAYMENT: t.Final = timedelta(hours=23)

Tone = t.Literal["info", "warn", "crit"]


@dataclasses.dataclass(frozen=True)
class Action:
    """A way on from the state: a link, or a form of one button.

    :param post: whether it is a form; one that only looks is a link.
    :param whole: whether what comes of it is a page of its own, with or without scripts.
    """

    label: str
    url: str
    post: bool = False
    whole: bool = False


@dataclasses.dataclass(frozen=True)
class Banner:
    """One sentence or two on the plan's state, and what can be done.

    :param urgent: whether a screen reader is told at once.
    :param watch: an address to ask for news, where the state is about to change.
    """

    tone: Tone
    text: str
    urgent: bool = False
    actions: tuple[Action, ...] = ()
    watch: str | None = None


def banner(visitor: Visitor) -> Banner | None:
    """What this customer has to know now; None while all is well."""
    found = _banner(visitor)

    if found is not None and found.actions and not visitor.can_manage:
        return dataclasses.replace(found, actions=())

    return found


def _banner(visitor: Visitor) -> Banner | None:
    if (whose := session.get(UPDATING)) and whose == owner_mark():
        if visitor.live is None:
            return _updating()

        del session[UPDATING]  # a webhook brought the plan

    subscription, change = visitor.access.subscription, visitor.change

    if subscription is None:
        return None

    if change is not None and visitor.is_leaving:
        return Banner("warn", cancel_words.recorded(change, subscription), actions=_keep())

    if change is not None and change.effective_at is None and subscription.pending_until:
        return _scheduled(change)

    written = _BANNERS.get(state_of(subscription))

    if written is not None:
        return written(subscription, visitor.method)

    return _scheduled(change) if change is not None else None


def _updating() -> Banner:
    return Banner(
        "info",
        _("Payment received. We're updating your plan; this usually takes a few seconds."),
        watch=url_for("billing.checkout.watch"),
    )


def _trialing(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    end = subscription.trial_end

    if end is None:
        return None

    if method is None:
        return Banner(
            "info",
            _(
                "Your trial ends %(date)s. Add a card to keep %(plan)s after it.",
                date=formatting.day(end),
                plan=_plan_name(subscription),
            ),
            actions=(Action(_("Add a card"), url_for("billing.payment_methods.add")),),
        )

    if subscription.unit_amount is None or subscription.discount:
        return Banner("info", _("Your trial ends %(date)s.", date=formatting.day(end)))

    return Banner(
        "info",
        _(
            "Your trial ends %(date)s. First charge %(amount)s on %(date)s.",
            date=formatting.day(end),
            amount=formatting.taxed_price(
                subscription.unit_amount * subscription.quantity, subscription.currency
            ),
        ),
    )


def _ending(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    if subscription.cancel_at is None:
        return None

    return Banner(
        "warn",
        _(
            "Your plan ends on %(date)s. %(promise)s",
            date=formatting.day(subscription.cancel_at),
            promise=cancel_words.promise(subscription),
        ),
        actions=_keep(),
    )


def _past_due(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    charged = payment_labels.short(method) if method is not None else _("your card")
    until = access.judge(subscription, clock.now())

    if not until.allowed or until.until is None:
        return Banner(
            "crit",
            _(
                "We couldn't charge %(card)s, and %(plan)s is on hold until the payment arrives.",
                card=charged,
                plan=_plan_name(subscription),
            ),
            urgent=True,
            actions=(*_update_card(), *_pay(subscription)),
        )

    return Banner(
        "crit",
        _(
            "We couldn't charge %(card)s. Update your card by %(date)s to keep %(plan)s.",
            card=charged,
            date=formatting.day(until.until),
            plan=_plan_name(subscription),
        ),
        urgent=True,
        actions=(*_update_card(), *_pay(subscription)),
    )


def _keep() -> tuple[Action, ...]:
    return (Action(_("Keep my plan"), url_for("billing.resume"), post=True),)


def _pausing(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    begins, resumes = subscription.pause_starts_at, subscription.pause_resumes_at

    if begins is None or resumes is None:
        return None

    return Banner(
        "info",
        _(
            "Your plan pauses on %(date)s and resumes on %(end)s.",
            date=formatting.day(begins),
            end=formatting.day(resumes),
        ),
        actions=(Action(_("Undo the pause"), url_for("billing.pause.undo"), post=True),),
    )


def _update_card() -> tuple[Action, ...]:
    return (Action(_("Update card"), url_for("billing.payment_methods.add")),)


def _paused(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    now = (Action(_("Resume now"), url_for("billing.pause.page")),)

    if subscription.pause_resumes_at is None:
        text = _("Your plan is paused. You aren't being charged.")
        return Banner("warn", text, actions=now)

    return Banner(
        "warn",
        _(
            "Your plan is paused. You aren't being charged. It resumes on %(date)s.",
            date=formatting.day(subscription.pause_resumes_at),
        ),
        actions=now,
    )


def _incomplete(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    left = _hours_left(subscription)
    text = _("Your bank needs you to confirm this payment before the plan starts.")

    if left is not None:
        text = f"{text} {_('It expires %(when)s.', when=left)}"

    return Banner("warn", text, actions=_pay(subscription, _("Confirm payment")))


def _hours_left(subscription: Subscription) -> str | None:
    """How long a first payment can still be made: Stripe gives it 23 hours."""
    if subscription.started_at is None:
        return None

    end = subscription.started_at + FIRST_PAYMENT
    return formatting.until(end) if end > clock.now() else None


def _pay(subscription: Subscription, label: str | None = None) -> tuple[Action, ...]:
    """A button that charges what is open, on a page of its own: the bank may want a word."""
    invoice = account_rows.open_invoice(subscription)

    if invoice is None:
        return ()

    amount = formatting.price(invoice.amount_due, invoice.currency)
    label = label or _("Pay %(amount)s now", amount=amount)
    url = url_for("billing.invoices.pay", invoice_id=invoice.stripe_id)
    return (Action(label, url, post=True, whole=True),)


def _incomplete_expired(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    return Banner(
        "info",
        _("That payment wasn't completed, so the plan didn't start. You weren't charged."),
        actions=(Action(_("Try again"), url_for("billing.plans")),),
    )


def _unpaid(subscription: Subscription, method: PaymentMethod | None) -> Banner:
    return Banner(
        "crit",
        _(
            "An invoice is unpaid, so %(plan)s is suspended. Pay to restore access.",
            plan=_plan_name(subscription),
        ),
        urgent=True,
        actions=(*_pay(subscription), *_update_card()),
    )


def _canceled(subscription: Subscription, method: PaymentMethod | None) -> Banner | None:
    ended = subscription.ended_at or subscription.cancel_at

    if ended is None:
        return None

    return Banner(
        "info",
        _(
            "Your %(plan)s plan ended on %(date)s.",
            plan=_plan_name(subscription),
            date=formatting.day(ended),
        ),
        actions=(Action(_("Choose a plan"), url_for("billing.plans")),),
    )


def _scheduled(change: SubscriptionChange) -> Banner | None:
    plan = state().catalog.plan(change.to_plan)

    if plan is None:
        return None

    undo = Action(_("Undo change"), url_for("billing.change.undo"), post=True)

    if change.effective_at is None:
        return Banner(
            "warn",
            _("Your bank needs you to confirm the change to %(plan)s.", plan=plan.name),
            actions=(Action(_("Confirm payment"), url_for("billing.change.done")), undo),
        )

    return Banner(
        "info",
        _(
            "Switching to %(plan)s on %(date)s.",
            plan=plan.name,
            date=formatting.day(change.effective_at),
        ),
        actions=(undo,),
    )


_Writer = c.Callable[[Subscription, PaymentMethod | None], Banner | None]

_BANNERS: t.Final[dict[str, _Writer]] = {
    "trialing": _trialing,
    "ending": _ending,
    "past_due": _past_due,
    "pausing": _pausing,
    "paused": _paused,
    "incomplete": _incomplete,
    "incomplete_expired": _incomplete_expired,
    "unpaid": _unpaid,
    "canceled": _canceled,
}


def _plan_name(subscription: Subscription) -> str:
    plan = state().catalog.plan(subscription.plan or subscription.last_plan)
    return plan.name if plan is not None else _("your plan")
