"""Checkout Sessions: created, listed, expired."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import amounts, opening, promotion
from flask_billing.sandbox.checkout import session as sessions
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.expand import on_request
from flask_billing.sandbox.lists import listing, page, page_of
from flask_billing.sandbox.resources import fields, setup_intents
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams")
def create(account: Account, call: Call) -> Body:
    """Open a Checkout Session."""
    params = call.params
    mode = params.get("mode")
    if mode is None:
        raise missing_param("mode")
    opening.check(account, params, mode)
    expires_at = opening.expires_at(account, params)
    lines = opening.lines(account, params, mode)
    session = account.add(
        sessions.new_session(
            account,
            params,
            mode,
            lines,
            currency=opening.currency(params, lines),
            expires_at=expires_at,
        )
    )
    _discount(account, session, params)
    if mode == "setup":
        _prepare_setup(account, session, params)
    amounts.add_up(account, session)
    opening.check_total(account, session)
    account.schedule(expires_at, "checkout.expire", session["id"])
    return account.save(session)


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
    for name in call.params.keys() - {"metadata", "expand"}:
        raise not_built(f"changes of `{name}` of Checkout Sessions", name)
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
    return page_of(call, amounts.shown_lines(account, session))


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
    return listing(url, amounts.shown_lines(account, stored))
