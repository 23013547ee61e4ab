"""The customer portal: what there is, and a way back."""

from datetime import UTC, datetime

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine.payments import payer_method
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.render import rendered


def show(room: EngineRoom, request: Request, token: str) -> Response:
    """The customer's subscriptions, card and invoices."""
    with room.account() as account:
        found = account.find(
            "billing_portal.session", where=[("$._.token", token.removeprefix("test_"))]
        )
        if not found:
            raise NotFound
        session = found[0]
        customer = account.require("customer", session["customer"])
        subscriptions = account.find("subscription", customer=customer["id"], newest_first=True)
        invoices = account.find("invoice", customer=customer["id"], newest_first=True)
        method = payer_method(account, customer["id"], subscriptions[0] if subscriptions else None)
        return rendered(
            request,
            "portal.html",
            customer=customer,
            seller=account.settings.account_name,
            subscriptions=[_subscription(account, one) for one in subscriptions],
            card=method["card"] if method else None,
            invoices=[_invoice(one) for one in invoices[:12] if one["number"]],
            back=session["return_url"],
        )


def _subscription(account: Account, subscription: Body) -> Body:
    item = subscription["items"]["data"][0]
    price = shape.price_of(account, item)
    ends = subscription["cancel_at"] is not None
    return {
        "name": pricing.product_name(account, price),
        "status": subscription["status"].replace("_", " "),
        "amount": pricing.amount(price, item["quantity"] or 0),
        "currency": price["currency"],
        "per": pricing.interval_text(price["recurring"]),
        "when": ("Ends" if ends else "Renews")
        + f" on {_date(subscription['cancel_at'] if ends else item['current_period_end'])}",
        "live": subscription["status"] not in {"canceled", "incomplete_expired"},
    }


def _invoice(invoice: Body) -> Body:
    return {
        "number": invoice["number"],
        "date": _date(invoice["created"]),
        "total": invoice["total"],
        "currency": invoice["currency"],
        "status": invoice["status"],
    }


def _date(moment: int) -> str:
    day = datetime.fromtimestamp(moment, UTC)
    return f"{day.day} {day:%B %Y}"
