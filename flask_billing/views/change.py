"""P5, changing the plan: what it costs, one button that does exactly that, and the way back."""

from __future__ import annotations

import contextlib

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import UnprocessableEntity

from .. import negotiation, subscriptions
from ..errors import CardDeclinedError, StripeError
from ..models import SubscriptionChange
from ..retention import survey
from ..state import state
from ..subscriptions import Quote, QuoteChangedError
from ..translation import gettext as _
from . import (
    actors,
    badges,
    change_refusals,
    change_words,
    fragments,
    offers,
    plan_cards,
    plan_facts,
    redirects,
    toasts,
)
from .visitor import Visitor, require_manager, require_visitor


def page() -> ResponseReturnValue:
    """What a change costs and brings, and the button that confirms it."""
    visitor = require_visitor()

    if visitor.live is None:  # nothing to change: a plan starts with a checkout
        return fragments.go(url_for("billing.plans", interval=request.args.get("interval")))

    return _asked(visitor, _quote(visitor))


def confirm() -> ResponseReturnValue:
    """Carry out what was shown, or show what holds now."""
    visitor = require_manager()

    try:
        change = subscriptions.change_plan(
            visitor.customer, request.form.get("quote", ""), actor=actors.actor()
        )
    except QuoteChangedError as error:
        return _asked(visitor, error.quote, status=409, note=_why(error))
    except CardDeclinedError as error:
        return _declined(visitor, error)

    if change.kind == "downgrade" and visitor.live is not None:
        survey.end(visitor.customer, visitor.live, "downgrade", "saved_downgrade")

    visitor = require_visitor(afresh=True)

    if change.state == "done":
        toasts.push("success", change_words.happened(visitor.plan))

    if not negotiation.wants_fragment():
        return fragments.go(url_for(".done"))

    answer = _outcome(visitor, change)
    answer.headers["HX-Trigger"] = "billing:changed"
    return answer


def confirmed() -> ResponseReturnValue:
    """What the page asks once the bank has agreed: the same, announced."""
    answer = _standing(announced=True)

    if negotiation.wants_fragment():
        if isinstance(answer, Response):
            answer.headers["HX-Trigger"] = "billing:changed"

        return answer

    return fragments.go(url_for(".done"))


def done() -> ResponseReturnValue:
    """How the last change stands; once the bank was asked, as Stripe has it by now."""
    return _standing()


def _standing(*, announced: bool = False) -> ResponseReturnValue:
    visitor = require_visitor()
    change = None

    with contextlib.suppress(StripeError):  # then as it was when we last heard
        change = subscriptions.last_change(visitor.customer, afresh=True)

    change = change or subscriptions.last_change(visitor.customer)

    if change is None or change.state == "undone":
        return fragments.go(url_for("billing.overview"))

    visitor = require_visitor(afresh=True)

    if announced and change.state == "done":
        toasts.push("success", change_words.happened(visitor.plan))

    return _outcome(visitor, change)


def undo() -> ResponseReturnValue:
    """Keep the plan as it is, instead of the change that waits."""
    visitor = require_manager()
    subscriptions.undo_change(visitor.customer, actor=actors.actor())
    plan = visitor.plan
    name = plan.name if plan is not None else _("your plan")
    toasts.push("success", _("You keep %(plan)s. Nothing changes.", plan=name))
    return fragments.go(url_for("billing.overview"))


def _quote(visitor: Visitor) -> Quote:
    plan_cards.refuse_talked_about(request.args.get("plan"), visitor)
    return subscriptions.quote_change(
        visitor.customer,
        request.args.get("plan") or None,
        request.args.get("interval") or None,
        _quantity(),
        end_trial=request.args.get("end_trial") == "1",
    )


def _quantity() -> int | None:
    text = request.args.get("quantity", "")

    if not text:
        return None

    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise UnprocessableEntity(_("The number of seats is not a number. You weren't charged."))

    return int(text)


def _asked(
    visitor: Visitor, quote: Quote, *, status: int = 200, note: str | None = None
) -> Response:
    return fragments.show(
        "billing/change.html",
        "billing/_change.html",
        status=status,
        visitor=visitor,
        quote=quote,
        shown=change_words.shown(quote),
        other_interval=_other_interval(quote),
        card_page=change_refusals.card_page(),
        note=note,
        offers=offers.beside(visitor, "downgrade") if quote.kind == "downgrade" else None,
    )


def _other_interval(quote: Quote) -> str | None:
    """The interval the same plan could be had by as well, where it is not had already."""
    other = "month" if quote.interval == "year" else "year"

    if (quote.plan, other, quote.quantity) == (
        quote.from_plan,
        quote.from_interval,
        quote.from_quantity,
    ):
        return None

    return other if quote.plan.price(other, quote.currency) is not None else None


def _why(error: QuoteChangedError) -> str:
    return {
        "amount": _("The amount changed while you were reviewing. Nothing was charged."),
        "expired": _("This page was open for a while. Nothing was charged. This holds now:"),
        "used": _("You confirmed this before. Nothing further was charged. This holds now:"),
    }[error.why]


def _declined(visitor: Visitor, error: CardDeclinedError) -> Response:
    plan = visitor.plan
    change = subscriptions.last_change(visitor.customer)
    return fragments.show(
        "billing/change_declined.html",
        "billing/_change_declined.html",
        status=402,
        visitor=visitor,
        reason=error.for_people,
        plan=plan.name if plan is not None else _("your plan"),
        card_page=change_refusals.card_page(),
        again=None if change is None else _address_of(change),
    )


def _address_of(change: SubscriptionChange) -> str:
    return url_for(
        ".page",
        plan=change.to_plan,
        interval=change.to_interval,
        quantity=change.quantity if (change.quantity or 1) > 1 else None,
        end_trial=1 if change.kind == "end_trial" else None,
    )


def _outcome(visitor: Visitor, change: SubscriptionChange) -> Response:
    waiting = None

    with contextlib.suppress(StripeError):
        waiting = subscriptions.waiting_payment(change)

    live = visitor.live
    return fragments.show(
        "billing/change_done.html",
        "billing/_change_done.html",
        visitor=visitor,
        change=change,
        waiting=waiting,
        return_url=redirects.external_url("billing.change.done"),
        plan=state().catalog.plan(change.to_plan),
        current=visitor.plan,
        badge=badges.badge(visitor),
        facts=plan_facts.facts(visitor, visitor.change) if live is not None else None,
        again=_address_of(change),
        toasts=toasts.take() if negotiation.wants_fragment() else (),
    )
