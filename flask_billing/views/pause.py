"""A pause: taken back before it begins, or ended for a payment that is told first."""

from __future__ import annotations

from flask import Response, request, url_for
from flask.typing import ResponseReturnValue

from .. import formatting, subscriptions
from ..errors import CardDeclinedError, NotPausableError
from ..subscriptions.pause import TO_CONFIRM
from ..translation import gettext as _
from . import actors, cancel_words, fragments, toasts
from .change_refusals import card_page
from .visitor import Visitor, require_manager


def undo() -> ResponseReturnValue:
    """Take a coming pause back."""
    visitor = require_manager()
    change = subscriptions.undo_pause(visitor.customer, actor=actors.actor())

    if change is not None:
        toasts.push("success", _("Your plan won't be paused. Nothing changes."))

    return fragments.go(url_for("billing.overview"))


def page() -> ResponseReturnValue:
    """What it costs to go on now, and the button that does it."""
    return _offered(require_manager())


def resume() -> ResponseReturnValue:
    """Go on now, for the amount that was shown."""
    visitor = require_manager()

    try:
        change = subscriptions.unpause(
            visitor.customer, amount=_amount_shown(), actor=actors.actor()
        )
    except NotPausableError as error:
        if error.why != "amount":
            raise

        note = _("The amount changed while you were looking. Nothing was charged.")
        return _offered(visitor, status=409, note=note)
    except CardDeclinedError as error:
        note = f"{error.for_people} {_('Your plan stays paused, and nothing was charged.')}"
        return _offered(visitor, status=402, note=note, card_url=card_page())

    live = subscriptions.live_subscription(visitor.customer)

    if change.reason == TO_CONFIRM:
        return fragments.go(url_for("billing.invoices.confirm", invoice_id=live.latest_invoice))

    toasts.push("success", _("%(plan)s runs again.", plan=cancel_words.plan_name(live)))
    return fragments.go(url_for("billing.overview"))


def _offered(
    visitor: Visitor, *, status: int = 200, note: str | None = None, card_url: str | None = None
) -> Response:
    found = subscriptions.resumption(visitor.customer)
    return fragments.show(
        "billing/pause_resume.html",
        "billing/_pause_resume.html",
        status=status,
        visitor=visitor,
        plan=cancel_words.plan_name(found.subscription),
        amount=found.amount,
        price=formatting.price(found.amount, found.currency),
        resumes_at=found.subscription.pause_resumes_at,
        note=note,
        card_url=card_url,
    )


def _amount_shown() -> int:
    text = request.form.get("amount", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
