"""Checkout Sessions: created, listed, expired."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import promotion
from flask_billing.sandbox.checkout import session as sessions
from flask_billing.sandbox.engine import subscriptions
from flask_billing.sandbox.errors import invalid, missing_param
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import listing, page, page_of
from flask_billing.sandbox.resources import fields, setup_intents
from flask_billing.sandbox.resources.prices import inline_price
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY


@endpoint("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create(account: Account, call: Call) -> Body:
    """Open a Checkout Session."""
    params = call.params
    mode = params.get("mode")
    if mode is None:
        raise missing_param("mode")
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
        if params.get("customer_email"):
            raise invalid(
                "You may only specify one of these parameters: customer, customer_email.",
                "customer_email",
            )
    if params.get("ui_mode", "hosted_page") == "hosted_page" and not params.get("success_url"):
        raise missing_param("success_url")
    if params.get("discounts") and params.get("allow_promotion_codes") is not None:
        raise invalid(
            "You may only specify one of these parameters: allow_promotion_codes, discounts.",
            "allow_promotion_codes",
        )
    expires_at = params.get("expires_at", account.now + DAY)
    if not account.now + 1_790 <= expires_at <= account.now + DAY + 60:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
            "expires_at",
        )
    items = _line_items(account, params, mode)
    session = account.add(sessions.new_session(account, params, mode, items, expires_at))
    end = sessions.trial_end(account, session)
    if end is not None:
        subscriptions.checked_trial_end(account, end)
    _discount(account, session, params)
    if mode == "setup":
        _prepare_setup(account, session, params)
    sessions.add_up(account, session)
    account.schedule(expires_at, "checkout.expire", session["id"])
    return account.save(session)


def _line_items(account: Account, params: Body, mode: str) -> list[Body]:
    asked = params.get("line_items") or []
    if mode == "setup":
        if asked:
            raise invalid("You can not pass `line_items` in `setup` mode.", "line_items")
        if not params.get("currency") and not params.get("allowed_payment_method_types"):
            raise missing_param("currency")
        return []
    if not asked:
        raise missing_param("line_items")
    items = []
    for index, entry in enumerate(asked):
        where = f"line_items[{index}]"
        if entry.get("price_data"):
            price = inline_price(account, entry["price_data"], f"{where}[price_data]")
        else:
            price = account.require("price", entry.get("price"), param=f"{where}[price]")
        if not price["active"]:
            raise invalid(
                "The price specified is inactive. This field only accepts active prices.",
                f"{where}[price]",
            )
        if mode == "payment" and price["recurring"]:
            raise invalid(
                "You specified `payment` mode but passed a recurring price. Either switch to "
                "`subscription` mode or use only one-time prices.",
                where,
            )
        metered = bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"
        quantity = entry.get("quantity")
        if quantity is None and not metered:
            raise missing_param(f"{where}[quantity]")
        if quantity is not None and (metered or quantity < 1):
            raise invalid("Invalid quantity for this price.", f"{where}[quantity]")
        items.append(sessions.new_line(account, price, quantity))
    if mode == "subscription" and not any(item["_recurring"] for item in items):
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.",
            "line_items",
        )
    return items


def _discount(account: Account, session: Body, params: Body) -> None:
    entries = params.get("discounts") or []
    if len(entries) > 1:
        raise invalid("You can only apply one discount to a Checkout Session.", "discounts")
    for entry in entries:
        promotion.redeem(account, session, entry)


def _prepare_setup(account: Account, session: Body, params: Body) -> None:
    intent = setup_intents.new_setup_intent(
        account,
        {
            "customer": params.get("customer"),
            **(params.get("setup_intent_data") or {}),
        },
        session["id"],
    )
    session["setup_intent"] = intent["id"]


@endpoint("GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One session."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require(
        "checkout.session", object_id, param="session!", label="checkout.session"
    )


@endpoint("POST", "/v1/checkout/sessions/{id}", "checkout.SessionUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a session's metadata."""
    session = _require(account, call.id)
    fields.merge_metadata(session, call.params)
    return account.save(session)


@endpoint("POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams")
def expire(account: Account, call: Call) -> Body:
    """Close an open session."""
    session = _require(account, call.id)
    if session["status"] != "open":
        raise invalid(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of `{session['status']}`."
        )
    sessions.expire(account, session)
    return session


@endpoint("GET", "/v1/checkout/sessions/{id}/line_items", "checkout.SessionLineItemListParams")
def line_items(account: Account, call: Call) -> Body:
    """What is bought."""
    session = _require(account, call.id)
    return page_of(call, sessions.shown_lines(account, session))


@endpoint("GET", "/v1/checkout/sessions", "checkout.SessionListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of sessions, by customer, subscription, payment intent, status."""
    params = call.params
    where = [(f"$.{name}", params[name]) for name in ("status", "payment_intent") if name in params]
    if "email" in (params.get("customer_details") or {}):
        where.append(("$.customer_details.email", params["customer_details"]["email"]))
    return page(
        account,
        call,
        "checkout.session",
        customer=params.get("customer"),
        parent=params.get("subscription"),
        where=where,
    )


@on_request("checkout.session", "line_items")
def _line_items_field(account: Account, session: Body) -> Body:
    stored = account.anything(session["id"])
    assert stored is not None
    url = f"/v1/checkout/sessions/{session['id']}/line_items"
    return listing(url, sessions.shown_lines(account, stored))
