"""Paying for a change at once, and what each ``payment_behavior`` makes of a refusal."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    collecting,
    drafts,
    finalizing,
    invoices,
    payments,
    pending_updates,
)
from flask_billing.sandbox.errors import ApiError

NO_PAYMENT_METHOD = (
    "This customer has no attached payment source or default payment method. Please consider "
    "adding a default payment method. For more information, visit "
    "https://stripe.com/docs/billing/subscriptions/"
    "payment-methods-setting#payment-method-priority."
)


def charge(account: Account, subscription: Body, invoice: Body, before: Body, params: Body) -> None:
    """Collect the invoice of a change; ``before`` is the subscription as it was."""
    behavior = params.get("payment_behavior", "allow_incomplete")
    if subscription["collection_method"] == "send_invoice":
        invoice["auto_advance"] = True
        drafts.appoint(account, subscription, invoice)
        return
    pause = subscription["pause_collection"]
    if pause:
        finalizing.leave_uncollected(account, invoice, pause["behavior"])
        return
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "paid" or behavior == "default_incomplete":
        return
    method = payments.payer_method(account, subscription["customer"], subscription)
    if method is None:
        raise ApiError(400, NO_PAYMENT_METHOD, code="resource_missing")
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
        raise refusal(outcome)
    if behavior == "pending_if_incomplete":
        pending_updates.wait(account, subscription, invoice, before)
    elif subscription["status"] == "active":
        subscription["status"] = "past_due"
        if outcome.result != "challenge":
            collecting.start_dunning(account, invoice, subscription, outcome)


def refusal(outcome: payments.Outcome) -> ApiError:
    """The 402 of ``error_if_incomplete``; nothing that was done is kept."""
    if outcome.error is not None:
        outcome.error.keep = False
        return outcome.error
    return ApiError(
        402,
        "Payment for this subscription requires additional user action before it can be "
        "completed successfully. Payment can be completed using the PaymentIntent associated "
        "with the subscription.",
        code="subscription_payment_intent_requires_action",
        error_type="card_error",
    )
