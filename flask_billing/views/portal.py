"""The way to Stripe's Billing Portal, and pages that an app leaves to it."""

from __future__ import annotations

from flask import request, url_for
from flask.typing import ResponseReturnValue

from .. import negotiation, portal
from ..translation import gettext as _
from . import fragments, redirects
from .routes import PORTAL_PAGES
from .visitor import require_manager, require_visitor


def open_portal() -> ResponseReturnValue:
    """Send the customer to the portal, and back to billing afterwards."""
    back = redirects.external_url("billing.overview")
    url = portal.open_session(require_manager().customer, return_url=back)
    return fragments.go(redirects.checked(url))


def instead() -> ResponseReturnValue | None:
    """A page with the portal's button in place of one that the app leaves to it."""
    feature = PORTAL_PAGES.get(request.endpoint or "")

    if feature is None or not portal.is_left_to_portal(feature):
        return None

    if negotiation.wants_fragment():  # a dialog of one of our pages: the whole page instead
        return fragments.go(request.root_path + request.path)

    return fragments.show(
        "billing/left_to_portal.html",
        visitor=require_visitor(),
        title=_TITLES[feature](),
        endpoint=request.endpoint,
        back_url=url_for("billing.overview"),
    )


_TITLES = {
    "payment_methods": lambda: _("Payment methods"),
    "invoices": lambda: _("Invoices"),
    "address": lambda: _("Billing details"),
    "change": lambda: _("Change plan"),
    "cancel": lambda: _("Cancel plan"),
}
