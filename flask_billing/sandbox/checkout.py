"""What happens on a Checkout Session: promotion code, card, challenge, completion, expiry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flask_billing.sandbox import cards
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import discounts, intents, payments, pricing, starting
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.ids import new_id, new_session_id
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import customers, fields, payment_methods, setup_intents
from flask_billing.sandbox.settings import DAY


@dataclass(frozen=True)
class Card:
    """What a person types into the card form."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str = "123"
    name: str = ""
    email: str = ""
    postal_code: str = ""
    country: str = ""


def new_session(
    account: Account, params: Body, mode: str, items: list[Body], expires_at: int
) -> Body:
    """The session object, open."""
    id = new_session_id("c" if mode == "setup" else "a" if not params.get("discounts") else "b")
    customer = account.get("customer", params.get("customer"))
    setup = mode == "setup"
    trial = params.get("subscription_data") or {}
    email = customer["email"] if customer else params.get("customer_email")
    currency = params.get("currency") or (items[0]["currency"] if items else None)
    return {
        "id": id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": not setup},
        "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {
            "enabled": bool((params.get("automatic_tax") or {}).get("enabled")),
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_address_collection": params.get("billing_address_collection"),
        "branding_settings": {
            "background_color": "#ffffff",
            "border_style": "rounded",
            "button_color": "#0074d4",
            "display_name": account.settings.account_name,
            "font_family": "default",
            "icon": None,
            "logo": None,
        },
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,
        "collected_information": {
            "business_name": None,
            "individual_name": None,
            "shipping_details": None,
        },
        "consent": None,
        "consent_collection": None,
        "created": account.now,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None
        if customer or setup
        else "always"
        if mode == "subscription"
        else params.get("customer_creation", "if_required"),
        "customer_details": None
        if email is None
        else {
            "address": None,
            "business_name": None,
            "email": email,
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": None if setup else "none",
            "tax_ids": None,
        },
        "customer_email": params.get("customer_email"),
        "discounts": None if setup else [],
        "expires_at": expires_at,
        "integration_identifier": None,
        "invoice": None,
        "invoice_creation": _invoice_creation() if mode == "payment" else None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": fields.new_metadata(params),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get(
            "payment_method_collection", "if_required" if mode == "payment" else "always"
        ),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": list(account.settings.payment_method_types),
        "payment_status": "no_payment_required" if setup else "unpaid",
        "permissions": None,
        "phone_number_collection": {
            "enabled": bool((params.get("phone_number_collection") or {}).get("enabled"))
        },
        "recovered_from": None,
        "saved_payment_method_options": None
        if setup
        else {
            "allow_redisplay_filters": ["always"],
            "payment_method_remove": "disabled",
            "payment_method_save": None,
        },
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": None
        if setup
        else {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": params.get("ui_mode", "hosted_page"),
        "url": f"{account.public_url}/c/pay/{id}",
        "wallet_options": None,
        "_": {
            "lines": items,
            "subscription_data": trial,
            "discount": None,
            "customer_update": params.get("customer_update"),
        },
    }


def _invoice_creation() -> Body:
    return {
        "enabled": False,
        "invoice_data": {
            "account_tax_ids": None,
            "custom_fields": None,
            "description": None,
            "footer": None,
            "issuer": None,
            "metadata": {},
            "rendering_options": None,
        },
    }


@presents("checkout.session")
def _shown(account: Account, session: Body) -> Body:
    return session


def new_line(account: Account, price: Body, quantity: int | None) -> Body:
    """One line of a session."""
    amount = 0 if quantity is None else pricing.amount(price, quantity)
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": pricing.product_name(account, price),
        "metadata": {},
        "price": price["id"],
        "quantity": quantity,
        "_recurring": bool(price["recurring"]),
    }


def shown_lines(account: Account, session: Body) -> list[Body]:
    """The lines as the API shows them."""
    found = []
    for line in session["_"]["lines"]:
        price = account.anything(line["price"])
        assert price is not None
        visible = {name: value for name, value in line.items() if name != "_recurring"}
        found.append({**visible, "price": account.show(price)})
    return found


def trial_end(account: Account, session: Body) -> int | None:
    """When the trial ends that this session would start."""
    asked = session["_"]["subscription_data"]
    if asked.get("trial_period_days"):
        return int(account.now + asked["trial_period_days"] * DAY)
    return asked.get("trial_end")


def due_now(account: Account, session: Body) -> int:
    """What a person pays at once: nothing for recurring prices during a trial."""
    if session["mode"] == "setup":
        return 0
    return int(session["amount_total"])


def redeem(account: Account, session: Body, entry: Body) -> None:
    """Put a coupon or promotion code on the session; it is redeemed at completion."""
    code = None
    if entry.get("promotion_code"):
        code = account.require(
            "promotion_code",
            entry["promotion_code"],
            param="discounts[0][promotion_code]",
            label="promotion code",
        )
    coupon_id = code["promotion"]["coupon"] if code else entry.get("coupon")
    coupon = account.require("coupon", coupon_id, param="discounts[0][coupon]")
    discounts.check_redeemable(account, coupon, code, session["customer"])
    session["_"]["discount"] = {"promotion_code": code["id"]} if code else {"coupon": coupon["id"]}
    session["discounts"] = [
        {"coupon": None if code else coupon["id"], "promotion_code": code["id"] if code else None}
    ]
    session["_"]["coupon"] = coupon["id"]


def enter_code(account: Account, session: Body, text: str) -> None:
    """What a person types into the promotion code field."""
    if not session["allow_promotion_codes"]:
        raise invalid("This session takes no promotion codes.")
    found = [
        code
        for code in account.find("promotion_code")
        if code["active"] and code["code"].lower() == text.strip().lower()
    ]
    if not found:
        raise invalid("This code is invalid.", "promotion_code")
    try:
        redeem(account, session, {"promotion_code": found[0]["id"]})
    except ApiError:
        raise invalid("This code is invalid or has expired.", "promotion_code") from None
    add_up(account, session)
    account.save(session)


def remove_code(account: Account, session: Body) -> None:
    """Take the promotion code off again."""
    if session["allow_promotion_codes"] and session["discounts"]:
        session["discounts"] = []
        session["_"].update(discount=None, coupon=None)
        add_up(account, session)
        account.save(session)


def add_up(account: Account, session: Body) -> None:
    """Write the amounts, with the trial and the discount taken into account."""
    if session["mode"] == "setup":
        return
    trialing = trial_end(account, session) is not None
    coupon = account.get("coupon", session["_"].get("coupon"))
    lines = session["_"]["lines"]
    for line in lines:
        price = account.anything(line["price"])
        assert price is not None
        free = line["quantity"] is None or (trialing and line["_recurring"])
        line["amount_subtotal"] = 0 if free else pricing.amount(price, line["quantity"])
        line["amount_discount"] = 0
    if coupon is not None:
        shares = discounts.shares(coupon, [line["amount_subtotal"] for line in lines])
        for line, share in zip(lines, shares, strict=True):
            line["amount_discount"] = share
    for line in lines:
        line["amount_total"] = line["amount_subtotal"] - line["amount_discount"]
    session["amount_subtotal"] = sum(line["amount_subtotal"] for line in lines)
    session["amount_total"] = sum(line["amount_total"] for line in lines)
    session["total_details"]["amount_discount"] = sum(line["amount_discount"] for line in lines)


def must_be_open(session: Body) -> None:
    """Refuse to act on a session that is complete or expired."""
    if session["status"] != "open":
        raise invalid(
            f"This Checkout Session is {session['status']}; it can no longer be paid.",
            code="checkout_session_not_open",
        )


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


def needs_no_card(account: Account, session: Body) -> bool:
    """May the person go on without a card?"""
    return session["payment_method_collection"] == "if_required" and not due_now(account, session)


def check_card(account: Account, card: Card) -> cards.Card | None:
    """The test card behind what was typed, or a 402 that says what is wrong with it."""
    if not card.number:
        return None
    found = cards.by_number(card.number)
    if isinstance(found, cards.Decline):
        raise payments.card_error(found, param="number")
    from datetime import UTC, datetime

    today = datetime.fromtimestamp(account.now, UTC)
    if not 1 <= card.exp_month <= 12:
        raise ApiError(
            402,
            "Your card's expiration month is invalid.",
            code="invalid_expiry_month",
            param="exp_month",
            type="card_error",
        )
    if not (today.year, today.month) <= (card.exp_year, card.exp_month) <= (today.year + 50, 12):
        raise ApiError(
            402,
            "Your card's expiration year is invalid.",
            code="invalid_expiry_year",
            param="exp_year",
            type="card_error",
        )
    if not (card.cvc.isdigit() and len(card.cvc) == (4 if found.brand == "amex" else 3)):
        raise ApiError(
            402,
            "Your card's security code is invalid.",
            code="invalid_cvc",
            param="cvc",
            type="card_error",
        )
    return found


def _refused(account: Account, session: Body, card: cards.Card) -> ApiError:
    session["_"].pop("challenge", None)
    return payments.card_error(card.decline or cards.GENERIC)


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
            type="card_error",
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
) -> None:
    """Do what the session is for; ``checkout.session.completed`` comes last."""
    customer = _customer(account, session, card)
    method = None
    if test_card is not None:
        method = payment_methods.mint(
            account,
            test_card,
            exp_month=card.exp_month,
            exp_year=card.exp_year,
            billing={
                "name": card.name,
                "email": card.email or (customer or {}).get("email"),
                "address": {"country": card.country, "postal_code": card.postal_code}
                if card.country or card.postal_code
                else None,
            },
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
    details = session["customer_details"] or {"tax_exempt": "none", "tax_ids": None}
    session["customer_details"] = {
        "address": fields.address(
            {"country": card.country or "US", "postal_code": card.postal_code}
        ),
        "business_name": None,
        "email": (customer or {}).get("email") or card.email or None,
        "individual_name": None,
        "name": card.name or (customer or {}).get("name"),
        "phone": None,
        "tax_exempt": details["tax_exempt"],
        "tax_ids": [],
    }
    account.save(session)
    account.unschedule("checkout.expire", session["id"])
    with account.automatic():
        account.emit("checkout.session.completed", session)


def _customer(account: Account, session: Body, card: Card) -> Body | None:
    customer = account.get("customer", session["customer"])
    if customer is None and (
        session["mode"] == "subscription" or session["customer_creation"] == "always"
    ):
        customer = customers.new_customer(
            account,
            {"email": card.email or session["customer_email"] or "", "name": card.name or ""},
        )
        session["customer"] = customer["id"]
    return customer


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
    assert invoice is not None
    session["subscription"] = subscription["id"]
    session["invoice"] = invoice["id"]
    session["payment_status"] = "paid" if invoice["amount_paid"] else "no_payment_required"


def _entry(line: Body) -> Body:
    entry = {"price": line["price"]}
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
    intent = intents.new_intent(
        account,
        amount=session["amount_total"],
        currency=session["currency"],
        customer=customer["id"] if customer else None,
    )
    account.emit("payment_intent.created", intent)
    outcome = payments.confirm(
        account, intent, method, off_session=False, authenticated=authenticated
    )
    if outcome.error is not None:
        outcome.error.keep = False
        raise outcome.error
    session["payment_intent"] = intent["id"]
    session["payment_status"] = "paid"


def _set_up(account: Account, session: Body, customer: Body | None, method: Body | None) -> None:
    intent = account.get("setup_intent", session["setup_intent"])
    assert intent is not None
    if method is None:
        raise invalid("A card is required.")
    intent["payment_method"] = method["id"]
    if customer:
        intent["customer"] = customer["id"]
    account.save(intent)
    setup_intents.confirm_with(account, intent, authenticated=True)


def expire(account: Account, session: Body) -> None:
    """Close an open session for good."""
    if session["status"] != "open":
        return
    session["status"] = "expired"
    session["url"] = None
    account.save(session)
    account.unschedule("checkout.expire", session["id"])
    account.emit("checkout.session.expired", session)
