"""Changes that wait for their payment: ``pending_if_incomplete``."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import invoices
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import invalid

#: What may stand beside ``payment_behavior=pending_if_incomplete`` (stripe-facts, section 2).
_ALONGSIDE = frozenset(
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
        "off_session",
    ]
)
_TASK = "subscription.pending_update"
_FIELDS = ("items", "billing_cycle_anchor", "trial_end", "trial_start", "status", "metadata")


def check(params: Body) -> None:
    """Refuse parameters that cannot wait."""
    if params.get("payment_behavior") != "pending_if_incomplete":
        return
    others = sorted(set(params) - _ALONGSIDE)
    if others:
        raise invalid(
            "The following parameters are not supported when `payment_behavior` is "
            f"`pending_if_incomplete`: {', '.join(others)}.",
            others[0],
        )


def wait(account: Account, subscription: Body, invoice: Body, before: Body) -> None:
    """Keep the old state until the invoice is paid, for 23 hours at most."""
    wanted = {name: subscription[name] for name in _FIELDS}
    for name in _FIELDS:
        subscription[name] = before[name]
    expires_at = min(
        account.now + account.settings.incomplete_seconds, shape.next_turn(subscription)
    )
    subscription["_"]["pending"] = {"invoice": invoice["id"], "fields": copy_of(wanted)}
    subscription["pending_update"] = {
        "billing_cycle_anchor": _changed(wanted, before, "billing_cycle_anchor"),
        "expires_at": expires_at,
        "subscription_items": [account.show(copy_of(item)) for item in wanted["items"]["data"]],
        "trial_end": _changed(wanted, before, "trial_end"),
        "trial_from_plan": None,
    }
    account.schedule(expires_at, _TASK, subscription["id"])


def _changed(wanted: Body, before: Body, name: str) -> int | None:
    value: int | None = wanted[name]
    return None if value == before[name] else value


def waits_for(subscription: Body, invoice: Body) -> bool:
    """Is this the invoice that a change waits for?"""
    waiting = subscription["_"].get("pending")
    return bool(waiting and waiting["invoice"] == invoice["id"])


def apply(account: Account, subscription: Body, invoice: Body) -> None:
    """The payment that was missing arrived: the waiting change takes effect."""
    if not waits_for(subscription, invoice):
        return
    with account.changing(subscription, "customer.subscription.updated"):
        subscription.update(subscription["_"].pop("pending")["fields"])
        subscription["pending_update"] = None
    shape.appoint(account, subscription)
    account.unschedule(_TASK, subscription["id"])
    account.emit("customer.subscription.pending_update_applied", subscription)


def expire(account: Account, subscription: Body) -> None:
    """The payment never came: forget the change, void its invoice."""
    if "pending" not in subscription["_"]:
        return
    with account.changing(subscription, "customer.subscription.updated"):
        discard(account, subscription)
    account.emit("customer.subscription.pending_update_expired", subscription)


def discard(account: Account, subscription: Body) -> None:
    """Drop a waiting change without a word, as when another takes its place."""
    waiting = subscription["_"].pop("pending", None)
    if waiting is None:
        return
    subscription["pending_update"] = None
    account.unschedule(_TASK, subscription["id"])
    invoice = account.get("invoice", waiting["invoice"])
    if invoice and invoice["status"] == "open":
        invoices.close(account, invoice, "void")
