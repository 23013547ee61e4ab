"""P6, cancelling: one page, one click, and nothing that must be answered."""

from __future__ import annotations

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from .. import negotiation, retention, subscriptions
from ..errors import ChangeUnderWayError, InvalidAnswerError, NoSubscriptionError, StripeError
from ..models import Customer, Subscription, SubscriptionChange
from ..retention import survey
from ..subscriptions.cancel import RECORDED
from ..subscriptions.reasons import LONGEST_COMMENT
from ..translation import gettext as _
from . import actors, cancel_words, fragments, offers, toasts
from .visitor import Visitor, require_manager, require_visitor


def page() -> ResponseReturnValue:
    """What cancelling means, and the button that does it."""
    visitor = require_visitor()

    if _is_cancelled(visitor):
        return fragments.go(url_for(".done"))

    return _asked(visitor)


def cancel() -> ResponseReturnValue:
    """Cancel the plan, or record that it is to be where Stripe cannot be told."""
    visitor = require_manager()
    texts = _consequences(visitor)
    live = visitor.live
    assert live is not None, "else there were no consequences"

    if request.form.get("read", (read := cancel_words.digest(texts))) != read:
        note = _("Your plan changed while this page was open. Nothing was cancelled yet.")
        return _asked(visitor, status=409, note=note)

    try:
        change = subscriptions.cancel(
            visitor.customer,
            reason=request.form.get("reason"),
            comment=request.form.get("comment"),
            shown="\n".join(texts),
            actor=actors.actor(),
        )
    except InvalidAnswerError as error:
        return _asked(visitor, status=422, note=_problem(error), wrong=error.field)
    except (StripeError, ChangeUnderWayError):
        recorded = subscriptions.cancellation(visitor.customer)

        if recorded is None or recorded.state not in RECORDED:
            raise

        _remember(visitor.customer, live, recorded)
        return _finished(require_visitor(), recorded, status=503)

    _remember(visitor.customer, live, change)

    if not negotiation.from_htmx():
        return fragments.go(url_for(".done"))

    visitor = require_visitor(afresh=True)
    answer = _finished(visitor, subscriptions.cancellation(visitor.customer))
    answer.headers["HX-Trigger"] = "billing:changed"
    return answer


def done() -> ResponseReturnValue:
    """How the cancellation stands. A reload shows the same."""
    visitor = require_visitor()
    change = subscriptions.cancellation(visitor.customer)

    if change is None and not _is_cancelled(visitor):
        return fragments.go(url_for("billing.overview"))

    return _finished(visitor, change)


def explain() -> ResponseReturnValue:
    """Keep why somebody left who has not said so before."""
    visitor = require_manager()
    change = subscriptions.explain(
        visitor.customer,
        reason=request.form.get("reason"),
        comment=request.form.get("comment"),
    )

    if change is not None:
        survey.explain(change)

    toasts.push("success", _("Thank you. That helps us."))
    return fragments.go(url_for(".done"))


def _remember(customer: Customer, subscription: Subscription, change: SubscriptionChange) -> None:
    """Close the visit by its outcome, with what was said on it as the cancellation keeps it."""
    survey.end(
        customer,
        subscription,
        "cancel",
        "cancelled",
        reason=change.reason,
        comment=change.feedback,
    )


def _is_cancelled(visitor: Visitor) -> bool:
    """Whether the plan that runs is going to end, or to be told so."""
    live = visitor.live

    if live is None:
        return False

    change = subscriptions.cancellation(visitor.customer)
    return live.cancel_at is not None or (change is not None and change.state in RECORDED)


def _consequences(visitor: Visitor) -> list[str]:
    if visitor.live is None:
        raise NoSubscriptionError

    return cancel_words.consequences(visitor.live, visitor.change)


def _asked(
    visitor: Visitor, *, status: int = 200, note: str | None = None, wrong: str | None = None
) -> Response:
    texts = _consequences(visitor)
    assert visitor.live is not None
    return fragments.show(
        "billing/cancel.html",
        "billing/_cancel.html",
        status=status,
        visitor=visitor,
        plan=cancel_words.plan_name(visitor.live),
        texts=texts,
        read=cancel_words.digest(texts),
        reasons=cancel_words.reasons(),
        longest=LONGEST_COMMENT,
        said=request.form if status != 200 else {},
        note=note,
        wrong=wrong,
        offers=offers.beside(visitor, reason=request.form.get("reason")),
    )


def _finished(
    visitor: Visitor, change: SubscriptionChange | None, *, status: int = 200
) -> Response:
    answer = fragments.show(
        "billing/cancel_done.html",
        "billing/_cancel_done.html",
        status=status,
        visitor=visitor,
        ended=cancel_words.outcome(visitor, change),
        may_explain=change is not None and change.reason is None and change.feedback is None,
        reasons=cancel_words.reasons(),
        longest=LONGEST_COMMENT,
        said={},
        wrong=None,
        swapped=status if negotiation.wants_fragment() else None,
        may_ask=offers.may_ask(visitor),
        offers_beside=retention.mode_of(visitor.customer) == "inline",
    )

    if status == 503:  # nobody swaps such an answer, so it brings its place along
        answer.headers["HX-Reswap"] = "none"

    return answer


def _problem(error: InvalidAnswerError) -> str:
    if error.field == "comment":
        return _("Your comment is longer than %(num)s characters.", num=LONGEST_COMMENT)

    return _("Choose one of the reasons, or none.")
