"""What a confirmed change asks of Stripe, as the row it is recorded as."""

from __future__ import annotations

import dataclasses

from ..models import Subscription
from ..stripe_gateway import StripeObject
from . import facts
from .rules import ChangeKind
from .target import Target
from .wish import Wish


def wish_for(
    subscription: Subscription,
    target: Target,
    kind: ChangeKind,
    entries: list[StripeObject],
    proration_date: int | None,
) -> Wish:
    """The intent of a change.

    :param entries: the ``items`` of the update at Stripe.
    :param proration_date: Unix seconds as of which time is counted; None where nothing is.
    """
    request = {
        "facts": facts.of(subscription.snapshot or {}),
        "item": subscription.item_id,
        "price": target.price,
        "quantity": target.quantity,
        "interval": target.interval,
        "items": entries,
        "ends_trial": kind == "end_trial",
        "params": {"items": entries, **_terms(subscription, kind, proration_date)},
    }
    return Wish(
        kind,
        request=request,
        to_plan=target.plan.key,
        to_interval=target.interval,
        quantity=target.quantity,
        effective_at=subscription.current_period_end if kind == "downgrade" else None,
        currency=subscription.currency,
    )


def said(wish: Wish, reason: str | None, comment: str | None, actor: str | None) -> Wish:
    """The same intent, with who wants it and why."""
    return dataclasses.replace(wish, reason=reason, feedback=comment, actor=actor)


def _terms(
    subscription: Subscription, kind: ChangeKind, proration_date: int | None
) -> StripeObject:
    if kind not in ("upgrade", "end_trial"):
        return {"proration_behavior": "none"}

    terms: StripeObject = {
        "proration_behavior": "always_invoice",
        "payment_behavior": _payment_behavior(subscription),
    }

    if kind == "end_trial":
        terms["trial_end"] = "now"
    else:
        terms["proration_date"] = proration_date

    return terms


def _payment_behavior(subscription: Subscription) -> str:
    """Keep the plan until it is paid for.

    Changes that wait are for cards alone (docs.stripe.com/billing/subscriptions/pending-updates):
    a bank debit that is refused at once leaves no trace instead.
    """
    method = (subscription.snapshot or {}).get("default_payment_method")
    kind = method.get("type") if isinstance(method, dict) else None
    return "pending_if_incomplete" if kind in (None, "card", "link") else "error_if_incomplete"
