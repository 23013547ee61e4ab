"""Confirming payment intents: the payment is attempted, the person challenged or not."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, payments
from flask_billing.sandbox.errors import not_built
from flask_billing.sandbox.resources import fields, payment_methods
from flask_billing.sandbox.resources.intent_rules import (
    authentication_failed,
    check_owner,
    check_return_url,
    unexpected_state,
)
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams")
def confirm(account: Account, call: Call) -> Body:
    """Confirm with a payment method."""
    intent, params = account.require("payment_intent", call.id, param="intent!"), call.params
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        check_owner(intent, method)
        intent["payment_method"] = method["id"]
        account.save(intent)
    if intent["_"].get("invoice") and params.get("capture_method"):
        raise not_built("holds of what invoices charge", "capture_method")
    fields.assign(intent, params, ("capture_method", "receipt_email"))
    if params.get("shipping"):
        intent["shipping"] = fields.shipping(params["shipping"])
    check_return_url(intent, params)
    confirm_with(
        account,
        intent,
        off_session=params.get("off_session") is True,
        return_url=params.get("return_url"),
        refuse_challenge=params.get("error_on_requires_action", False),
    )
    return intent


def confirm_with(
    account: Account,
    intent: Body,
    *,
    off_session: bool = False,
    authenticated: bool = False,
    return_url: str | None = None,
    refuse_challenge: bool = False,
) -> None:
    """Confirm with the payment method it has; a decline is a 402 that is kept.

    ``refuse_challenge`` lets a payment that wants authentication fail, as off-session.
    """
    if intent["status"] == "succeeded":
        raise unexpected_state(
            account,
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being "
            "previously confirmed.",
        )
    if intent["status"] in {"canceled", "processing", "requires_capture"}:
        raise unexpected_state(
            account,
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}.",
        )
    method = account.get("payment_method", intent["payment_method"])
    if method is None:
        raise unexpected_state(
            account,
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You "
            "can either update the PaymentIntent with a payment method and then confirm it again, "
            "or confirm it again directly with a payment method or ConfirmationToken.",
        )
    invoice = account.get("invoice", intent["_"].get("invoice"))
    if invoice is not None:
        outcome = collecting.collect(
            account, invoice, off_session=off_session, method=method, authenticated=authenticated
        )
    else:
        outcome = payments.confirm(
            account,
            intent,
            method,
            off_session=off_session,
            authenticated=authenticated,
            return_url=return_url,
            refuse_challenge=refuse_challenge,
        )
        _keep_method(account, intent, method)
    intent["_"]["return_url"] = return_url
    account.save(intent)
    if outcome.error is not None:
        raise outcome.error


def _keep_method(account: Account, intent: Body, method: Body) -> None:
    """Attach a card that paid and is to be used again."""
    paid = intent["status"] in {"succeeded", "requires_capture"}
    if paid and intent["setup_future_usage"] and intent["customer"]:
        payment_methods.attach_to(account, method, intent["customer"])


def fail_challenge(account: Account, intent: Body) -> None:
    """The person failed the bank's challenge."""
    method = account.get("payment_method", intent["payment_method"])
    intent.update(
        status="requires_payment_method",
        payment_method=None,
        next_action=None,
        last_payment_error=authentication_failed(intent, method and account.show(method)),
    )
    account.save(intent)
    account.emit("payment_intent.payment_failed", intent)
