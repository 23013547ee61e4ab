"""What an app knows of our pages before anybody asks for one: addresses, hooks and names.

Functions are named as :mod:`.late` finds them, ``module.function``. For a view that is its
endpoint too: ``checkout.create`` is ``billing.checkout.create`` where there is a blueprint of
the module's name, and ``plans.plans`` is ``billing.plans``.
"""

from __future__ import annotations

import typing as t

from werkzeug.exceptions import Forbidden, NotFound, UnprocessableEntity

from .. import errors

#: Blueprint below ``billing`` -> prefix of its addresses.
BLUEPRINTS: t.Final = {
    "checkout": "/checkout",
    "usage": None,
    "admin": "/admin",
    "api": "/api",
    "webhooks": None,
}

#: Method, address below the blueprint's, view.
ROUTES: t.Final = (
    ("GET", "/", "overview.overview"),
    ("GET", "/plans", "plans.plans"),
    ("POST", "", "checkout.create"),
    ("GET", "/start", "checkout.start"),
    ("GET", "/success", "checkout.success"),
    ("GET", "/done", "checkout.done"),
    ("GET", "/status", "checkout.status"),
    ("GET", "/cancelled", "checkout.cancelled"),
    ("GET", "/usage", "usage.index"),
    ("GET", "/usage.csv", "usage.csv"),
    ("GET", "/meters", "usage.meters"),
    ("GET", "/meters/<key>", "usage.meter"),
    ("GET", "/usage", "api.usage"),
    ("GET", "/subscription", "api.subscription"),
    ("GET", "/customers/<int:customer_id>/usage", "admin.usage"),
    ("GET", "/customers/<int:customer_id>/usage.csv", "admin.usage_csv"),
    ("POST", "/customers/<int:customer_id>/override", "admin.override"),
    ("POST", "/customers/<int:customer_id>/override/<int:override_id>/end", "admin.end_override"),
    ("POST", "/customers/<int:customer_id>/credits", "admin.grant"),
    ("POST", "/customers/<int:customer_id>/reset", "admin.reset"),
    ("POST", "/webhooks/stripe", "webhooks.stripe"),
)

#: Error of any of our views -> who answers it.
PROBLEMS: t.Final[dict[type[Exception], str]] = {
    errors.NotSignedInError: "problems.not_signed_in",
    errors.UnknownPlanError: "problems.unknown_plan",
    errors.CheckoutNotFoundError: "problems.not_found",
    NotFound: "problems.not_found",
    Forbidden: "problems.forbidden",
    UnprocessableEntity: "problems.unprocessable",
    errors.AlreadySubscribedError: "problems.already_subscribed",
    errors.CardDeclinedError: "problems.declined",
    errors.StripeError: "problems.stripe_down",
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
