"""The Checkout Session object: opened, added up, expired."""

from __future__ import annotations

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import amounts
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_session_id, random_text
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.settings import PAYMENT_METHOD_CONFIGURATION_ID


def new_session(
    account: Account,
    params: Body,
    mode: str,
    items: list[Body],
    *,
    currency: str | None,
    expires_at: int,
) -> Body:
    """The session object, open."""
    object_id = new_session_id(
        "c" if mode == "setup" else "a" if not params.get("discounts") else "b"
    )
    customer = account.get("customer", params.get("customer"))
    setup = mode == "setup"
    trial = params.get("subscription_data") or {}
    email = customer["email"] if customer else params.get("customer_email")
    session = {
        "id": object_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": not setup},
        "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {
            "enabled": False,
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
            **(params.get("branding_settings") or {}),
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
        "payment_method_configuration_details": {
            "id": PAYMENT_METHOD_CONFIGURATION_ID,
            "parent": None,
        },
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
        "url": f"{account.public_url}/c/pay/{object_id}",
        "wallet_options": None,
        "_": {
            "lines": items,
            "subscription_data": trial,
            "discount": None,
            "customer_update": params.get("customer_update"),
            "payment_intent_data": params.get("payment_intent_data") or {},
        },
    }
    if session["ui_mode"] == "embedded_page":
        session.update(
            client_secret=f"{object_id}_secret_{random_text(40)}",
            redirect_on_completion=params.get("redirect_on_completion", "always"),
            return_url=params.get("return_url"),
            url=None,
        )
    if params.get("tax_id_collection"):
        session["tax_id_collection"] = {"required": "never", **params["tax_id_collection"]}
    return session


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


def must_be_open(session: Body) -> None:
    """Refuse to act on a session that is complete or expired."""
    if session["status"] != "open":
        raise invalid(
            f"This Checkout Session is {session['status']}; it can no longer be paid.",
            code="checkout_session_not_open",
        )


def needs_no_card(account: Account, session: Body) -> bool:
    """May the person go on without a card?"""
    return session["payment_method_collection"] == "if_required" and not amounts.due_now(
        account, session
    )


def expire(account: Account, session: Body) -> None:
    """Close an open session for good."""
    if session["status"] != "open":
        return
    session["status"] = "expired"
    session["url"] = None
    account.save(session)
    account.unschedule("checkout.expire", session["id"])
    _give_up_intent(account, session)
    account.emit("checkout.session.expired", session)


def _give_up_intent(account: Account, session: Body) -> None:
    from flask_billing.sandbox.resources import setup_intents

    intent = account.get("setup_intent", session["setup_intent"])
    if intent is not None and intent["status"] not in {"succeeded", "canceled"}:
        setup_intents.give_up(account, intent)


def way_back(session: Body) -> str | None:
    """Where the browser goes when the session is complete, with its id in the address."""
    url = session["success_url"] or session.get("return_url")
    return str(url).replace("{CHECKOUT_SESSION_ID}", session["id"]) if url else None
