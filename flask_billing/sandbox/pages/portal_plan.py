"""Subscriptions in the customer portal: canceled, kept, moved to another price."""

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import ending, final_invoice, pricing, updating
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages.portal_visit import Visit, day, visiting
from flask_billing.sandbox.pages.render import see_other

_WORDS = {
    "customer_service": "The customer service was bad",
    "low_quality": "The quality was low",
    "missing_features": "I need more features",
    "other": "Another reason",
    "switched_service": "I found an alternative",
    "too_complex": "It is too complicated",
    "too_expensive": "It is too expensive",
    "unused": "I no longer need it",
}


def ask_to_cancel(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """The page that asks once more."""
    with visiting(room, request, token) as visit:
        feature = visit.must_allow("subscription_cancel")
        subscription = visit.subscription(object_id)
        item = subscription["items"]["data"][0]
        reason = feature["cancellation_reason"]
        at_once = feature["mode"] == "immediately"
        return visit.page(
            "portal_cancel.html",
            subscription=subscription,
            name=pricing.product_name(visit.account, shape.price_of(visit.account, item)),
            ends=None if at_once else day(item["current_period_end"]),
            reasons=[(key, _WORDS[key]) for key in reason["options"]] if reason["enabled"] else [],
        )


def cancel(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """Cancel, at once or at the end of the period, as the configuration says."""
    with visiting(room, request, token) as visit:
        feature = visit.must_allow("subscription_cancel")
        subscription = visit.subscription(object_id)
        feedback = request.form.get("feedback")
        details = {"feedback": feedback} if feedback in _WORDS else {}
        if feature["mode"] == "immediately":
            subscription["cancellation_details"].update(details)
            prorate = feature["proration_behavior"] != "none"
            now = feature["proration_behavior"] == "always_invoice"
            final_invoice.bill(
                visit.account, subscription, {"prorate": prorate, "invoice_now": now}
            )
            ending.cancel(visit.account, subscription)
        else:
            updating.update(
                visit.account,
                subscription,
                {"cancel_at_period_end": True, "cancellation_details": details},
            )
        return visit.done("subscription_cancel")


def renew(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """Take a cancellation back."""
    with visiting(room, request, token) as visit:
        visit.must_allow("subscription_cancel")
        subscription = visit.subscription(object_id)
        updating.update(visit.account, subscription, {"cancel_at_period_end": False})
        return see_other(visit.home + "?home=1")


def choose(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """The prices to choose from."""
    with visiting(room, request, token) as visit:
        return _choices(visit, object_id)


def _choices(visit: Visit, object_id: str, error: str | None = None) -> Response:
    visit.must_allow("subscription_update")
    subscription = visit.subscription(object_id)
    item = subscription["items"]["data"][0]
    return visit.page(
        "portal_plan.html",
        200 if error is None else 402,
        subscription=subscription,
        error=error,
        choices=[_choice(visit.account, price, item) for price in _prices(visit, subscription)],
    )


def _prices(visit: Visit, subscription: Body) -> list[Body]:
    """The configured prices; a session made to confirm one change offers that only."""
    flow = visit.session["flow"] or {}
    confirming = flow.get("subscription_update_confirm")
    if confirming and confirming["subscription"] == subscription["id"]:
        ids = [item["price"] for item in confirming["items"] if item["price"]]
    else:
        ids = [price for one in visit.configuration["_"]["products"] for price in one["prices"]]
    found = [visit.account.get("price", object_id) for object_id in ids]
    return [price for price in found if price is not None and price["active"]]


def _choice(account: Account, price: Body, item: Body) -> Body:
    return {
        "id": price["id"],
        "name": pricing.product_name(account, price),
        "amount": pricing.amount(price, item["quantity"] or 1),
        "currency": price["currency"],
        "per": pricing.interval_text(price["recurring"]),
        "current": price["id"] == item["price"],
    }


def change(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """Move the subscription to the chosen price."""
    try:
        with visiting(room, request, token) as visit:
            feature = visit.must_allow("subscription_update")
            subscription = visit.subscription(object_id)
            chosen = request.form.get("price")
            if chosen not in {price["id"] for price in _prices(visit, subscription)}:
                raise NotFound
            item = subscription["items"]["data"][0]
            updating.update(
                visit.account,
                subscription,
                {
                    "items": [{"id": item["id"], "price": chosen}],
                    "proration_behavior": feature["proration_behavior"],
                    "payment_behavior": "error_if_incomplete",
                },
            )
            return visit.done((visit.session["flow"] or {}).get("type", ""))
    except ApiError as error:
        with visiting(room, request, token) as visit:
            return _choices(visit, object_id, error.message)
