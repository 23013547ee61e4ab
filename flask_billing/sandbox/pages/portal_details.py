"""The customer's own details in the portal."""

from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.card_entry import Form
from flask_billing.sandbox.pages.portal_visit import Visit, visiting
from flask_billing.sandbox.resources import fields

_ADDRESS = ("line1", "city", "state", "postal_code", "country")


def show(room: EngineRoom, request: Request, token: str) -> Response:
    """The form, with what is known."""
    with visiting(room, request, token) as visit:
        allowed = visit.must_allow("customer_update")["allowed_updates"]
        return visit.page("portal_details.html", form=_known(visit), allowed=allowed)


def _known(visit: Visit) -> Form:
    customer = visit.customer
    address = customer["address"] or {}
    form = Form(
        name=customer["name"] or "", email=customer["email"] or "", phone=customer["phone"] or ""
    )
    for name in _ADDRESS:
        setattr(form, name, address.get(name) or "")
    return form


def save(room: EngineRoom, request: Request, token: str) -> Response:
    """Save what may be changed."""
    form = Form.of(request)
    with visiting(room, request, token) as visit:
        allowed = visit.must_allow("customer_update")["allowed_updates"]
        if "email" in allowed and "@" not in form.email:
            form.errors["email"] = "Enter an email address, such as jenny@example.com."
            return visit.page("portal_details.html", 422, form=form, allowed=allowed)
        with visit.account.changing(visit.customer, "customer.updated"):
            visit.customer.update(_changes(form, allowed))
        return visit.done("customer_update")


def _changes(form: Form, allowed: list[str]) -> Body:
    changes: Body = {
        name: getattr(form, name) or None for name in ("name", "email", "phone") if name in allowed
    }
    if "address" in allowed:
        given = {name: getattr(form, name) for name in _ADDRESS}
        changes["address"] = fields.address(given) if any(given.values()) else None
    return changes
