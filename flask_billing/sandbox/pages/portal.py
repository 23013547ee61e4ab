"""The first page of the customer portal: what there is, and what may be done about it."""

from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.invoices import path_of
from flask_billing.sandbox.pages.portal_cards import cards_of
from flask_billing.sandbox.pages.portal_visit import Visit, day, visiting
from flask_billing.sandbox.pages.render import see_other

_SHOWN_INVOICES = 12


def show(room: EngineRoom, request: Request, token: str) -> Response:
    """The customer's subscriptions, cards and invoices; or the step the session is for."""
    with visiting(room, request, token) as visit:
        flow = visit.session["flow"]
        if flow is not None and not request.args:
            return see_other(visit.home + _path(flow))

        account, customer = visit.account, visit.customer
        subscriptions = account.find("subscription", customer=customer["id"], newest_first=True)
        invoices = account.find("invoice", customer=customer["id"], newest_first=True)
        numbered = [one for one in invoices if one["number"]]
        return visit.page(
            "portal.html",
            subscriptions=[_subscription(account, visit, one) for one in subscriptions],
            cards=cards_of(visit),
            invoices=[_invoice(visit, one) for one in numbered[:_SHOWN_INVOICES]],
        )


def _path(flow: Body) -> str:
    """The page a flow begins with."""
    kind = flow["type"]
    if kind == "payment_method_update":
        return "/card"
    if kind == "customer_update":
        return "/details"
    place = "cancel" if kind == "subscription_cancel" else "plan"
    return f"/{place}/{flow[kind]['subscription']}"


def _subscription(account: Account, visit: Visit, subscription: Body) -> Body:
    item = subscription["items"]["data"][0]
    price = shape.price_of(account, item)
    ends = subscription["cancel_at"]
    live = subscription["status"] not in {"canceled", "incomplete_expired"}
    return {
        "id": subscription["id"],
        "name": pricing.product_name(account, price),
        "status": subscription["status"].replace("_", " "),
        "amount": pricing.amount(price, item["quantity"] or 0),
        "currency": price["currency"],
        "per": pricing.interval_text(price["recurring"]),
        "when": f"Ends on {day(ends)}" if ends else f"Renews on {day(item['current_period_end'])}",
        "ending": ends is not None,
        "live": live,
        "can_cancel": live and ends is None and visit.allows("subscription_cancel"),
        "can_renew": live and ends is not None and visit.allows("subscription_cancel"),
        "can_change": live and ends is None and visit.allows("subscription_update"),
    }


def _invoice(visit: Visit, invoice: Body) -> Body:
    return {
        "number": invoice["number"],
        "date": day(invoice["created"]),
        "total": invoice["total"],
        "currency": invoice["currency"],
        "status": invoice["status"],
        "url": path_of(visit.request, invoice),
    }
