"""What templates of the host may call: meters, banner, badge, paywall, toasts, links.

They are Jinja globals, all named ``billing_...``; docs/pages.md shows each. For somebody who
is not signed in, those about a customer are empty.
"""

from __future__ import annotations

from flask import g, render_template, request
from markupsafe import Markup

from .. import translation
from ..customers import find_current_customer
from ..metering import run_summary
from ..state import state
from . import (
    badges,
    banners,
    gates,
    meter_views,
    root,
    run_views,
    toasts,
)
from .visitor import Visitor, find_visitor


def billing_head() -> Markup:
    """Stylesheet and scripts, for the head of a host's page that uses any of the others."""
    return billing_styles() + billing_scripts()


def billing_styles() -> Markup:
    """The stylesheet, once a page."""
    return _once("_styles.html")


def billing_scripts() -> Markup:
    """The scripts, once a page: htmx, unless the host brings it, and our own."""
    return _once("_scripts.html")


def billing_toasts() -> Markup:
    """The place for short notes, once a page, with those that wait."""
    return _once("_toasts.html", toasts=toasts.take())


def billing_meter(key: str) -> Markup:
    """One meter, kept up to date by polling.

    :raises KeyError: for a meter the catalog does not have.
    """
    state().catalog.meter(key)
    customer = find_current_customer()

    if customer is None:
        return Markup()

    shown = meter_views.meter_of(customer, key)
    return _component("_live_meter.html", meter=shown, version=meter_views.version([shown]))


def billing_banner() -> Markup:
    """The banner of the plan's state: a failed payment, a coming end."""
    visitor = _visitor_now()

    if visitor is None:
        return Markup()

    found = banners.banner(visitor)
    return Markup() if found is None else _component("_banner.html", banner=found)


def billing_plan_badge() -> Markup:
    """The plan's name with its state."""
    visitor = _visitor_now()

    if visitor is None:
        return Markup()

    return _component("_plan_badge.html", badge=badges.badge(visitor), visitor=visitor)


def billing_paywall(feature: str) -> Markup:
    """The way to a feature for those whose plan does not include it; empty for the others.

    So a template can say ``{% if billing_paywall("sso") %}...``, and show what it returns.

    :raises ConfigError: for a feature no plan has.
    """
    visitor = find_visitor()

    if visitor is not None and gates.has_feature(visitor, feature):
        return Markup()

    return _component(
        "_paywall.html",
        subject=gates.feature_name(feature),
        suggested_plan=gates.plan_with(feature),
        visitor=visitor,
    )


def billing_run_summary(run: str) -> Markup:
    """Tokens and cost of a run by phase, for a page that shows it when it is over.

    Empty for a run that used nothing, and for a run of somebody else.
    """
    customer = find_current_customer()
    found = None if customer is None else run_summary(run, customer=customer)

    if found is None or not found.phases:
        return Markup()

    return _component("_run_summary.html", **run_views.shown(found))


def billing_footer_links() -> Markup:
    """Links to plans, billing and usage, for a host's footer."""
    return _component("_footer_links.html", visitor=find_visitor())


def _visitor_now() -> Visitor | None:
    """Who looks, with what a POST may have changed meanwhile."""
    return find_visitor(afresh=bool(request) and request.method == "POST")


def is_first(template: str) -> bool:
    """Whether a part that is shown once a page has not been yet. From now on it has."""
    shown: set[str] = g.setdefault("billing_shown", set())
    seen = template in shown
    shown.add(template)
    return not seen


def _once(template: str, **context: object) -> Markup:
    if not is_first(template):
        return Markup()

    return Markup(render_template(f"billing/{template}", **context))  # noqa: S704


def _component(template: str, **context: object) -> Markup:
    """A fragment in a root of its own, apart from the host's styles and htmx settings."""
    inner = Markup(render_template(f"billing/{template}", **context))  # noqa: S704
    return Markup('<div {} dir="{}">{}</div>').format(
        root.attributes(), translation.text_direction(), inner
    )
