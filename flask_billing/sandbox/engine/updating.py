"""A subscription's changes: items, trial, anchor, cancellation, discounts, collection."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import (
    cancellation,
    changes,
    collecting,
    discounts,
    invoice_items,
    invoices,
    lines,
    payments,
    taxes,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import fields, payment_methods

_PENDING_WITH = frozenset(
    [
        "expand",
        "items",
        "payment_behavior",
        "proration_behavior",
        "proration_date",
        "billing_cycle_anchor",
        "trial_end",
        "trial_from_plan",
        "add_invoice_items",
        "metadata",
    ]
)


def update(account: Account, subscription: Body, params: Body) -> None:
    """Apply the parameters of ``POST /v1/subscriptions/{id}``: bill and emit what follows."""
    _refuse(account, subscription, params)
    before = copy_of(subscription)
    with account.changing(subscription, "customer.subscription.updated"):
        invoice = apply(account, subscription, params)
        if invoice is not None:
            _charge(account, subscription, invoice, before, params)
        shape.appoint(account, subscription)


def _refuse(account: Account, subscription: Body, params: Body) -> None:
    behavior = params.get("payment_behavior")
    if behavior == "pending_if_incomplete" and set(params) - _PENDING_WITH:
        other = sorted(set(params) - _PENDING_WITH)[0]
        raise invalid(
            f"The following parameters are not supported when `payment_behavior` is "
            f"`pending_if_incomplete`: {other}.",
            other,
        )
    if subscription["schedule"] and any(
        name in params for name in ("cancel_at_period_end", "cancel_at")
    ):
        raise invalid(
            f"The subscription is managed by the subscription schedule "
            f"`{subscription['schedule']}`, and updating any cancelation behavior directly is not "
            "allowed. Please update the schedule instead."
        )


def apply(account: Account, subscription: Body, params: Body) -> Body | None:
    """Write the changes; the draft of an invoice that is due at once, if there is one."""
    moment = params.get("proration_date", account.now)
    behavior = params.get("proration_behavior", "create_prorations")
    was_trialing = subscription["status"] == "trialing"
    _settings(account, subscription, params)
    old_items = [copy_of(item) for item in subscription["items"]["data"]]
    changed = changes.apply_items(account, subscription, params.get("items") or [])
    changed = [change for change in changed if change.matters]
    _check_moment(subscription, moment, changed)
    restart = _restart(account, subscription, params)
    for item in subscription["items"]["data"]:
        shape.set_period(item, _period(account, subscription, item, moment, restart))
    if restart and not was_trialing:
        touched = {change.before["id"] for change in changed if change.before}
        changed = changed + [
            changes.Change(item, None) for item in old_items if item["id"] not in touched
        ]
    cancellation.schedule(account, subscription, params)
    account.save(subscription)
    prorations = []
    if behavior != "none" and changed and not was_trialing:
        prorations = changes.prorate(account, subscription, changed, moment, debit=not restart)
    if restart or (prorations and behavior == "always_invoice"):
        return _draft(account, subscription, params, old_items, restart)
    invoice_items_asked = params.get("add_invoice_items")
    if invoice_items_asked:
        customer = account.get("customer", subscription["customer"])
        assert customer is not None
        invoice_items.one_time(
            account, invoice_items_asked, customer, subscription=subscription["id"], wait=True
        )
    return None


def _settings(account: Account, subscription: Body, params: Body) -> None:
    fields.assign(subscription, params, ("description", "collection_method", "days_until_due"))
    fields.merge_metadata(subscription, params)
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = taxes.checked(
            account, params["default_tax_rates"], "default_tax_rates"
        )
    if "default_payment_method" in params:
        object_id = params["default_payment_method"]
        if object_id:
            payment_methods.of_customer(
                account, object_id, subscription["customer"], "default_payment_method"
            )
        subscription["default_payment_method"] = object_id or None
    if "discounts" in params:
        subscription["discounts"] = discounts.redeem(
            account,
            params["discounts"] or [],
            customer=subscription["customer"],
            subscription=subscription["id"],
            keep=subscription["discounts"],
        )
    if "pause_collection" in params:
        _pause_collection(account, subscription, params["pause_collection"])
    for name in ("payment_settings", "trial_settings"):
        if params.get(name):
            subscription[name] = {**subscription[name], **params[name]}


def _pause_collection(account: Account, subscription: Body, asked: Body | str) -> None:
    account.unschedule("subscription.resume_collection", subscription["id"])
    if not asked or isinstance(asked, str):
        subscription["pause_collection"] = None
        return
    resumes_at = asked.get("resumes_at") or None
    subscription["pause_collection"] = {
        "behavior": asked["behavior"],
        "resumes_at": resumes_at,
    }
    if resumes_at is not None:
        account.schedule(resumes_at, "subscription.resume_collection", subscription["id"])


def _check_moment(subscription: Body, moment: int, changed: list[changes.Change]) -> None:
    for change in changed:
        item = change.before
        if item and not item["current_period_start"] <= moment <= item["current_period_end"]:
            raise invalid(
                "Cannot specify proration date outside of current subscription period.",
                "proration_date",
            )


def _restart(account: Account, subscription: Body, params: Body) -> bool:
    """Does a new period start now for all items? Ends or moves a trial on the way."""
    trial_end = params.get("trial_end")
    anchor = params.get("billing_cycle_anchor") or {}
    restart = isinstance(anchor, dict) and anchor.get("type") == "now"
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
) -> Body:
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    extras = invoice_items.one_time(
        account,
        params.get("add_invoice_items") or [],
        customer,
        subscription=subscription["id"],
    )
    found = invoice_items.collect_pending(account, customer["id"], subscription["id"])
    start = min(item["current_period_start"] for item in old_items)
    if restart:
        start = account.now
        for item in subscription["items"]["data"]:
            price = shape.price_of(account, item)
            if not shape.is_metered(price):
                period = (item["current_period_start"], item["current_period_end"])
                found.append(lines.period_line(account, item, price, item["quantity"], period))
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


def _charge(
    account: Account, subscription: Body, invoice: Body, before: Body, params: Body
) -> None:
    behavior = params.get("payment_behavior", "allow_incomplete")
    if subscription["collection_method"] == "send_invoice":
        invoice["auto_advance"] = True
        invoice["automatically_finalizes_at"] = account.now + account.settings.draft_seconds
        account.schedule(invoice["automatically_finalizes_at"], "invoice.finalize", invoice["id"])
        account.save(invoice)
        return
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "paid" or behavior == "default_incomplete":
        return
    method = payments.payer_method(account, subscription["customer"], subscription)
    outcome = payments.pay_invoice(
        account, invoice, method, off_session=bool(params.get("off_session"))
    )
    if outcome.result == "paid":
        if subscription["status"] in {"past_due", "unpaid"}:
            subscription["status"] = "active"
        return
    if outcome.result == "processing":
        return
    if behavior == "error_if_incomplete":
        if outcome.error is not None:
            outcome.error.keep = False
            raise outcome.error
        raise ApiError(
            402,
            "Payment for this subscription requires additional user action before it can be "
            "completed successfully. Payment can be completed using the PaymentIntent associated "
            "with the subscription.",
            code="subscription_payment_intent_requires_action",
            error_type="card_error",
        )
    if behavior == "pending_if_incomplete":
        _wait(account, subscription, invoice, before)
    elif subscription["status"] == "active":
        subscription["status"] = "past_due"


def _wait(account: Account, subscription: Body, invoice: Body, before: Body) -> None:
    """Keep the old state until the invoice is paid, within 23 hours."""
    names = ("items", "billing_cycle_anchor", "trial_end", "trial_start", "status", "discounts")
    wanted = {name: subscription[name] for name in names}
    expires_at = account.now + account.settings.incomplete_seconds
    subscription["_"]["pending"] = {"invoice": invoice["id"], "fields": copy_of(wanted)}
    subscription["pending_update"] = {
        "billing_cycle_anchor": wanted["billing_cycle_anchor"]
        if wanted["billing_cycle_anchor"] != before["billing_cycle_anchor"]
        else None,
        "expires_at": expires_at,
        "subscription_items": [account.show(copy_of(item)) for item in wanted["items"]["data"]],
        "trial_end": wanted["trial_end"] if wanted["trial_end"] != before["trial_end"] else None,
        "trial_from_plan": None,
    }
    for name in names:
        subscription[name] = before[name]
    account.schedule(expires_at, "subscription.pending_update", subscription["id"])


def expire_pending_update(account: Account, subscription: Body) -> None:
    """The payment for a waiting change never came: forget the change, void its invoice."""
    waiting = subscription["_"].pop("pending", None)
    if waiting is None:
        return
    invoice = account.get("invoice", waiting["invoice"])
    if invoice and invoice["status"] == "open":
        invoices.close(account, invoice, "void")
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["pending_update"] = None
    account.emit("customer.subscription.pending_update_expired", subscription)


def bill_unused(account: Account, subscription: Body, params: Body) -> None:
    """The ``prorate`` and ``invoice_now`` of a cancellation: credit unused time, invoice now."""
    if params.get("prorate") and subscription["status"] != "trialing":
        for item in subscription["items"]["data"]:
            changes.credit(account, subscription, item, account.now)
    if not params.get("invoice_now"):
        return
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    pending = invoice_items.collect_pending(account, customer["id"], subscription["id"])
    if not pending:
        return
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_update",
        currency=subscription["currency"],
        lines=pending,
        period=(account.now, account.now),
        subscription=subscription,
    )
    subscription["latest_invoice"] = invoice["id"]
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "open":
        method = payments.payer_method(account, customer["id"], subscription)
        payments.pay_invoice(account, invoice, method, off_session=True)
