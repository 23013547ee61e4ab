"""The plan of a schedule: made from scratch, or changed while it runs."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import phase_change, phases, schedules
from flask_billing.sandbox.errors import invalid, missing_param, not_built, unknown_param
from flask_billing.sandbox.resources import fields


def create(account: Account, params: Body) -> Body:
    """A schedule for a subscription to come, started at once if its start date is now."""
    for name in ("customer", "start_date", "phases"):
        if name not in params:
            raise missing_param(name)
    customer = account.require("customer", params["customer"], param="customer")
    for index, phase in enumerate(params["phases"]):
        if "start_date" in phase:
            raise unknown_param(f"phases[{index}][start_date]")
    begins = account.now if params["start_date"] == "now" else params["start_date"]
    if begins < account.now:
        raise not_built("schedules that start in the past", "start_date")
    plan = phases.read(account, params["phases"], begins, customer["id"])
    schedule = schedules.new_schedule(account, customer["id"], plan, params)
    if begins == account.now:
        phase_change.start(account, schedule)
    schedules.appoint(account, schedule)
    account.emit("subscription_schedule.created", schedule)
    return schedule


def change(account: Account, schedule: Body, params: Body, *, collect: bool = True) -> Body | None:
    """Apply the parameters of an update; the subscription follows.

    Returns the invoice of a change that is billed at once, as a draft without ``collect``.
    """
    schedules.require_live(schedule, "update")
    refuse_pauses(params)
    subscription = schedules.subscription_of(account, schedule)
    with account.changing(schedule, "subscription_schedule.updated"):
        fields.assign(schedule, params, ("end_behavior",))
        fields.merge_metadata(schedule, params)
        _merge_defaults(schedule["default_settings"], params.get("default_settings") or {})
        if "phases" in params:
            schedule["phases"] = _plan(account, schedule, params["phases"])
            current = phases.current(schedule)
            schedule["current_phase"] = current and phases.span_of(current)
        schedules.appoint(account, schedule)
    if subscription is None:
        return None
    invoice = phase_change.apply_to_current(
        account, schedule, subscription, params, collect=collect
    )
    phase_change.advance(account, subscription)
    return invoice


def _merge_defaults(settings: Body, asked: Body) -> None:
    names = ("billing_cycle_anchor", "collection_method", "default_payment_method", "description")
    fields.assign(settings, asked, names)
    invoice = asked.get("invoice_settings") or {}
    fields.assign(settings["invoice_settings"], invoice, ("days_until_due",))


def _plan(account: Account, schedule: Body, asked: list[Body]) -> list[Body]:
    """All phases after an update: those that are over stay, the others are as sent."""
    span = schedule["current_phase"]
    if span is None:
        first = schedule["phases"][0]["start_date"]
        plan = phases.read(account, asked, None if _anchored(asked) else first, _owner(schedule))
        if plan[0]["start_date"] < account.now:
            raise invalid("A schedule cannot start in the past.", "phases[0][start_date]")
        return plan
    sent = phases.read(account, asked, None, _owner(schedule))
    starts = [phase["start_date"] for phase in sent]
    if span["start_date"] not in starts:
        raise invalid("You can not modify the start date of the current phase.", "phases")
    position = starts.index(span["start_date"])
    if sent[position]["end_date"] < account.now:
        raise invalid("The current phase cannot end in the past.", f"phases[{position}][end_date]")
    if sent[0]["currency"] != schedule["phases"][0]["currency"]:
        raise invalid("A schedule cannot change the currency of its subscription.", "phases")
    over = [one for one in schedule["phases"] if one["end_date"] <= span["start_date"]]
    return over + sent[position:]


def _anchored(asked: list[Body]) -> bool:
    return bool(asked) and "start_date" in asked[0]


def _owner(schedule: Body) -> str:
    return str(schedule["customer"])


def refuse_pauses(params: Body) -> None:
    """Pauses by schedule are not there."""
    if params.get("pause_schedules"):
        raise not_built("schedules of pauses", "pause_schedules")
