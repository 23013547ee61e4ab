"""From one phase of a schedule to the next: by the clock, or because the schedule was changed."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import (
    attributes,
    changes,
    drafts,
    invoice_items,
    payment_behavior,
    phases,
    redemption,
    schedules,
    starting,
    updating,
    usage,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine.periods import boundary


def turn(account: Account, schedule: Body) -> None:
    """A schedule is due to start, or its current phase to end."""
    if schedule["status"] == "not_started":
        if account.get("customer", schedule["customer"]) is None:
            schedules.cancel_unstarted(account, schedule)
        else:
            start(account, schedule)
        return
    subscription = schedules.subscription_of(account, schedule)
    if subscription is not None:
        advance(account, subscription)


def start(account: Account, schedule: Body) -> Body:
    """Create the subscription of the first phase."""
    first = schedule["phases"][0]
    params = _params(account, None, schedule, first)
    subscription = starting.start(
        account,
        {**params, "customer": schedule["customer"], "billing_mode": schedule["billing_mode"]},
        schedule=schedule["id"],
    )
    schedules.begin(account, schedule, subscription)
    schedules.write_end(account, schedule, subscription)
    shape.appoint(account, subscription)
    return subscription


def advance(account: Account, subscription: Body) -> None:
    """Enter every phase that is due, or end the schedule after the last one."""
    schedule = account.get("subscription_schedule", subscription["schedule"])
    while schedule and schedule["status"] == "active" and schedule["current_phase"]:
        if schedule["current_phase"]["end_date"] > account.now:
            return
        phase = phases.following(schedule)
        if phase is not None:
            _enter(account, schedule, subscription, phase)
        elif schedule["end_behavior"] == "renew":
            schedule["phases"].append(_repeated(account, schedule["phases"][-1]))
        else:
            _finish(account, schedule)
            return


def _enter(account: Account, schedule: Body, subscription: Body, phase: Body) -> None:
    with account.changing(schedule, "subscription_schedule.updated"):
        schedule["current_phase"] = phases.span_of(phase)
        schedules.appoint(account, schedule)
    params = _params(account, subscription, schedule, phase)
    with account.changing(subscription, "customer.subscription.updated"):
        if shape.next_turn(subscription) <= account.now and "trial_end" not in params:
            _write_for_renewal(account, subscription, params)
        else:
            invoice = updating.apply(account, subscription, params)
            if invoice is not None:
                invoice["auto_advance"] = True
                drafts.appoint(account, subscription, invoice)
        schedules.write_end(account, schedule, subscription)
        shape.appoint(account, subscription)


def _write_for_renewal(account: Account, subscription: Body, params: Body) -> None:
    """The phase starts with a period: nothing is prorated, the renewal bills what is new."""
    attributes.assign(account, subscription, params)
    held = subscription["items"]["data"]
    ended = next(one for one in held if one["current_period_end"] <= account.now)
    period = (ended["current_period_start"], ended["current_period_end"])
    changed = changes.apply_items(account, subscription, params["items"])
    for change in changed:
        if change.before is None and change.after is not None:
            shape.set_period(change.after, period)
    if subscription["status"] != "trialing":
        usage.bill_ended(account, subscription, changed)
    if params.get("billing_cycle_anchor"):
        subscription["billing_cycle_anchor"] = account.now
    if params.get("add_invoice_items"):
        customer = account.get("customer", subscription["customer"])
        assert customer is not None
        invoice_items.one_time(
            account,
            params["add_invoice_items"],
            customer,
            subscription=subscription["id"],
            wait=True,
        )


def _finish(account: Account, schedule: Body) -> None:
    """After the last phase; a subscription that is to be canceled ends at its own turn."""
    if schedule["end_behavior"] == "release":
        schedules.release(account, schedule)
    elif schedule["end_behavior"] == "none":
        with account.changing(schedule, "subscription_schedule.updated"):
            schedule["current_phase"] = None
            schedules.appoint(account, schedule)


def _repeated(account: Account, last: Body) -> Body:
    """The last phase once more, as many billing periods long as before."""
    recurring = shape.price_of(account, last["items"][0])["recurring"]
    start, end = last["start_date"], last["end_date"]
    step = (recurring["interval"], recurring["interval_count"])
    count = next(n for n in range(1, 10_000) if boundary(start, *step, n) >= end)
    return {**copy_of(last), "start_date": end, "end_date": boundary(start, *step, 2 * count)}


def apply_to_current(
    account: Account, schedule: Body, subscription: Body, params: Body, *, collect: bool = True
) -> Body | None:
    """The current phase was changed: the subscription follows at once.

    Returns the invoice if there is one, collected unless told otherwise.
    """
    phase = phases.current(schedule)
    if phase is None:
        return None
    change = _params(account, subscription, schedule, phase)
    change.pop("add_invoice_items", None)
    change.pop("billing_cycle_anchor", None)
    change["proration_behavior"] = params.get("proration_behavior", "create_prorations")
    if subscription["trial_end"] == change.get("trial_end"):
        change.pop("trial_end", None)
    elif subscription["status"] == "trialing" and "trial_end" not in change:
        change["trial_end"] = "now"
    before = copy_of(subscription)
    with account.changing(subscription, "customer.subscription.updated"):
        invoice = updating.apply(account, subscription, change)
        if invoice is not None and collect:
            payment_behavior.charge(account, subscription, invoice, before, {})
        schedules.write_end(account, schedule, subscription)
        shape.appoint(account, subscription)
    return invoice


def _params(account: Account, subscription: Body | None, schedule: Body, phase: Body) -> Body:
    """A phase in the words of a subscription's create or update."""
    defaults = schedule["default_settings"]
    invoice = {**defaults["invoice_settings"], **(phase["invoice_settings"] or {})}
    params: Body = {
        "items": _items(subscription, phase),
        "metadata": phase["metadata"],
        "proration_behavior": phase["proration_behavior"],
        "discounts": _discounts(account, subscription, phase) or "",
        "default_tax_rates": phase["default_tax_rates"],
    }
    for name in ("description", "collection_method"):
        if phase[name] or defaults[name]:
            params[name] = phase[name] or defaults[name]
    method = account.get(
        "payment_method", phase["default_payment_method"] or defaults["default_payment_method"]
    )
    if method and method["customer"] == schedule["customer"]:
        params["default_payment_method"] = method["id"]
    if invoice["days_until_due"] is not None:
        params["days_until_due"] = invoice["days_until_due"]
    if phase["trial_end"] and phase["trial_end"] > account.now:
        params["trial_end"] = phase["trial_end"]
    if phase["add_invoice_items"]:
        params["add_invoice_items"] = phase["add_invoice_items"]
    if subscription and _restarts(account, subscription, schedule, phase):
        params["billing_cycle_anchor"] = {"type": "now"}
    return params


def _items(subscription: Body | None, phase: Body) -> list[Body]:
    """Items are known by their price; what a phase does not list goes."""
    held = (
        {item["price"]: item["id"] for item in subscription["items"]["data"]}
        if (subscription)
        else {}
    )
    entries = []
    for wanted in phase["items"]:
        entry = {name: wanted[name] for name in ("price", "metadata", "tax_rates")}
        entry["planned"] = True
        if wanted["quantity"] is not None:
            entry["quantity"] = wanted["quantity"]
        if wanted["price"] in held:
            entry["id"] = held.pop(wanted["price"])
        entries.append(entry)
    return entries + [{"id": object_id, "deleted": True} for object_id in held.values()]


def _discounts(account: Account, subscription: Body | None, phase: Body) -> list[Body]:
    """What the phase takes off; a coupon already redeemed here is not redeemed again."""
    redeemed = {}
    for object_id in subscription["discounts"] if subscription else ():
        discount = account.anything(object_id)
        assert discount is not None
        redeemed[discount["promotion_code"] or discount["source"]["coupon"]] = object_id
    found = []
    for entry in phase["discounts"]:
        known = redeemed.get(entry["promotion_code"] or entry["coupon"])
        if entry["discount"] and entry["discount"] not in redeemed.values():
            continue  # spent or over meanwhile
        if known:
            found.append({"discount": known})
        elif entry["discount"] or _is_redeemable(account, entry):
            found.append({name: value for name, value in entry.items() if value})
    return found


def _is_redeemable(account: Account, entry: Body) -> bool:
    """Was the coupon neither deleted nor used up since the plan was made?"""
    code = account.get("promotion_code", entry["promotion_code"])
    if entry["promotion_code"] and (code is None or not redemption.is_active(account, code)):
        return False
    coupon = account.get("coupon", code["promotion"]["coupon"] if code else entry["coupon"])
    return coupon is not None and redemption.is_open(account, coupon)


def _restarts(account: Account, subscription: Body, schedule: Body, phase: Body) -> bool:
    """Does the phase set the billing cycle anchor to its start?"""
    anchor = phase["billing_cycle_anchor"] or schedule["default_settings"]["billing_cycle_anchor"]
    if anchor == "phase_start":
        return True
    held = {_interval(account, item) for item in subscription["items"]["data"]}
    return held.isdisjoint(_interval(account, item) for item in phase["items"])


def _interval(account: Account, item: Body) -> tuple[str, int]:
    recurring = shape.price_of(account, item)["recurring"]
    return recurring["interval"], recurring["interval_count"]
