"""A quote: what a change of plan costs, when it begins, and what it brings."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import current_app

from .. import clock, stripe_objects, sync
from ..catalog import Interval, Plan
from ..database import refuse_busy_session, reread
from ..errors import StripeRejectedError
from ..metering.export import export_usage_of
from ..models import Customer, PaymentMethod, Subscription, SubscriptionChange
from ..stripe_gateway import StripeObject
from ..stripe_prices import retire
from . import consequences, items, preview, rules, schedules, token
from .consequences import Consequences
from .current import refreshed_subscription
from .intent_rows import ACTION
from .preview import Line
from .refusals import ForeignScheduleError
from .rules import ChangeKind
from .target import Target, plan_of, target_of
from .token import Terms
from .undo import waiting_change


@dataclasses.dataclass(frozen=True)
class Quote:
    """What a customer is shown before they change their plan.

    :param kind: ``upgrade`` (now), ``switch`` (now, the trial goes on), ``end_trial`` (now,
        and paid) or ``downgrade`` (when the period ends).
    :param from_plan: None where the catalog never knew it.
    :param from_amount: minor units an interval for all seats, before tax and discounts; as
        ``amount`` after the change. None where it is not known.
    :param lines: minor units; they add up to ``due_now``.
    :param tax_inside: tax that the prices hold already, in minor units.
    :param next_amount: minor units of the first charge after what is due now, tax and discounts
        considered; what is left on the customer's balance pays for it first.
    :param bills_usage: whether what is used beyond the included units is charged on top of it.
    :param effective_at: when it begins; None is now.
    :param card: what is charged; None where there is nothing on file.
    :param replaces: the change that waits, and that this one takes the place of.
    :param made_at: business time as of which it was calculated.
    :param token: confirms it, see :func:`flask_billing.subscriptions.change_plan`.
    :param expires_at: until when it can be confirmed, by the wall clock.
    """

    kind: ChangeKind
    from_plan: Plan | None
    from_interval: str | None
    from_quantity: int
    from_amount: int | None
    plan: Plan
    interval: Interval
    quantity: int
    amount: int | None
    currency: str
    lines: tuple[Line, ...]
    due_now: int
    tax_inside: int
    next_amount: int
    bills_usage: bool
    next_at: datetime | None
    effective_at: datetime | None
    trial_end: datetime | None
    card: PaymentMethod | None
    consequences: Consequences
    replaces: SubscriptionChange | None
    made_at: datetime
    token: str
    expires_at: datetime
    terms: Terms = dataclasses.field(repr=False)
    items: list[StripeObject] = dataclasses.field(repr=False)

    @property
    def needs_card(self) -> bool:
        """Whether there is something to pay and nothing to pay it with."""
        return self.due_now > 0 and self.card is None


def quote_change(
    customer: Customer,
    plan: str | None = None,
    interval: str | None = None,
    quantity: int | None = None,
    *,
    end_trial: bool = False,
) -> Quote:
    """What another plan, interval or number of seats would cost, as Stripe reckons it now.

    Asks Stripe, and changes nothing there, but that it hears of what was used until now. What is
    None stays as it is.

    :param end_trial: whether to end a trial now and pay, also for the plan that is on trial.
    :raises UnknownPlanError: for what is not sold.
    :raises ChangeRefusedError: where the plan cannot be changed so now; each subclass says why.
    :raises StripeError: where Stripe could not be asked.
    """
    refuse_busy_session(ACTION)
    subscription = refreshed_subscription(customer)
    rules.refuse_unchangeable(subscription)

    if stripe_objects.metered_items(subscription.snapshot or {}):
        # What is not reported by then would be billed by the plan to come.
        export_usage_of(customer.id)

    while True:
        target = target_of(subscription, plan, interval, quantity)
        kind = rules.kind_of(subscription, target, end_trial=end_trial)

        try:
            return quote_of(customer, subscription, target, kind)
        except StripeRejectedError as error:
            # A price that is not sold any more makes way for the one of its lookup key, once.
            if "[price]" not in (error.param or "") or not retire(target.price):
                raise


def quote_of(
    customer: Customer,
    subscription: Subscription,
    target: Target,
    kind: ChangeKind,
    proration_date: int | None = None,
) -> Quote:
    """The quote of a change that is known to be possible.

    :param proration_date: Unix seconds as of which an earlier quote counted; None is now.
    """
    held = subscription.snapshot or {}
    refuse_foreign_schedule(held)
    entries = items.changed(held, target)
    made_at = clock.now()
    date = (proration_date or int(made_at.timestamp())) if kind == "upgrade" else None
    due = _due(held, entries, kind, date)
    effective_at = subscription.current_period_end if kind == "downgrade" else None
    next_at = _next_at(subscription, target, kind, due)
    terms = _terms(customer, subscription, target, kind, date, due.due if due else 0)
    expires = clock.wall() + lifetime()
    return Quote(
        kind=kind,
        from_plan=plan_of(subscription),
        from_interval=subscription.interval,
        from_quantity=subscription.quantity,
        from_amount=_times(subscription.unit_amount, subscription.quantity),
        plan=target.plan,
        interval=target.interval,
        quantity=target.quantity,
        amount=_times(target.amount, target.quantity),
        currency=subscription.currency,
        lines=due.lines if due else (),
        due_now=due.due if due else 0,
        tax_inside=due.tax_inside if due else 0,
        next_amount=preview.of_renewal(held, items.without_usage(held, entries), next_at),
        # What is used until a change at the period's end is of the plan that is left.
        bills_usage=bool(
            stripe_objects.metered_items(held)
            if target.metered is None or effective_at is not None
            else target.metered
        ),
        next_at=next_at,
        effective_at=effective_at,
        trial_end=subscription.trial_end if subscription.status == "trialing" else None,
        card=_card(customer, subscription),
        consequences=consequences.of_change(customer, plan_of(subscription), target.plan),
        replaces=waiting_change(subscription),
        made_at=made_at,
        token=token.sign(terms, expires.timestamp()),
        expires_at=expires,
        terms=terms,
        items=entries,
    )


def lifetime() -> timedelta:
    """How long a quote can be confirmed."""
    found: timedelta = current_app.config["BILLING_QUOTE_LIFETIME"]
    return found


def refuse_foreign_schedule(subscription: stripe_objects.StripeObject) -> None:
    """Make sure that no schedule but one of ours decides about a subscription.

    :raises ForeignScheduleError: where another one does.
    """
    attached = stripe_objects.reference(subscription.get("schedule"))

    if attached is not None and not schedules.is_ours(attached):
        raise ForeignScheduleError


def _due(
    held: stripe_objects.StripeObject,
    entries: list[StripeObject],
    kind: ChangeKind,
    date: int | None,
) -> preview.Preview | None:
    if kind == "upgrade":
        return preview.of_change(
            held, entries, proration_behavior="always_invoice", proration_date=date
        )

    if kind == "end_trial":
        return preview.of_change(
            held, entries, proration_behavior="always_invoice", trial_end="now"
        )

    return None


def _times(amount: int | None, quantity: int) -> int | None:
    return None if amount is None else amount * quantity


def _next_at(
    subscription: Subscription,
    target: Target,
    kind: ChangeKind,
    due: preview.Preview | None,
) -> datetime | None:
    if kind == "switch":
        return subscription.trial_end

    if due is not None and due.until is not None:
        return due.until

    # Of another interval only Stripe tells when it ends.
    known = due is None or (kind == "upgrade" and target.interval == subscription.interval)
    return subscription.current_period_end if known else None


def _terms(
    customer: Customer,
    subscription: Subscription,
    target: Target,
    kind: ChangeKind,
    date: int | None,
    amount: int,
) -> Terms:
    held = subscription.snapshot or {}
    start = subscription.current_period_start
    return Terms(
        customer=customer.id,
        subscription=subscription.stripe_id,
        item=subscription.item_id or "",
        kind=kind,
        from_price=subscription.price or "",
        from_quantity=subscription.quantity,
        period_start=int(start.timestamp()) if start is not None else 0,
        plan=target.plan.key,
        interval=target.interval,
        price=target.price,
        metered=target.metered or (),
        quantity=target.quantity,
        discounts=tuple(sorted(one["id"] for one in stripe_objects.discounts(held))),
        proration_date=date,
        amount=amount,
        currency=subscription.currency,
    )


def _card(customer: Customer, subscription: Subscription) -> PaymentMethod | None:
    """What is charged: the subscription's own payment method, else the customer's."""
    method = (
        subscription.default_payment_method
        or customer.default_payment_method
        or _chosen_at_stripe(customer)
    )

    if method is None:
        return None

    return _known_method(method) or _pulled_method(method)


def _chosen_at_stripe(customer: Customer) -> str | None:
    """The customer's default there, which we may not have heard of yet."""
    assert customer.stripe_id is not None, "who has a subscription is known to Stripe"
    fetched = sync.pull("customer", customer.stripe_id, action=ACTION)
    return stripe_objects.default_payment_method(fetched["customer"])


def _known_method(method: str) -> PaymentMethod | None:
    return reread(
        sa.select(PaymentMethod).where(
            PaymentMethod.stripe_id == method, PaymentMethod.detached_at.is_(None)
        )
    )


def _pulled_method(method: str) -> PaymentMethod | None:
    if not method.startswith("pm_"):
        return None

    sync.pull("payment_method", method, action=ACTION)
    return _known_method(method)
