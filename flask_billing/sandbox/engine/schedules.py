"""Subscription schedules: how they are made, changed, released and canceled."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import phases, taxes
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.settings import DAY

_LIVE = ("not_started", "active")
_NOTICE_DAYS = 7


def new_schedule(account: Account, customer: str, plan: list[Body], params: Body) -> Body:
    """A schedule that has not started, from its phases."""
    return account.add(
        {
            "id": new_id("sub_sched"),
            "object": "subscription_schedule",
            "application": None,
            "billing_mode": shape.billing_mode(params.get("billing_mode") or {}, account.now),
            "canceled_at": None,
            "completed_at": None,
            "created": account.now,
            "current_phase": None,
            "customer": customer,
            "customer_account": None,
            "default_settings": _default_settings(params.get("default_settings") or {}),
            "end_behavior": params.get("end_behavior", "release"),
            "livemode": False,
            "metadata": fields.new_metadata(params),
            "pause_schedules": [],
            "phases": plan,
            "released_at": None,
            "released_subscription": None,
            "status": "not_started",
            "subscription": None,
            "test_clock": None,
            "_": {},
        }
    )


def _default_settings(asked: Body) -> Body:
    invoice = asked.get("invoice_settings") or {}
    return {
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": asked.get("billing_cycle_anchor", "automatic"),
        "billing_thresholds": None,
        "collection_method": asked.get("collection_method", "charge_automatically"),
        "default_payment_method": asked.get("default_payment_method"),
        "description": asked.get("description") or None,
        "invoice_settings": {
            "account_tax_ids": None,
            "custom_fields": None,
            "days_until_due": invoice.get("days_until_due"),
            "description": None,
            "footer": None,
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }


def from_subscription(account: Account, subscription: Body) -> Body:
    """Put a running subscription under a schedule of one phase, its current period."""
    if subscription["schedule"]:
        raise invalid(
            "You cannot migrate a subscription that is already attached to a schedule: "
            f"`{subscription['schedule']}`.",
            "from_subscription",
        )
    if subscription["status"] not in {"active", "trialing", "past_due"}:
        raise invalid(
            f"You cannot migrate a subscription that is {subscription['status']} to a schedule.",
            "from_subscription",
        )
    ends = subscription["cancel_at"] is not None
    settings = {
        "collection_method": subscription["collection_method"],
        "default_payment_method": subscription["default_payment_method"],
        "description": subscription["description"],
        "invoice_settings": {"days_until_due": subscription["days_until_due"]},
    }
    schedule = new_schedule(
        account,
        subscription["customer"],
        [phases.of_subscription(account, subscription)],
        {"default_settings": settings, "end_behavior": "cancel" if ends else "release"},
    )
    schedule["billing_mode"] = dict(subscription["billing_mode"])
    begin(account, schedule, subscription)
    account.emit("subscription_schedule.created", schedule)
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["schedule"] = schedule["id"]
    return schedule


def begin(account: Account, schedule: Body, subscription: Body) -> None:
    """The schedule manages a subscription from now on."""
    schedule["status"] = "active"
    schedule["subscription"] = subscription["id"]
    schedule["current_phase"] = phases.span_of(schedule["phases"][0])
    appoint(account, schedule)


def appoint(account: Account, schedule: Body) -> None:
    """Schedule the next change of phase, and the notice before the last one ends."""
    account.save(schedule)
    object_id, last = schedule["id"], schedule["phases"][-1]
    if schedule["status"] == "not_started":
        account.schedule(schedule["phases"][0]["start_date"], "schedule.turn", object_id)
    elif schedule["status"] == "active" and schedule["current_phase"]:
        account.schedule(schedule["current_phase"]["end_date"], "schedule.turn", object_id)
    else:
        account.unschedule("schedule.turn", object_id)
        account.unschedule("schedule.expiring", object_id)
        return
    notice = last["end_date"] - _NOTICE_DAYS * DAY
    if notice > account.now:
        account.schedule(notice, "schedule.expiring", object_id)
    else:
        account.unschedule("schedule.expiring", object_id)


def announce_end(account: Account, schedule: Body) -> None:
    """Seven days before the last phase ends."""
    if schedule["status"] == "active":
        account.emit("subscription_schedule.expiring", schedule)


def require_live(schedule: Body, verb: str) -> None:
    """Refuse to touch a schedule that is over."""
    if schedule["status"] not in _LIVE:
        raise invalid(
            f"You cannot {verb} a subscription schedule that is currently in the "
            f"`{schedule['status']}` status. It must be in `not_started, active` status to be "
            f"{verb}{'d' if verb.endswith('e') else 'ed'}."
        )


def subscription_of(account: Account, schedule: Body) -> Body | None:
    """The subscription the schedule manages."""
    return account.get("subscription", schedule["subscription"])


def release(account: Account, schedule: Body, *, preserve_cancel_date: bool = False) -> None:
    """Let the subscription go its own way; it stays as it is in the current phase."""
    subscription = subscription_of(account, schedule)
    with account.changing(schedule, "subscription_schedule.updated"):
        schedule["status"] = "released"
        schedule["released_at"] = account.now
        schedule["released_subscription"] = schedule["subscription"]
        schedule["subscription"] = None
        schedule["current_phase"] = None
        appoint(account, schedule)
    if subscription is not None:
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["schedule"] = None
            if schedule["end_behavior"] == "cancel" and not preserve_cancel_date:
                take_back_end(subscription)
        shape.appoint(account, subscription)
    account.emit("subscription_schedule.released", schedule)


def take_back_end(subscription: Body) -> None:
    """Undo the cancellation a schedule has set."""
    subscription["cancel_at"] = None
    subscription["cancel_at_period_end"] = False
    subscription["canceled_at"] = None
    subscription["cancellation_details"]["reason"] = None


def write_end(account: Account, schedule: Body, subscription: Body) -> None:
    """Let the subscription end with the schedule, or go on, as ``end_behavior`` says."""
    if schedule["end_behavior"] == "cancel":
        if subscription["cancel_at"] is None:
            subscription["canceled_at"] = account.now
        subscription["cancel_at"] = schedule["phases"][-1]["end_date"]
        subscription["cancellation_details"]["reason"] = "cancellation_requested"
    elif subscription["cancel_at"] is not None:
        take_back_end(subscription)


def close(account: Account, subscription: Body, *, delinquent: bool) -> None:
    """The subscription ended: so does its schedule, whatever was still planned."""
    schedule = account.get("subscription_schedule", subscription["schedule"])
    if schedule is None or schedule["status"] not in _LIVE:
        return
    finished = (
        schedule["end_behavior"] == "cancel" and schedule["phases"][-1]["end_date"] <= account.now
    )
    end = "completed" if finished else "canceled"
    schedule["status"] = end
    schedule[f"{end}_at"] = account.now
    schedule["current_phase"] = None
    appoint(account, schedule)
    event = "aborted" if delinquent and not finished else end
    account.emit(f"subscription_schedule.{event}", schedule)


def follow(account: Account, subscription: Body) -> None:
    """The subscription was changed directly: its current phase says so too."""
    schedule = account.get("subscription_schedule", subscription["schedule"])
    phase = phases.current(schedule) if schedule else None
    if schedule is None or phase is None:
        return
    now = phases.of_subscription(account, subscription)
    with account.changing(schedule, "subscription_schedule.updated"):
        for name in ("items", "discounts", "trial_end"):
            phase[name] = now[name]


def cancel_unstarted(account: Account, schedule: Body) -> None:
    """A schedule that never came to its subscription."""
    schedule["status"] = "canceled"
    schedule["canceled_at"] = account.now
    appoint(account, schedule)
    account.emit("subscription_schedule.canceled", schedule)


@presents("subscription_schedule")
def _shown(account: Account, schedule: Body) -> Body:
    schedule["phases"] = [_shown_phase(account, phase) for phase in schedule["phases"]]
    return schedule


def _shown_phase(account: Account, phase: Body) -> Body:
    return {
        **phase,
        "default_tax_rates": taxes.shown(account, phase["default_tax_rates"]),
        "items": [_shown_item(account, item) for item in phase["items"]],
    }


def _shown_item(account: Account, item: Body) -> Body:
    shown = {**item, "tax_rates": taxes.shown(account, item["tax_rates"])}
    if item["quantity"] is None:
        del shown["quantity"]
    return shown


def refuse_direct_end(subscription: Body, params: Body) -> None:
    """While a schedule manages a subscription, only the schedule may end it later."""
    if subscription["schedule"] and {"cancel_at", "cancel_at_period_end"} & set(params):
        raise ApiError(
            400,
            "The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not "
            "allowed. Please update the schedule instead.",
        )
