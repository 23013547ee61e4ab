"""The setup intent of a trial that began without a payment method."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import payments


def ask(account: Account, subscription: Body) -> None:
    """Let the customer save a card before the trial ends: ``pending_setup_intent``."""
    from flask_billing.sandbox.resources.setup_intents import new_setup_intent

    if subscription["collection_method"] != "charge_automatically":
        return
    if payments.payer_method(account, subscription["customer"], subscription) is not None:
        return
    intent = new_setup_intent(account, {"customer": subscription["customer"]})
    intent["_"]["subscription"] = subscription["id"]
    account.save(intent)
    subscription["pending_setup_intent"] = intent["id"]


def take(account: Account, intent: Body, method: Body) -> None:
    """The intent succeeded: its card is the subscription's from now on."""
    subscription = account.get("subscription", intent["_"].get("subscription"))
    if subscription is None or subscription["pending_setup_intent"] != intent["id"]:
        return
    with account.changing(subscription, "customer.subscription.updated"):
        subscription["pending_setup_intent"] = None
        subscription["default_payment_method"] = method["id"]
