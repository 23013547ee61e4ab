"""The hosted pages: Checkout, 3-D Secure, the portal and invoices. They work without scripts.

Beside them is the stand-in for Stripe.js, for pages of the app's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages import (
    bank,
    checkout,
    home,
    invoices,
    portal,
    portal_cards,
    portal_details,
    portal_plan,
    static,
)
from flask_billing.sandbox.pages.render import rendered

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

View = Callable[..., Response]

_VIEWS: dict[str, View] = {
    "home": home.show,
    "checkout": checkout.show,
    "checkout.pay": checkout.pay,
    "checkout.code": checkout.code,
    "checkout.bank": bank.show_for_session,
    "checkout.bank.answer": bank.answer_for_session,
    "bank": bank.show,
    "bank.answer": bank.answer,
    "portal": portal.show,
    "portal.card": portal_cards.add,
    "portal.card.save": portal_cards.save,
    "portal.card.change": portal_cards.change,
    "portal.details": portal_details.show,
    "portal.details.save": portal_details.save,
    "portal.cancel": portal_plan.ask_to_cancel,
    "portal.cancel.do": portal_plan.cancel,
    "portal.renew": portal_plan.renew,
    "portal.plan": portal_plan.choose,
    "portal.plan.do": portal_plan.change,
    "invoice": invoices.show,
    "invoice.pay": invoices.pay,
    "invoice.pdf": invoices.as_pdf,
    "credit_note.pdf": invoices.credit_note,
    "static": static.serve,
    "stripe.js": static.stripe_js,
}

_SESSION = "/p/session/<token>"


def _portal(path: str, shown: str, posted: str) -> list[Rule]:
    """A page of the portal that is shown and posted."""
    return [
        Rule(_SESSION + path, endpoint=shown, methods=["GET"]),
        Rule(_SESSION + path, endpoint=posted, methods=["POST"]),
    ]


_URLS = Map(
    [
        Rule("/", endpoint="home", methods=["GET"]),
        Rule("/c/pay/<object_id>", endpoint="checkout", methods=["GET"]),
        Rule("/c/pay/<object_id>", endpoint="checkout.pay", methods=["POST"]),
        Rule("/c/pay/<object_id>/code", endpoint="checkout.code", methods=["POST"]),
        Rule("/c/pay/<object_id>/bank", endpoint="checkout.bank", methods=["GET"]),
        Rule("/c/pay/<object_id>/bank", endpoint="checkout.bank.answer", methods=["POST"]),
        Rule("/3ds/<object_id>", endpoint="bank", methods=["GET"]),
        Rule("/3ds/<object_id>", endpoint="bank.answer", methods=["POST"]),
        Rule(_SESSION, endpoint="portal", methods=["GET"]),
        *_portal("/card", "portal.card", "portal.card.save"),
        *_portal("/details", "portal.details", "portal.details.save"),
        *_portal("/cancel/<object_id>", "portal.cancel", "portal.cancel.do"),
        *_portal("/plan/<object_id>", "portal.plan", "portal.plan.do"),
        Rule(f"{_SESSION}/card/<object_id>", endpoint="portal.card.change", methods=["POST"]),
        Rule(f"{_SESSION}/renew/<object_id>", endpoint="portal.renew", methods=["POST"]),
        Rule("/i/<account>/<token>", endpoint="invoice", methods=["GET"]),
        Rule("/i/<account>/<token>", endpoint="invoice.pay", methods=["POST"]),
        Rule("/invoice/<account>/<token>/pdf", endpoint="invoice.pdf", methods=["GET"]),
        Rule("/credit_notes/<account>/<token>/pdf", endpoint="credit_note.pdf", methods=["GET"]),
        Rule("/static/<name>", endpoint="static", methods=["GET"]),
        Rule("/endive/stripe.js", endpoint="stripe.js", methods=["GET"]),
    ]
)


class Pages:
    """The WSGI application of the hosted pages."""

    def __init__(self, room: EngineRoom) -> None:
        self._room = room

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = 2**16
        try:
            endpoint, values = _URLS.bind_to_environ(environ).match()
            response = _VIEWS[endpoint](self._room, request, **values)
        except HTTPException as error:
            if error.code is not None and error.code < 400:
                response = Response.from_app(error, environ)
            else:
                response = _not_here(request, error.code or 500)
        except ApiError:
            response = _not_here(request, 404)
        return response(environ, start_response)


def _not_here(request: Request, status: int) -> Response:
    return rendered(
        request,
        "message.html",
        status=status,
        title="There is nothing here",
        text="The link may be old, or the sandbox may have been reset. Nothing was charged.",
    )
