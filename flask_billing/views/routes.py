"""What an app knows of our pages before anybody asks for one: addresses, hooks and names.

Functions are named as :mod:`.late` finds them, ``module.function``. For a view that is its
endpoint too: ``checkout.create`` is ``billing.checkout.create`` where there is a blueprint of
the module's name, and ``plans.plans`` is ``billing.plans``.
"""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from werkzeug.exceptions import Forbidden, NotFound, UnprocessableEntity

from .. import errors

#: Blueprint below ``billing`` -> prefix of its addresses.
BLUEPRINTS: t.Final = {
    "checkout": "/checkout",
    "cancel": "/cancel",
    "pause": "/pause",
    "change": "/change",
    "offers": None,
    "usage": None,
    "payment_methods": "/payment-methods",
    "admin": "/admin",
    "api": "/api",
    "invoices": "/invoices",
    "address": "/address",
    "portal": "/portal",
    "webhooks": None,
}

#: Method, address below the blueprint's, view.
ROUTES: t.Final = (
    ("GET", "/", "overview.overview"),
    ("GET", "/plans", "plans.plans"),
    ("GET", "/history", "history.history"),
    ("GET", "/customers/<int:customer_id>/history", "admin.history"),
    ("POST", "", "checkout.create"),
    ("GET", "/start", "checkout.start"),
    ("GET", "/success", "checkout.success"),
    ("GET", "/done", "checkout.done"),
    ("GET", "/status", "checkout.status"),
    ("GET", "/watch", "checkout.watch"),
    ("GET", "/cancelled", "checkout.cancelled"),
    ("GET", "", "cancel.page"),
    ("POST", "", "cancel.cancel"),
    ("GET", "/done", "cancel.done"),
    ("POST", "/explain", "cancel.explain"),
    ("GET", "/cancel/offer", "offers.show"),
    ("POST", "/offers/<offer_id>/accept", "offers.accept"),
    ("POST", "/offers/<offer_id>/decline", "offers.decline"),
    ("GET", "/offers/<offer_id>", "offers.accepted"),
    ("POST", "/resume", "keeping.resume"),
    ("POST", "/undo", "pause.undo"),
    ("GET", "/resume", "pause.page"),
    ("POST", "/resume", "pause.resume"),
    ("GET", "/upgrade", "entries.upgrade"),
    ("GET", "/downgrade", "entries.downgrade"),
    ("GET", "", "change.page"),
    ("POST", "", "change.confirm"),
    ("GET", "/done", "change.done"),
    ("POST", "/confirmed", "change.confirmed"),
    ("POST", "/undo", "change.undo"),
    ("GET", "/usage", "usage.index"),
    ("GET", "/usage.csv", "usage.csv"),
    ("GET", "/meters", "usage.meters"),
    ("GET", "/meters/<key>", "usage.meter"),
    ("GET", "", "payment_methods.index"),
    ("POST", "", "payment_methods.save"),
    ("GET", "/add", "payment_methods.add"),
    ("POST", "/setup-intent", "payment_methods.setup_intent"),
    ("GET", "/return", "payment_methods.come_back"),
    ("POST", "/portal", "payment_methods.portal"),
    ("POST", "/<method_id>/default", "payment_methods.make_default"),
    ("GET", "/<method_id>/remove", "payment_methods.ask_to_remove"),
    ("POST", "/<method_id>/remove", "payment_methods.remove"),
    ("GET", "", "invoices.index"),
    ("GET", "/<invoice_id>/pdf", "invoices.pdf"),
    ("GET", "/<invoice_id>/view", "invoices.view"),
    ("POST", "/<invoice_id>/pay", "invoices.pay"),
    ("GET", "/<invoice_id>/confirm", "invoices.confirm"),
    ("GET", "/credit-notes/<note_id>/pdf", "invoices.credit_note"),
    ("GET", "/upcoming", "upcoming.upcoming"),
    ("GET", "/plan-badge", "plan_badge.plan_badge"),
    ("GET", "", "address.edit"),
    ("POST", "", "address.save"),
    ("POST", "", "portal.open_portal"),
    ("GET", "/usage", "api.usage"),
    ("GET", "/subscription", "api.subscription"),
    ("GET", "/customers/<int:customer_id>/usage", "admin.usage"),
    ("GET", "/customers/<int:customer_id>/usage.csv", "admin.usage_csv"),
    ("POST", "/customers/<int:customer_id>/override", "admin.override"),
    ("POST", "/customers/<int:customer_id>/override/<int:override_id>/end", "admin.end_override"),
    ("POST", "/customers/<int:customer_id>/credits", "admin.grant"),
    ("POST", "/customers/<int:customer_id>/reset", "admin.reset"),
    ("GET", "/health", "health.health"),
    ("POST", "/webhooks/stripe", "webhooks.stripe"),
)

#: Page of ours -> the feature it is for, which an app may leave to Stripe's Billing Portal.
PORTAL_PAGES: t.Final = {
    "billing.invoices.index": "invoices",
    "billing.address.edit": "address",
    "billing.change.page": "change",
    "billing.upgrade": "change",
    "billing.downgrade": "change",
    "billing.cancel.page": "cancel",
    "billing.payment_methods.index": "payment_methods",
    "billing.payment_methods.add": "payment_methods",
}

#: Error of any of our views -> who answers it.
PROBLEMS: t.Final[dict[type[Exception], str]] = {
    errors.NotSignedInError: "problems.not_signed_in",
    errors.UnknownPlanError: "problems.unknown_plan",
    errors.CheckoutNotFoundError: "problems.not_found",
    errors.PaymentMethodNotFoundError: "problems.not_found",
    errors.InvoiceNotFoundError: "problems.not_found",
    errors.OfferNotFoundError: "problems.not_found",
    NotFound: "problems.not_found",
    Forbidden: "problems.forbidden",
    UnprocessableEntity: "problems.unprocessable",
    errors.AlreadySubscribedError: "problems.already_subscribed",
    errors.ChangeRefusedError: "problems.change_refused",
    errors.CardDeclinedError: "problems.declined",
    errors.StripeError: "problems.stripe_down",
    errors.MeteringUnavailableError: "outages.database_down",
    sa.exc.OperationalError: "outages.database_down",
    sa.exc.InterfaceError: "outages.database_down",
    sa.exc.TimeoutError: "outages.database_down",
}

#: Name in the host's templates -> function; docs/pages.md shows each.
MACROS: t.Final = {
    "billing_root": "root.attributes",
    "billing_csrf_field": "csrf.field",
    "billing_head": "macros.billing_head",
    "billing_styles": "macros.billing_styles",
    "billing_scripts": "macros.billing_scripts",
    "billing_toasts": "macros.billing_toasts",
    "billing_meter": "macros.billing_meter",
    "billing_banner": "macros.billing_banner",
    "billing_plan_badge": "macros.billing_plan_badge",
    "billing_paywall": "macros.billing_paywall",
    "billing_run_summary": "macros.billing_run_summary",
    "billing_footer_links": "macros.billing_footer_links",
}
