"""Invoice previews: the real change is made, its invoice taken, and everything rolled back."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    ending,
    final_invoice,
    pausing,
    phase_change,
    planning,
    preview_items,
    renewal,
    resuming,
    schedules,
    starting,
    updating,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import ApiError, missing_param, not_built


class PreviewTaken(Exception):  # noqa: N818 - an end, not an error
    """Ends the unit of work: its answer is shown and nothing of it is kept."""

    def __init__(self, body: Body) -> None:
        super().__init__("preview")
        self.body = body


_SHARED = (
    "items",
    "proration_behavior",
    "proration_date",
    "billing_cycle_anchor",
    "cancel_at_period_end",
    "cancel_at",
    "trial_end",
)


def preview(account: Account, params: Body) -> Body:
    """The upcoming invoice, not finalised and not stored."""
    if params.get("preview_mode") == "recurring":
        raise not_built("previews of recurring charges alone", "preview_mode")
    asked = params.get("subscription_details") or {}
    change = {name: asked[name] for name in _SHARED if name in asked}
    if params.get("discounts") is not None:
        change["discounts"] = params["discounts"]
    preview_items.add(account, params, _payer(account, params))
    if params.get("schedule") or params.get("schedule_details"):
        invoice = _of_schedule(account, params)
    elif params.get("subscription"):
        subscription = account.require("subscription", params["subscription"], param="subscription")
        invoice = _of_subscription(account, subscription, change, asked)
    elif asked.get("items"):
        invoice = _of_new(account, params, change)
    else:
        invoice = _of_customer(account, params)
    shown = account.show(invoice)
    shown["id"] = "upcoming_" + invoice["id"]
    for line in shown["lines"]["data"]:
        line["invoice"] = shown["id"]
    shown["lines"]["url"] = f"/v1/invoices/{shown['id']}/lines"
    return shown


def _payer(account: Account, params: Body) -> str | None:
    if params.get("customer"):
        customer: str = params["customer"]
        return customer
    subscription = account.get("subscription", params.get("subscription"))
    return subscription["customer"] if subscription else None


def _of_subscription(account: Account, subscription: Body, change: Body, asked: Body) -> Body:
    if asked.get("cancel_now"):
        final_invoice.bill(account, subscription, {**asked, "invoice_now": True})
        ending.cancel(account, subscription)
        return _latest(account, subscription)
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        raise _nothing(subscription["customer"])
    if asked.get("pause"):
        paused = pausing.request(
            account, subscription, {**asked["pause"], "invoicing_behavior": "invoice"}
        )
        return _or_nothing(paused, subscription)
    if subscription["status"] == "paused":
        due = asked.get("resume_at") and resuming.start_period(account, subscription, change)
        return _or_nothing(due, subscription)
    invoice = updating.apply(account, subscription, change) if change else None
    if invoice is not None:
        return invoice
    return _next(account, subscription)


def _next(account: Account, subscription: Body) -> Body:
    """The renewal to come, or what a phase of its schedule bills before."""
    latest = subscription["latest_invoice"]
    for moment in _moments(account, subscription):
        account.now = moment
        phase_change.advance(account, subscription)
        if subscription["latest_invoice"] != latest:
            return _latest(account, subscription)
    turn = shape.next_turn(subscription)
    account.now = turn
    if subscription["cancel_at"] is not None and subscription["cancel_at"] <= turn:
        last = subscription["status"] in {"active", "past_due"} and final_invoice.at_period_end(
            account, subscription
        )
        return _or_nothing(last or None, subscription)
    return renewal.renew(account, subscription)


def _moments(account: Account, subscription: Body) -> list[int]:
    """When the phases of a schedule change, up to the renewal."""
    schedule = account.get("subscription_schedule", subscription["schedule"])
    turn = shape.next_turn(subscription)
    if schedule is None or schedule["current_phase"] is None:
        return []
    ends = [phase["end_date"] for phase in schedule["phases"]]
    return [end for end in ends if schedule["current_phase"]["end_date"] <= end <= turn]


def _of_schedule(account: Account, params: Body) -> Body:
    details = params.get("schedule_details") or {}
    if not params.get("schedule"):
        return _of_new_schedule(account, {**details, "customer": params.get("customer")})
    schedule = account.require(
        "subscription_schedule",
        params["schedule"],
        param="schedule",
        label="subscription schedule",
    )
    invoice = planning.change(account, schedule, details, collect=False) if details else None
    subscription = schedules.subscription_of(account, schedule)
    if invoice is not None:
        return invoice
    if subscription is None:
        return _started(account, schedule)
    return _next(account, subscription)


def _of_new_schedule(account: Account, params: Body) -> Body:
    if not params["customer"]:
        raise missing_param("customer")
    plan = list(params.get("phases") or [])
    begins = (plan[0].get("start_date") if plan else None) or "now"
    phases = [{k: v for k, v in phase.items() if k != "start_date"} for phase in plan]
    return _started(
        account, planning.create(account, {**params, "phases": phases, "start_date": begins})
    )


def _started(account: Account, schedule: Body) -> Body:
    if schedule["status"] != "active":
        account.now = schedule["phases"][0]["start_date"]
        phase_change.start(account, schedule)
    subscription = schedules.subscription_of(account, schedule)
    if subscription is None:
        raise _nothing(schedule["customer"])
    return _latest(account, subscription)


def _latest(account: Account, subscription: Body) -> Body:
    return account.require("invoice", subscription["latest_invoice"])


def _of_new(account: Account, params: Body, change: Body) -> Body:
    if not params.get("customer"):
        raise missing_param("customer")
    subscription = starting.start(
        account,
        {
            **{k: change[k] for k in ("items", "trial_end", "discounts") if k in change},
            "customer": params["customer"],
            "payment_behavior": "default_incomplete",
        },
    )
    return _latest(account, subscription)


def _of_customer(account: Account, params: Body) -> Body:
    if not params.get("customer"):
        raise missing_param("customer")
    live = [
        subscription
        for subscription in account.find("subscription", customer=params["customer"])
        if subscription["status"] in {"active", "trialing", "past_due"}
    ]
    if not live:
        invoice = preview_items.alone(account, params)
        if invoice is None:
            raise _nothing(params["customer"])
        return invoice
    return _of_subscription(account, min(live, key=shape.next_turn), {}, {})


def _or_nothing(invoice: Body | None, subscription: Body) -> Body:
    if not invoice:
        raise _nothing(subscription["customer"])
    return invoice


def _nothing(customer: str) -> ApiError:
    return ApiError(
        404,
        f"No upcoming invoices for customer: {customer}",
        code="invoice_upcoming_none",
    )


def announce(account: Account, subscription: Body) -> None:
    """Emit ``invoice.upcoming`` some days before a renewal; its object has no id."""
    if subscription["status"] not in {"active", "past_due"}:
        return
    account.flush()
    account.connection.execute("SAVEPOINT upcoming")
    scratch = Account(
        account.connection, account.now, account.settings, account.public_url, account.cause
    )
    copy = scratch.require("subscription", subscription["id"])
    shown: Body | None
    try:
        shown = _of_subscription(scratch, copy, {}, {})
        shown = scratch.show(shown)
    except ApiError:
        shown = None
    account.connection.execute("ROLLBACK TO upcoming")
    account.connection.execute("RELEASE upcoming")
    if shown is not None:
        del shown["id"]
        account.emit_shown("invoice.upcoming", shown)
