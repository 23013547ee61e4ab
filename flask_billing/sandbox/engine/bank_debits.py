"""Bank debits: the payment is processing for days before it is known whether it came."""

from __future__ import annotations

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, intents, invoices, payments
from flask_billing.sandbox.errors import invalid


def settle(account: Account, intent: Body, *, success: bool | None = None) -> None:
    """The bank answered; without ``success`` it does what its test account does."""
    if intent["status"] != "processing":
        raise invalid(
            "This PaymentIntent is not processing.", code="payment_intent_unexpected_state"
        )
    account.unschedule("bank_debit.settle", intent["id"])
    method = account.get("payment_method", intent["payment_method"])
    assert method is not None
    came = not method["_"]["fails"] if success is None else success
    invoice = account.get("invoice", intent["_"].get("invoice"))
    if came:
        payments.succeed(account, intent, method)
        if invoice is not None:
            payments.settle_invoice(account, invoice)
            collecting.after_payment(account, invoice, method)
    else:
        payments.decline(account, intent, method, payments.INSUFFICIENT_BANK_FUNDS)
        if invoice is not None:
            _fail(account, invoice)
    _tell_checkout(account, intent, invoice, came)


def _fail(account: Account, invoice: Body) -> None:
    account.emit("invoice.payment_failed", invoice)
    subscription = invoices.subscription_of(account, invoice)
    if subscription and subscription["status"] == "active":
        with account.changing(subscription, "customer.subscription.updated"):
            subscription["status"] = "past_due"


def _tell_checkout(account: Account, intent: Body, invoice: Body | None, came: bool) -> None:
    subscription = invoices.subscription_of(account, invoice) if invoice else None
    if subscription is not None:
        sessions = account.find("checkout.session", parent=subscription["id"])
    else:
        sessions = account.find("checkout.session", where=[("$.payment_intent", intent["id"])])
    for session in sessions:
        if session["payment_status"] == "unpaid":
            if came:
                session["payment_status"] = "paid"
                account.save(session)
            outcome = "succeeded" if came else "failed"
            account.emit(f"checkout.session.async_payment_{outcome}", session)


def settle_when_due(account: Account, intent: Body) -> None:
    """The bank's usual days are over."""
    if intent["status"] == "processing":
        settle(account, intent)


def latest_of(account: Account, session: Body) -> Body:
    """The processing payment of a completed Checkout Session."""
    invoice = account.get("invoice", session["invoice"])
    intent = (
        intents.intent_of(account, invoice)
        if invoice
        else account.get("payment_intent", session["payment_intent"])
    )
    if intent is None:
        raise invalid("This Checkout Session has no payment.")
    return intent
