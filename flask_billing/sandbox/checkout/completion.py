"""Paying on a Checkout Session: the card is judged, the session completed."""

from __future__ import annotations

from typing import Literal

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import buyer
from flask_billing.sandbox.checkout.amounts import due_now
from flask_billing.sandbox.checkout.session import must_be_open, needs_no_card
from flask_billing.sandbox.engine import intents, payments, starting
from flask_billing.sandbox.engine.card_form import Card, check_card
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import payment_methods, setup_confirmation


def submit(account: Account, session: Body, card: Card) -> Literal["complete", "challenge"]:
    """Pay with a card: completed, or the bank wants to see the person first.

    A refused card raises the 402 ``ApiError``; the session stays open.
    """
    must_be_open(session)
    found = check_card(account, card)
    if needs_no_card(account, session) and not card.number:
        complete(account, session, None, card)
        return "complete"
    assert isinstance(found, cards.Card)
    if found.fails_setup:
        raise _refused(account, session, found)
    verdict = cards.judge(found, off_session=False, set_up=False, authenticated=False)
    if verdict == "challenge":
        session["_"]["challenge"] = {**card.__dict__}
        account.save(session)
        return "challenge"
    if isinstance(verdict, cards.Decline) and due_now(account, session) > 0:
        raise _refused(account, session, found)
    complete(account, session, found, card)
    return "complete"


def _refused(account: Account, session: Body, card: cards.Card) -> ApiError:
    session["_"].pop("challenge", None)
    return payments.card_error(card.decline or cards.GENERIC)


def submit_bank_account(account: Account, session: Body, person: Card, *, fails: bool) -> None:
    """Pay by bank debit: the session is complete, the payment takes days."""
    must_be_open(session)
    method = payment_methods.mint_bank_account(
        account, fails=fails, billing={"name": person.name, "email": person.email}
    )
    complete(account, session, None, person, method=method)


def authenticate(account: Account, session: Body, *, success: bool) -> None:
    """The person answered the bank's challenge; a failure leaves the session open."""
    must_be_open(session)
    typed = session["_"].pop("challenge", None)
    account.save(session)
    if typed is None:
        raise invalid("This Checkout Session is not waiting for an authentication.")
    if not success:
        raise ApiError(
            402,
            "We are unable to authenticate your payment method. Please choose a different payment "
            "method and try again.",
            code="payment_intent_authentication_failure",
            error_type="card_error",
            keep=True,
        )
    card = Card(**typed)
    found = cards.by_number(card.number)
    assert isinstance(found, cards.Card)
    verdict = cards.judge(found, off_session=False, set_up=False, authenticated=True)
    if isinstance(verdict, cards.Decline):
        error = _refused(account, session, found)
        error.keep = True
        raise error
    complete(account, session, found, card, authenticated=True)


def complete(
    account: Account,
    session: Body,
    test_card: cards.Card | None,
    card: Card,
    *,
    authenticated: bool = False,
    method: Body | None = None,
) -> None:
    """Do what the session is for; ``checkout.session.completed`` comes last.

    ``method`` is a payment method that is no card.
    """
    customer = buyer.customer_of(account, session, card)
    if test_card is not None:
        method = payment_methods.mint(
            account,
            test_card,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            billing=buyer.billing_details(customer, card),
        )
        if authenticated:
            method["_"]["set_up"] = True
    if session["mode"] == "subscription":
        assert customer is not None
        _subscribe(account, session, customer, method, authenticated)
    elif session["mode"] == "payment":
        _charge(account, session, customer, method, authenticated)
    else:
        _set_up(account, session, customer, method)
    session["status"] = "complete"
    session["url"] = None
    session["customer_details"] = buyer.details(account, session, customer, card)
    account.save(session)
    account.unschedule("checkout.expire", session["id"])
    with account.automatic():
        account.emit("checkout.session.completed", session)


def _subscribe(
    account: Account, session: Body, customer: Body, method: Body | None, authenticated: bool
) -> None:
    asked = dict(session["_"]["subscription_data"])
    if method is not None:
        payment_methods.attach_to(account, method, customer["id"])
        asked["default_payment_method"] = method["id"]
    recurring = [line for line in session["_"]["lines"] if line["_recurring"]]
    extras = [line for line in session["_"]["lines"] if not line["_recurring"]]
    discount = session["_"]["discount"]
    subscription = starting.start(
        account,
        {
            **asked,
            "customer": customer["id"],
            "items": [_entry(line) for line in recurring],
            "add_invoice_items": [_entry(line) for line in extras],
            "discounts": [discount] if discount else [],
            "payment_behavior": "error_if_incomplete" if method else "allow_incomplete",
        },
        authenticated=authenticated,
        checkout_session=session["id"],
    )
    invoice = account.get("invoice", subscription["latest_invoice"])
    session["subscription"] = subscription["id"]
    session["invoice"] = subscription["latest_invoice"]
    session["payment_status"] = (
        "no_payment_required"
        if invoice is None
        else "paid"
        if invoice["amount_paid"]
        else "unpaid"
        if invoice["amount_due"]
        else "no_payment_required"
    )


def _entry(line: Body) -> Body:
    entry: Body = {"price": line["price"], "tax_rates": line["_tax_rates"]}
    if line["quantity"] is not None:
        entry["quantity"] = line["quantity"]
    return entry


def _charge(
    account: Account,
    session: Body,
    customer: Body | None,
    method: Body | None,
    authenticated: bool,
) -> None:
    if not session["amount_total"]:
        session["payment_status"] = "no_payment_required"
        return
    assert method is not None
    asked = session["_"]["payment_intent_data"]
    intent = intents.new_intent(
        account,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"] if customer else None,
        metadata=asked.get("metadata"),
        capture_method=asked.get("capture_method"),
    )
    for name in ("description", "receipt_email", "setup_future_usage"):
        intent[name] = asked.get(name, intent[name])
    account.emit("payment_intent.created", intent)
    outcome = payments.confirm(
        account, intent, method, off_session=False, authenticated=authenticated
    )
    if outcome.error is not None:
        outcome.error.keep = False
        raise outcome.error
    if customer and intent["setup_future_usage"]:
        payment_methods.attach_to(account, method, customer["id"])
    session["payment_intent"] = intent["id"]
    session["payment_status"] = "paid" if outcome.result == "paid" else "unpaid"


def _set_up(account: Account, session: Body, customer: Body | None, method: Body | None) -> None:
    intent = account.get("setup_intent", session["setup_intent"])
    assert intent is not None
    if method is None:
        raise invalid("A card is required.")
    intent["payment_method"] = method["id"]
    if customer:
        intent["customer"] = customer["id"]
    account.save(intent)
    setup_confirmation.confirm_with(account, intent, authenticated=True)
