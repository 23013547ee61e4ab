"""Mails about a plan: it started, changed, is going to end, or ended."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from .. import access, clock
from ..catalog import Plan
from ..clock import from_timestamp
from ..database import reread
from ..formatting import day, full_moment, interval_name, price, taxed_price
from ..models import Customer, SubscriptionChange
from ..state import state
from ..subscriptions.last_charge import after_the_end, last_charge
from ..translation import gettext as _
from .letters import Body, Letter, to


def welcome(customer: Customer, body: Body) -> Letter:
    """A plan started, paid or on trial."""
    plan = plan_name(body.get("plan"))
    facts = tuple(_terms(body))

    if body.get("status") == "trialing":
        return Letter(
            "welcome",
            _("Your %(plan)s trial has started", plan=plan),
            (
                _("You haven't been charged."),
                _("You can change or cancel the plan on the billing page until the trial ends."),
            ),
            facts,
            to(_("Go to billing")),
        )

    return Letter(
        "welcome",
        _("You're on %(plan)s", plan=plan),
        (_("Everything in it is ready to use."),),
        facts,
        to(_("Go to billing")),
    )


def plan_changed(customer: Customer, body: Body) -> Letter:
    """Another plan or interval holds now."""
    plan = plan_name(body.get("plan"))
    before = plan_name(body.get("from_plan"))
    first = (
        _("Your plan is now paid %(interval)s.", interval=interval_name(body.get("interval")))
        if body.get("from_plan") == body.get("plan")
        else _("You switched from %(before)s to %(plan)s.", before=before, plan=plan)
    )
    return Letter(
        "plan_changed",
        _("Your plan changed: %(plan)s", plan=plan),
        (first,),
        tuple(_terms(body)),
        to(_("Go to billing")),
    )


def change_scheduled(customer: Customer, body: Body) -> Letter | None:
    """A change will take effect at the end of the period."""
    at = moment(body.get("effective_at"))

    if at is None or at <= clock.now() or not _waits(customer, body):
        return None  # it was taken back, or something else takes its place

    plan = plan_name(body.get("plan"))
    return Letter(
        "change_scheduled",
        _("Your plan changes on %(date)s", date=day(at)),
        (
            _(
                "You keep what you have until %(date)s, and are on %(plan)s from then on.",
                date=day(at),
                plan=plan,
            ),
            _("You can take this back on the billing page until then."),
        ),
        ((_("Plan"), f"{plan} {interval_name(body.get('interval'))}".strip()),),
        to(_("Go to billing")),
    )


def trial_ending(customer: Customer, body: Body) -> Letter | None:
    """The trial ends in a few days."""
    at = moment(body.get("trial_end"))
    found = access.access_for(customer)
    subscription = found.subscription

    if at is None or at <= clock.now() or subscription is None or not found.trialing:
        return None

    plan = plan_name(subscription.plan or subscription.last_plan)
    has_card = subscription.default_payment_method or customer.default_payment_method

    if subscription.cancel_at is not None:
        return None  # they know, and have decided

    if not has_card:
        return Letter(
            "trial_ending",
            _("Your %(plan)s trial ends on %(date)s", plan=plan, date=day(at)),
            (
                _("There is no card on file. Add one to keep %(plan)s after the trial.", plan=plan),
                _("You won't be charged before the trial ends."),
            ),
            action=to(_("Add a card"), "/payment-methods"),
        )

    facts: tuple[tuple[str, str], ...] = ()

    if subscription.unit_amount is not None and not subscription.discount:
        amount = taxed_price(
            subscription.unit_amount * subscription.quantity, subscription.currency
        )
        facts = ((_("First charge"), amount), (_("On"), day(at)))

    return Letter(
        "trial_ending",
        _("Your %(plan)s trial ends on %(date)s", plan=plan, date=day(at)),
        (_("If you keep the plan, you needn't do anything. You can cancel until then."),),
        facts,
        to(_("Go to billing")),
    )


def cancelled(customer: Customer, body: Body) -> Letter:
    """The plan will end, or has ended at once, as the customer asked."""
    plan = plan_name(body.get("plan") or body.get("from_plan"))
    end = moment(body.get("ends_at"))
    over = end is None or end <= clock.now()
    facts = [(_("Plan"), plan)]

    if reference := body.get("reference"):
        facts.append((_("Reference"), str(reference)))

    if requested := moment(body.get("requested_at")):
        facts.append((_("Requested"), full_moment(requested)))

    if end is not None:
        facts.append((_("Ends"), day(end)))

    first = (
        _("Your %(plan)s plan has ended. You won't be charged again.", plan=plan)
        if over or end is None
        else _(
            "You keep %(plan)s until %(date)s. %(promise)s",
            plan=plan,
            date=day(end),
            promise=last_charge(
                body.get("plan") or body.get("from_plan"), trial=body.get("status") == "trialing"
            ),
        )
    )
    last = () if over else (_("If you change your mind, you can keep the plan until that day."),)
    return Letter(
        "cancelled",
        _("Your %(plan)s plan is cancelled", plan=plan),
        (first, *last),
        tuple(facts),
        to(_("Go to billing")),
    )


def ended(customer: Customer, body: Body) -> Letter | None:
    """The plan ended."""
    if access.access_for(customer).reason in ("active", "trialing"):
        return None  # another one began

    key, period_end = body.get("plan") or body.get("from_plan"), moment(body.get("period_end"))
    plan, trial_end = plan_name(key), moment(body.get("trial_end"))
    # Who was ended before had no last invoice, and a trial is free.
    in_time = period_end is not None and period_end <= clock.now()
    on_trial = period_end is not None and trial_end is not None and trial_end >= period_end
    promise = after_the_end(key if in_time and not on_trial else None)
    return Letter(
        "ended",
        _("Your %(plan)s plan has ended", plan=plan),
        (_("%(promise)s You can start a plan again at any time.", promise=promise),),
        action=to(_("See plans"), "/plans"),
    )


def offer_accepted(customer: Customer, body: Body) -> Letter:
    """An offer was taken instead of leaving; its terms as they were shown."""
    return Letter(
        "offer_accepted",
        _("Your offer is in place"),
        (_("Thank you for staying. This is what we agreed on:"), str(body.get("terms") or "")),
        action=to(_("Go to billing")),
    )


def plan_name(key: str | None) -> str:
    """The plan's name as people know it, or as its key tells where the catalog has it no more."""
    plan: Plan | None = state().catalog.plan(key)

    if plan is not None:
        return plan.name

    return _("your plan") if key is None else key.replace("_", " ").replace("-", " ").capitalize()


def moment(value: object) -> datetime | None:
    """A time from a row's body: ISO text, or Stripe's Unix seconds."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)

    return from_timestamp(value) if isinstance(value, int) else None


def _waits(customer: Customer, body: Body) -> bool:
    """Whether a change of the plan still waits for its date."""
    waiting = sa.select(SubscriptionChange).where(
        SubscriptionChange.customer_id == customer.id,
        SubscriptionChange.state == "pending",
        SubscriptionChange.to_plan == body.get("plan"),
        SubscriptionChange.to_interval == body.get("interval"),
    )
    return reread(waiting) is not None


def _terms(body: Body) -> list[tuple[str, str]]:
    facts = []
    amount, currency = body.get("amount"), body.get("currency")
    end = moment(body.get("period_end"))

    if amount is not None and currency:
        each = f"{price(amount, currency)} {interval_name(body.get('interval'))}".strip()
        facts.append((_("Price"), each))

    if end is not None:
        trialing = body.get("status") == "trialing"
        facts.append((_("First charge") if trialing else _("Renews"), day(end)))

    return facts
