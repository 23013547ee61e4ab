"""What a payment means for the subscription: activation, dunning and its end."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    discounts,
    ending,
    invoices,
    pausing,
    payments,
    pending_updates,
    resuming,
)
from flask_billing.sandbox.engine.payments import Outcome
from flask_billing.sandbox.inferred import CHALLENGE_IS_HARD_DECLINE
from flask_billing.sandbox.settings import DAY


def collect(
    account: Account,
    invoice: Body,
    *,
    off_session: bool = True,
    method: Body | None = None,
    authenticated: bool = False,
    automatic: bool = False,
) -> Outcome:
    """Attempt an open invoice and let its subscription follow.

    ``automatic`` attempts are those of the retry schedule; others leave it as it is.
    """
    subscription = invoices.subscription_of(account, invoice)
    method = method or payments.payer_method(account, invoice["customer"], subscription, invoice)
    planned = automatic or not invoice["attempted"]
    invoice["_"]["retrying"] = automatic
    outcome = payments.pay_invoice(
        account, invoice, method, off_session=off_session, authenticated=authenticated
    )
    if outcome.result == "paid":
        after_payment(account, invoice, method)
    elif subscription is not None and not _has_ended(subscription):
        if outcome.result != "processing":
            _after_failure(account, invoice, subscription, outcome, planned)
    elif invoice["auto_advance"] and planned and outcome.result == "declined" and not outcome.hard:
        _schedule_retry(account, invoice)
    return outcome


def after_payment(account: Account, invoice: Body, method: Body | None = None) -> None:
    """The invoice was paid: an incomplete or past due subscription becomes active."""
    subscription = invoices.subscription_of(account, invoice)
    if subscription is None:
        return
    pending_updates.apply(account, subscription, invoice)
    resuming.after_payment(account, subscription, invoice)
    recoverable = {"incomplete", "past_due", "unpaid"}
    if subscription["status"] in recoverable and subscription["latest_invoice"] == invoice["id"]:
        with account.changing(subscription, "customer.subscription.updated"):
            if subscription["status"] == "incomplete":
                account.unschedule("subscription.incomplete", subscription["id"])
                save_method(account, subscription, method)
            subscription["status"] = "active"


def after_closing(account: Account, invoice: Body) -> None:
    """The invoice was voided or given up: nothing is owed for it any more."""
    subscription = invoices.subscription_of(account, invoice)
    if subscription is None or subscription["latest_invoice"] != invoice["id"]:
        return
    if pending_updates.waits_for(subscription, invoice):
        pending_updates.expire(account, subscription)
    elif subscription["status"] == "past_due":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "active"
    elif subscription["status"] == "incomplete" and invoice["status"] == "void":
        ending.expire_incomplete(account, subscription)


def save_method(account: Account, subscription: Body, method: Body | None) -> None:
    """Keep the paying card on the subscription if its payment settings ask for that."""
    settings = subscription["payment_settings"]
    if method and settings["save_default_payment_method"] == "on_subscription":
        subscription["default_payment_method"] = method["id"]


def _has_ended(subscription: Body) -> bool:
    return subscription["status"] in {"canceled", "incomplete_expired"}


def _after_failure(
    account: Account, invoice: Body, subscription: Body, outcome: Outcome, planned: bool
) -> None:
    if subscription["status"] == "incomplete":
        return
    if invoice["id"] != subscription["latest_invoice"]:
        return
    if pending_updates.waits_for(subscription, invoice) or subscription["status"] == "paused":
        return
    note_failure(account, invoice, subscription, outcome)
    if planned:
        _schedule_retry(account, invoice)
    if subscription["status"] == "active" and invoice["status"] == "open":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"
    if planned and invoice["next_payment_attempt"] is None:
        end_dunning(account, subscription)


def appoint_first_attempt(account: Account, invoice: Body) -> None:
    """An invoice that was finalised by hand is collected by itself in an hour."""
    invoice["next_payment_attempt"] = account.now + account.settings.draft_seconds
    account.schedule(invoice["next_payment_attempt"], "invoice.collect", invoice["id"])
    account.save(invoice)


def note_failure(account: Account, invoice: Body, subscription: Body, outcome: Outcome) -> None:
    """Remember which card was refused, and whether for good."""
    invoice["_"]["hard"] = outcome.hard or (
        outcome.result == "challenge" and CHALLENGE_IS_HARD_DECLINE
    )
    method = payments.payer_method(account, invoice["customer"], subscription, invoice)
    invoice["_"]["failed_method"] = method["id"] if method else None


def start_dunning(account: Account, invoice: Body, subscription: Body, outcome: Outcome) -> None:
    """The invoice of a change was refused and is tried again like a renewal's."""
    note_failure(account, invoice, subscription, outcome)
    _schedule_retry(account, invoice)


def _schedule_retry(account: Account, invoice: Body) -> None:
    notes = invoice["_"]
    notes.setdefault("failing_since", account.now)
    tries: int = notes["retries"]
    days = account.settings.retry_days
    if tries >= len(days):
        invoice["next_payment_attempt"] = None
    else:
        invoice["next_payment_attempt"] = notes["failing_since"] + days[tries] * DAY
        account.schedule(invoice["next_payment_attempt"], "invoice.collect", invoice["id"])
        notes["retries"] = tries + 1
    account.save(invoice)


def retry(account: Account, invoice: Body) -> None:
    """An appointed retry: skipped while the same card was refused for good."""
    if invoice["status"] != "open":
        return
    subscription = invoices.subscription_of(account, invoice)
    method = payments.payer_method(account, invoice["customer"], subscription, invoice)
    notes = invoice["_"]
    same = (method["id"] if method else None) == notes.get("failed_method")
    if subscription is not None and notes.get("hard") and same:
        _schedule_retry(account, invoice)
        if invoice["next_payment_attempt"] is None:
            end_dunning(account, subscription)
        return
    collect(account, invoice, automatic=True)


def end_dunning(account: Account, subscription: Body) -> None:
    """The last retry failed: the account's setting decides."""
    if subscription["status"] != "past_due":
        return
    if account.settings.after_retries == "cancel":
        ending.cancel(account, subscription, reason="payment_failed")
    elif account.settings.after_retries == "unpaid":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "unpaid"
    elif account.settings.after_retries == "pause":
        with account.changing(subscription, "customer.subscription.updated"):
            pausing.pause(account, subscription, "final_payment_failure")
        account.emit("customer.subscription.paused", subscription)


def spend_discounts(account: Account, subscription: Body) -> None:
    """Coupons for one invoice are gone after it."""
    subscription["discounts"] = discounts.spent(account, subscription["discounts"])
