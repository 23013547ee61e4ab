"""Attempting a payment: the card is judged, the intent, charge and invoice say how it went."""

from dataclasses import dataclass
from typing import Literal

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import charges, delinquency, disputes, holds, intents, invoices
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.settings import DAY

BANK_DAYS = 4
INSUFFICIENT_BANK_FUNDS = cards.Decline(
    "payment_intent_payment_attempt_failed",
    "insufficient_funds",
    "The customer's bank account has insufficient funds.",
)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; ``error`` is set when it was declined."""

    result: Literal["paid", "challenge", "declined", "processing", "no_method"]
    error: ApiError | None = None
    hard: bool = False


def payer_method(
    account: Account,
    customer_id: str,
    subscription: Body | None = None,
    invoice: Body | None = None,
) -> Body | None:
    """The payment method that is charged: invoice, then subscription, then customer default."""
    customer = account.get("customer", customer_id)
    candidates: list[str | None] = []
    for holder in (invoice, subscription, customer and customer["invoice_settings"]):
        if holder:
            candidates.append(holder["default_payment_method"])
    for object_id in candidates:
        method = account.get("payment_method", object_id)
        if method and method["customer"] == customer_id:
            return method
    return None


def pay_invoice(
    account: Account,
    invoice: Body,
    method: Body | None,
    *,
    off_session: bool,
    authenticated: bool = False,
) -> Outcome:
    """Attempt an open invoice once; writes the attempt onto invoice, intent and charge."""
    intent = intents.intent_of(account, invoice)
    assert intent is not None
    if method is None:
        with account.changing(invoice, "invoice.updated"):
            invoices.count_attempt(invoice)
        account.emit("invoice.payment_failed", invoice)
        delinquency.behind(account, invoice)
        return Outcome("no_method")
    outcome = confirm(account, intent, method, off_session=off_session, authenticated=authenticated)
    if outcome.result == "paid":
        settle_invoice(account, invoice)
        return outcome
    if outcome.result == "processing":
        with account.changing(invoice, "invoice.updated"):
            invoice["attempted"] = True
        return outcome
    challenged = outcome.result == "challenge"
    with account.changing(invoice, "invoice.updated"):
        invoice["attempted"] = True
        if not challenged or off_session:
            invoices.count_attempt(invoice)
    if challenged:
        account.emit("invoice.payment_action_required", invoice)
    if not challenged or off_session:
        account.emit("invoice.payment_failed", invoice)
        delinquency.behind(account, invoice)
    return outcome


def settle_invoice(account: Account, invoice: Body) -> None:
    """The payment of an invoice came."""
    for payment in intents.payments_of(account, invoice["id"]):
        if payment["status"] == "open":
            payment["status"] = "paid"
            payment["amount_paid"] = payment["amount_requested"]
            payment["status_transitions"]["paid_at"] = account.now
            account.save(payment)
            with account.automatic():
                account.emit("invoice_payment.paid", payment)
    invoices.settle(account, invoice)


def confirm(
    account: Account,
    intent: Body,
    method: Body,
    *,
    off_session: bool,
    authenticated: bool = False,
    return_url: str | None = None,
    refuse_challenge: bool = False,
) -> Outcome:
    """Charge a payment intent with a payment method.

    A payment that wants authentication is refused where nobody is there to give it, unless it is
    an invoice's: that waits for the customer.
    """
    if method["type"] == "us_bank_account":
        return _debit_bank(account, intent, method)
    card = cards.card_of(method)
    verdict = cards.judge(
        card,
        off_session=off_session,
        set_up=bool(method["_"].get("set_up")),
        authenticated=authenticated,
    )
    alone = off_session and not intent["_"]["invoice"]
    if verdict == "challenge" and (refuse_challenge or alone):
        verdict = cards.AUTHENTICATION_REQUIRED
    if verdict == "challenge":
        intent["payment_method"] = method["id"]
        intent["status"] = "requires_action"
        intent["next_action"] = challenge(account, intent, return_url)
        account.save(intent)
        account.emit("payment_intent.requires_action", intent)
        return Outcome("challenge")
    if isinstance(verdict, cards.Decline):
        return decline(account, intent, method, verdict)
    if authenticated:
        method["_"]["set_up"] = True
        account.save(method)
    succeed(account, intent, method)
    return Outcome("paid")


def succeed(account: Account, intent: Body, method: Body) -> None:
    """The money came, or is held: charge and intent say so."""
    charge = charges.new_charge(account, intent, method)
    if not charge["captured"]:
        holds.hold(account, intent, charge)
        return
    intent.update(
        status="succeeded",
        amount_received=intent["amount"],
        latest_charge=charge["id"],
        payment_method=method["id"],
        last_payment_error=None,
        next_action=None,
    )
    account.save(intent)
    account.emit("charge.succeeded", charge)
    account.emit("payment_intent.succeeded", intent)
    disputes.expect(account, charge)


def _debit_bank(account: Account, intent: Body, method: Body) -> Outcome:
    """A bank debit is under way for some days."""
    intent.update(
        status="processing", payment_method=method["id"], last_payment_error=None, next_action=None
    )
    account.save(intent)
    account.emit("payment_intent.processing", intent)
    account.schedule(account.now + BANK_DAYS * DAY, "bank_debit.settle", intent["id"])
    return Outcome("processing")


def decline(account: Account, intent: Body, method: Body, reason: cards.Decline) -> Outcome:
    """The money did not come: charge and intent say why."""
    failure = {**reason.error(), "message": reason.message}
    charge = charges.new_charge(account, intent, method, failure=failure)
    shown = account.show(method)
    intent.update(
        status="requires_payment_method",
        latest_charge=charge["id"],
        payment_method=None,
        next_action=None,
        last_payment_error={
            **failure,
            "charge": charge["id"],
            "doc_url": f"https://stripe.com/docs/error-codes/{reason.code.replace('_', '-')}",
            "payment_method": shown,
            "type": "card_error",
        },
    )
    account.save(intent)
    account.emit("charge.failed", charge)
    account.emit("payment_intent.payment_failed", intent)
    error = card_error(
        reason,
        keep=True,
        more={
            "charge": charge["id"],
            "payment_intent": account.show(intent),
            "payment_method": shown,
        },
    )
    return Outcome("declined", error, hard=reason.hard)


def card_error(
    decline: cards.Decline,
    *,
    param: str | None = None,
    keep: bool = False,
    more: Body | None = None,
) -> ApiError:
    """The 402 ``card_error`` of a decline."""
    return ApiError(
        402,
        decline.message,
        code=decline.code,
        param=param,
        error_type="card_error",
        keep=keep,
        more={**{k: v for k, v in decline.error().items() if k != "code"}, **(more or {})},
    )


def challenge(account: Account, intent: Body, return_url: str | None = None) -> Body:
    """The ``next_action`` that sends a person to the bank's page."""
    if return_url is None:
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {
                "type": "three_d_secure_redirect",
                "stripe_js": f"{account.public_url}/3ds/{intent['id']}"
                f"?client_secret={intent['client_secret']}",
                "source": new_id("payatt"),
            },
        }
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {
            "return_url": return_url,
            "url": f"{account.public_url}/3ds/{intent['id']}"
            f"?client_secret={intent['client_secret']}",
        },
    }
