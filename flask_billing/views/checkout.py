"""P2, checkout: start it, come back from it, hear how it went."""

from __future__ import annotations

from flask import request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, UnprocessableEntity

from .. import checkout as checkouts
from .. import customers, negotiation
from ..catalog import Plan
from ..errors import AlreadySubscribedError, UnknownPlanError
from ..state import state
from ..translation import gettext as _
from . import checkout_results, fragments, plan_cards, plans, redirects, toasts
from .visitor import Visitor, find_visitor, owner_mark, require_visitor, sign_in_and_return

#: The session a customer came back from, so that its id leaves the address.
KEY = "billing_checkout"
#: Whose checkout is paid while the plan is not known here yet, in the session.
UPDATING = "billing_updating"

#: Questions the "Updating" page asks, two seconds apart, before it says that it takes long.
MAX_POLLS = 30


def create() -> ResponseReturnValue:
    """Reserve a checkout and send the customer to it."""
    visitor = require_visitor()

    if not visitor.can_manage:
        raise Forbidden

    plan_cards.refuse_talked_about(request.form.get("plan"), visitor)

    # A wrong one has to fail before the customer pays, and not when they come back.
    redirects.configured_url("BILLING_CHECKOUT_DONE_ENDPOINT")

    started = checkouts.start(
        visitor.customer,
        plan=request.form.get("plan", ""),
        interval=request.form.get("interval", ""),
        quantity=_quantity(),
        success_url=redirects.external_url("billing.checkout.success")
        + "?session_id={CHECKOUT_SESSION_ID}",
        cancel_url=redirects.external_url(
            "billing.checkout.cancelled", interval=request.form.get("interval")
        ),
    )
    return fragments.go(redirects.checked(started.url))


def start() -> ResponseReturnValue:
    """The choice made before signing in, which billing.js submits once.

    Nothing happens at Stripe before that: a page that is only looked at costs nothing.
    """
    visitor = find_visitor()
    currency = customers.currency_of(visitor.customer if visitor is not None else None)
    plan_key, interval = request.args.get("plan"), request.args.get("interval")
    plan_cards.refuse_talked_about(plan_key, visitor)
    state().catalog.purchasable(plan_key, interval, currency)
    plan = state().catalog.plan(plan_key)
    assert plan is not None
    assert interval is not None

    if visitor is None:
        return sign_in_and_return(url_for(".start", plan=plan.key, interval=interval))

    if visitor.live is not None:
        raise AlreadySubscribedError(visitor.live.status)

    card = plan_cards.card_of(plan, visitor, currency)
    tag = next((tag for tag in card.prices.values() if tag.interval == interval), None)

    if tag is None:
        raise UnknownPlanError(f"The plan {plan.key!r} has no known price. Nothing was charged.")

    return fragments.show("billing/checkout_start.html", visitor=visitor, card=card, tag=tag)


def success() -> ResponseReturnValue:
    """Where Stripe sends people back to: book it, then show it at a clean address."""
    visitor = require_visitor()
    session_id = request.args.get("session_id", "")
    result = checkouts.complete(visitor.customer, session_id)
    _announce_once(result, visitor)
    state().db.session.commit()
    session[KEY] = session_id
    return fragments.go(_host_page(result) or url_for(".done"))


def done() -> ResponseReturnValue:
    """How the checkout went. A reload shows the same, and no second toast."""
    visitor = require_visitor()
    session_id = session.get(KEY)

    if session_id is None:
        return fragments.go(url_for("billing.overview"))

    result = checkouts.complete(visitor.customer, session_id)
    _announce_once(result, visitor)
    state().db.session.commit()
    return _shown(result, visitor, poll=0)


def status() -> ResponseReturnValue:
    """The fragment that the "Updating" page polls until the plan is active."""
    visitor = require_visitor()
    session_id = request.args.get("session_id") or session.get(KEY) or ""
    result = checkouts.complete(visitor.customer, session_id)
    _announce_once(result, visitor)
    state().db.session.commit()

    if (landing := _host_page(result)) is not None:
        return fragments.go(landing)

    return _shown(result, visitor, poll=_poll() + 1)


def watch() -> ResponseReturnValue:
    """What the banner of other pages asks until the plan is known: then they are shown afresh."""
    visitor = require_visitor()
    result = checkouts.complete(visitor.customer, session.get(KEY) or "")
    _announce_once(result, visitor)
    state().db.session.commit()

    if result.state == "updating" and negotiation.from_htmx():
        return "", 204

    return fragments.go(url_for("billing.overview"))


def cancelled() -> ResponseReturnValue:
    """The way back from a checkout that was left."""
    toasts.push("info", _("Checkout cancelled. You weren't charged."))
    return fragments.go(url_for("billing.plans", interval=plans.chosen_interval()))


def _shown(result: checkouts.Result, visitor: Visitor, *, poll: int) -> ResponseReturnValue:
    return fragments.show(
        "billing/checkout_done.html",
        "billing/_checkout_result.html",
        visitor=visitor,
        result=result,
        words=checkout_results.words(result, visitor),
        waiting=result.state == "updating" and poll <= MAX_POLLS,
        poll=poll,
        continue_url=_continue_url(result),
        toasts=toasts.take() if negotiation.wants_fragment() else (),
    )


def _announce_once(result: checkouts.Result, visitor: Visitor) -> None:
    if result.state == "updating":
        session[UPDATING] = owner_mark()
    else:
        session.pop(UPDATING, None)

    if result.first and result.state in ("active", "trialing"):
        toasts.push("success", checkout_results.toast(result, visitor))


def _host_page(result: checkouts.Result) -> str | None:
    """The host's page to land on after a checkout that is done, if it named one."""
    if result.state not in ("active", "trialing"):
        return None

    return redirects.configured_url("BILLING_CHECKOUT_DONE_ENDPOINT")


def _continue_url(result: checkouts.Result) -> str | None:
    """The hosted page of a checkout that is not finished."""
    url = result.checkout.url
    return url if result.state == "open" and url and redirects.is_allowed(url) else None


def _quantity() -> int:
    """The seats asked for, within the plan's bounds; 1 for a plan without seats."""
    plan: Plan | None = state().catalog.plan(request.form.get("plan"))
    seats = plan.seats if plan is not None else None
    least = seats.min if seats is not None else 1
    most = seats.max if seats is not None else 1
    text = request.form.get("quantity", str(least))

    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise UnprocessableEntity(_("The number of seats is not a number. You weren't charged."))

    if int(text) < least or (most is not None and int(text) > most):
        raise UnprocessableEntity(
            _("This plan is sold for another number of seats. You weren't charged.")
        )

    return int(text)


def _poll() -> int:
    text = request.args.get("poll", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else MAX_POLLS
