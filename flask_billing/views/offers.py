"""P6, offers to those who are leaving: beside the way out, and never in it."""

from __future__ import annotations

import dataclasses

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from .. import negotiation, retention
from ..errors import OfferRefusedError, StripeError
from ..models import Cancellation, Subscription
from ..retention import survey
from . import actors, cancel_words, fragments, offer_words, problems
from .visitor import Visitor, require_manager, require_visitor


@dataclasses.dataclass(frozen=True)
class Beside:
    """What stands beside the way out.

    :param visit: None where this customer may not be shown an offer now.
    """

    visit: Cancellation | None
    cards: tuple[offer_words.Card, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether there is a place for offers at all."""
        return self.visit is not None


def beside(visitor: Visitor, source: survey.Source = "cancel", reason: str | None = None) -> Beside:
    """The offers to show beside a way out, each remembered as it is shown."""
    visit = _visit(visitor, source, reason)

    if visit is None or visitor.live is None:
        return Beside(None)

    found = retention.offers_for(visitor.customer, visitor.live, visit)
    cards = [offer_words.card(offered, visitor.live) for offered in found]
    survey.show(
        visit,
        [
            (offered.offer, card.words, offered.terms.facts())
            for offered, card in zip(found, cards, strict=True)
        ],
    )
    return Beside(visit, tuple(cards))


def may_ask(visitor: Visitor) -> bool:
    """Whether somebody who has cancelled may be asked if they want to see an offer."""
    visit = _cancelled_visit(visitor)
    return (
        visit is not None
        and visitor.live is not None
        and visitor.can_manage
        and bool(retention.offers_for(visitor.customer, visitor.live, visit))
    )


def show() -> ResponseReturnValue:
    """The offers for a reason, beside "Cancel plan"; or, once cancelled, for who asked for them."""
    visitor = require_manager()
    found = beside(visitor, reason=request.args.get("reason"))

    if not found.allowed:
        # Not even an empty place: there must be nothing of an offer before the cancellation.
        return "" if negotiation.wants_fragment() else fragments.go(url_for("billing.cancel.page"))

    return _shown(visitor, found)


def accept(offer_id: str) -> ResponseReturnValue:
    """Take an offer at the terms that were read."""
    visitor = require_manager()

    try:
        retention.accept(
            visitor.customer, offer_id, request.form.get("terms", ""), actor=actors.actor()
        )
    except OfferRefusedError as error:
        source = _source(visitor, error.visit)
        fresh = beside(require_visitor(afresh=True), source)
        return _shown(visitor, fresh, status=409, note=offer_words.refusal(error.why))
    except StripeError as error:
        if not (error.retryable and retention.is_recorded(visitor.customer, offer_id)):
            raise

        return problems.recorded()

    return fragments.go(url_for(".accepted", offer_id=offer_id))


def decline(offer_id: str) -> ResponseReturnValue:
    """Say no to an offer, which is then not shown again on this visit."""
    visitor = require_manager()
    visit = retention.decline(visitor.customer, offer_id)

    if not negotiation.from_htmx():
        return fragments.go(_way_out(visit))

    source: survey.Source = "downgrade" if visit.source == "downgrade" else "cancel"
    return _shown(visitor, beside(visitor, source))


def accepted(offer_id: str) -> ResponseReturnValue:
    """What was agreed on. A reload shows the same."""
    visitor = require_visitor()
    redemption = retention.accepted(visitor.customer, offer_id)
    live = visitor.live
    words = offer_words.accepted(
        redemption,
        (live.plan or live.last_plan) if live is not None else None,
        visitor.customer.email,
    )
    return fragments.show("billing/offer_accepted.html", accepted=words)


def _visit(visitor: Visitor, source: survey.Source, reason: str | None) -> Cancellation | None:
    """The visit on which offers may be shown, with what was said on it."""
    live = visitor.live

    if live is None or not visitor.can_manage:
        return None

    if _is_going(live):
        return _cancelled_visit(visitor)

    visit = survey.begin(visitor.customer, live, source)
    mode = retention.mode_of(visitor.customer)
    return survey.answer(visit, reason) if mode == "inline" else None


def _cancelled_visit(visitor: Visitor) -> Cancellation | None:
    """The visit that ended with a cancellation, where offers may be asked for after it."""
    live = visitor.live

    if live is None or not _is_going(live) or retention.mode_of(visitor.customer) != "after":
        return None

    visit = survey.latest(visitor.customer)
    return visit if visit is not None and visit.outcome == "cancelled" else None


def _is_going(subscription: Subscription) -> bool:
    return subscription.cancel_at is not None


def _source(visitor: Visitor, visit_id: int | None) -> survey.Source:
    visit = survey.find(visitor.customer, visit_id) if visit_id is not None else None
    return "downgrade" if visit is not None and visit.source == "downgrade" else "cancel"


def _way_out(visit: Cancellation) -> str:
    if visit.source == "downgrade":
        return url_for("billing.change.page")

    return url_for("billing.cancel.page")


def _shown(
    visitor: Visitor, found: Beside, *, status: int = 200, note: str | None = None
) -> Response:
    return fragments.show(
        "billing/offers.html",
        "billing/_offers.html",
        status=status,
        visitor=visitor,
        offers=found,
        note=note,
        reasons=cancel_words.reasons(),
        reason=found.visit.reason if found.visit is not None else None,
        cancelled=visitor.live is not None and _is_going(visitor.live),
    )
