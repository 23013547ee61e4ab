"""A subscription's changes: items, trial, anchor, cancellation, discounts, collection."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import (
    attributes,
    cancellation,
    changes,
    collecting,
    discounts,
    invoice_items,
    invoices,
    lines,
    payment_behavior,
    pending_updates,
    schedules,
    usage,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import invalid

#: Parameters whose change takes the place of one that still waits for its payment.
_REPLACES_PENDING = frozenset(["items", "billing_cycle_anchor", "trial_end"])


def update(account: Account, subscription: Body, params: Body) -> None:
    """Apply the parameters of ``POST /v1/subscriptions/{id}``: bill and emit what follows."""
    _refuse(account, subscription, params)
    before = copy_of(subscription)
    with account.changing(subscription, "customer.subscription.updated"):
        if _REPLACES_PENDING & set(params):
            pending_updates.discard(account, subscription)
        invoice = apply(account, subscription, params)
        if invoice is not None:
            payment_behavior.charge(account, subscription, invoice, before, params)
        shape.appoint(account, subscription)
    schedules.follow(account, subscription)


def _refuse(account: Account, subscription: Body, params: Body) -> None:
    pending_updates.check(params)
    schedules.refuse_direct_end(subscription, params)


def apply(account: Account, subscription: Body, params: Body) -> Body | None:
    """Write the changes; the draft of an invoice that is due at once, if there is one."""
    moment = params.get("proration_date", account.now)
    behavior = params.get("proration_behavior", "create_prorations")
    was_trialing = subscription["status"] == "trialing"
    paused = subscription["status"] == "paused"
    attributes.assign(account, subscription, params)
    old_items = [copy_of(item) for item in subscription["items"]["data"]]
    changed = changes.apply_items(account, subscription, params.get("items") or [])
    changed = [change for change in changed if change.matters]
    _check_moment(subscription, moment, changed)
    restart = not paused and _restart(account, subscription, params, changed)
    for item in () if paused else subscription["items"]["data"]:
        shape.set_period(item, _period(account, subscription, item, moment, restart))
    on_trial = not was_trialing and subscription["status"] == "trialing"
    goes_on: list[changes.Change] = []
    if (restart and not was_trialing) or on_trial:
        touched = {change.before["id"] for change in changed if change.before}
        goes_on = [changes.Change(item, None) for item in old_items if item["id"] not in touched]
    cancellation.schedule(account, subscription, params)
    account.save(subscription)
    due = []
    if not (was_trialing or paused):
        ends = restart or on_trial
        billed = behavior != "none"
        due += usage.bill_ended(account, subscription, changed, new_period=ends, billed=billed)
        due += usage.bill_ended(account, subscription, goes_on, new_period=ends)
    changed = changed + goes_on
    if behavior != "none" and changed and not (was_trialing or paused):
        due += changes.prorate(
            account, subscription, changed, moment, debit=not (restart or on_trial)
        )
    if restart or (due and behavior == "always_invoice"):
        return _draft(account, subscription, params, old_items, restart)
    invoice_items_asked = params.get("add_invoice_items")
    if invoice_items_asked:
        customer = account.get("customer", subscription["customer"])
        assert customer is not None
        invoice_items.one_time(
            account, invoice_items_asked, customer, subscription=subscription["id"], wait=True
        )
    return None


def _check_moment(subscription: Body, moment: int, changed: list[changes.Change]) -> None:
    for change in changed:
        item = change.before
        if item and not item["current_period_start"] <= moment <= item["current_period_end"]:
            raise invalid(
                "Cannot specify proration date outside of current subscription period.",
                "proration_date",
            )


def _restart(
    account: Account, subscription: Body, params: Body, changed: list[changes.Change]
) -> bool:
    """Does a new period start now for all items? Ends or moves a trial on the way."""
    trial_end = params.get("trial_end")
    anchor = (params.get("billing_cycle_anchor") or {}).get("type")
    restart = anchor == "now"
    if subscription["billing_mode"]["type"] == "classic" and subscription["status"] != "trialing":
        moved = any(_interval_changes(account, change) for change in changed)
        restart = restart or (moved and anchor != "unchanged")
    if trial_end == "now" and subscription["status"] == "trialing":
        subscription.update(status="active", trial_end=account.now)
        restart = True
    elif isinstance(trial_end, int):
        shape.checked_trial_end(account, trial_end)
        subscription.update(
            status="trialing",
            trial_start=subscription["trial_start"] or account.now,
            trial_end=trial_end,
            billing_cycle_anchor=trial_end,
        )
        return False
    if restart:
        subscription["billing_cycle_anchor"] = account.now
    return restart


def _interval_changes(account: Account, change: changes.Change) -> bool:
    if change.before is None or change.after is None:
        return False
    before, after = (
        shape.price_of(account, item)["recurring"] for item in (change.before, change.after)
    )
    return any(before[name] != after[name] for name in ("interval", "interval_count"))


def _period(
    account: Account, subscription: Body, item: Body, moment: int, restart: bool
) -> tuple[int, int]:
    if subscription["status"] == "trialing":
        start = item["current_period_start"]
        return (min(start, account.now), subscription["trial_end"])
    return shape.period_of(account, subscription, item, account.now if restart else moment)


def _draft(
    account: Account,
    subscription: Body,
    params: Body,
    old_items: list[Body],
    restart: bool,
) -> Body | None:
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    extras = invoice_items.one_time(
        account,
        params.get("add_invoice_items") or [],
        customer,
        subscription=subscription["id"],
    )
    found = invoice_items.collect_pending(
        account, customer["id"], subscription["id"], subscription["currency"]
    )
    start = min(item["current_period_start"] for item in old_items)
    if restart:
        start = account.now
        for item in subscription["items"]["data"]:
            price = shape.price_of(account, item)
            if not shape.is_metered(price):
                period = (item["current_period_start"], item["current_period_end"])
                found += lines.period_lines(account, item, price, item["quantity"], period)
    if not (extras or found):
        return None
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=extras + found,
        period=(start, account.now),
        subscription=subscription,
        discount_ids=discounts.in_force(account, subscription["discounts"], account.now),
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
    )
    subscription["latest_invoice"] = invoice["id"]
    if restart:
        collecting.spend_discounts(account, subscription)
    return invoice
