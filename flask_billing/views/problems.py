"""What people see when something could not be done: what happened, and what to do next."""

from __future__ import annotations

import logging
import typing as t

from flask import Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, UnprocessableEntity

from .. import negotiation
from ..errors import (
    AlreadySubscribedError,
    CardDeclinedError,
    ChangeRefusedError,
    ChangeUnderWayError,
    InvalidAnswerError,
    NoSubscriptionError,
    NotPausableError,
    NotSignedInError,
    StripeError,
    StripeMisconfiguredError,
    StripeRejectedError,
    UnknownPlanError,
)
from ..translation import gettext as _
from . import change_refusals, fragments, visitor

log = logging.getLogger("flask_billing.views")

#: Views that scripts of ours read, beside the API.
_JSON: t.Final = ("billing.payment_methods.setup_intent",)


def problem(
    status: int,
    title: str,
    text: str,
    *,
    code: str,
    url: str | None = None,
    label: str | None = None,
) -> Response:
    """The answer to something that could not be done, as page, alert or JSON.

    In a fragment it is an alert beside what is shown, which stays as it is.

    :param url: where the one way out leads, named by ``label``.
    """
    if request.blueprint == "billing.api" or request.endpoint in _JSON:
        return json_problem(status, title, text, code=code)

    answer = fragments.show(
        "billing/problem.html",
        "billing/_problem.html",
        status=status,
        title=title,
        text=text,
        url=url,
        label=label,
    )

    if negotiation.wants_fragment():
        answer.headers["HX-Reswap"] = "none"

    return answer


def json_problem(status: int, title: str, detail: str, *, code: str, **members: object) -> Response:
    """An ``application/problem+json`` answer (RFC 9457)."""
    answer = jsonify(
        type="about:blank", title=title, status=status, detail=detail, code=code, **members
    )
    answer.status_code = status
    answer.content_type = "application/problem+json"
    return answer


def not_signed_in(error: NotSignedInError) -> ResponseReturnValue:
    if request.blueprint == "billing.api" or request.endpoint in _JSON:
        return json_problem(
            401, _("Not signed in"), _("Sign in to read this."), code="not_signed_in"
        )

    return visitor.ask_to_sign_in()


def unknown_plan(error: UnknownPlanError) -> Response:
    return problem(
        404,
        _("That plan isn't available"),
        _("Nothing was charged. The plans page lists what there is."),
        code="unknown_plan",
        url=url_for("billing.plans"),
        label=_("See plans"),
    )


def not_found(error: Exception) -> Response:
    return problem(
        404,
        _("There is nothing here"),
        _("The address is wrong, or what it showed belongs to another account."),
        code="not_found",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def forbidden(error: Forbidden) -> Response:
    if request.blueprint == "billing.admin":
        return problem(
            403,
            _("This page is for admins of this app"),
            _("Nothing was changed. Sign in as one of them to see it."),
            code="forbidden",
        )

    return problem(
        403,
        _("Only an admin can change billing"),
        _("Nothing was changed. Ask an admin of your account."),
        code="forbidden",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def unprocessable(error: UnprocessableEntity) -> Response:
    return problem(
        422,
        _("Something in the form doesn't fit"),
        error.description or "",
        code="invalid",
        url=url_for("billing.plans"),
        label=_("See plans"),
    )


def already_subscribed(error: AlreadySubscribedError) -> Response:
    return problem(
        409,
        _("You already have a plan"),
        _("Nothing was charged. Your plan and when it renews are on the billing page."),
        code="already_subscribed",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def change_refused(error: ChangeRefusedError) -> Response:
    title, text, url, label = _refusal(error)
    return problem(
        422 if isinstance(error, InvalidAnswerError) else 409,
        title,
        text,
        code=error.code,
        url=url,
        label=label,
    )


def _refusal(error: ChangeRefusedError) -> change_refusals.Refusal:
    overview, to_billing = url_for("billing.overview"), _("Go to billing")

    match error:
        case NoSubscriptionError():
            return change_refusals.Refusal(
                _("You have no plan that is running"),
                _("Nothing was charged."),
                url_for("billing.plans"),
                _("See plans"),
            )
        case ChangeUnderWayError():
            return change_refusals.Refusal(
                _("Another change is under way"),
                _("Nothing further was charged. Try again in a few minutes."),
                overview,
                to_billing,
            )
        case NotPausableError(why="not_paused"):
            return change_refusals.Refusal(
                _("Your plan isn't paused"), _("Nothing was changed."), overview, to_billing
            )
        case NotPausableError():
            return change_refusals.Refusal(
                _("Your plan can't be paused like that now"),
                _("Nothing was changed."),
                overview,
                to_billing,
            )
        case InvalidAnswerError():
            return change_refusals.Refusal(
                _("Something in the form doesn't fit"),
                _("Nothing was changed."),
                overview,
                to_billing,
            )
        case _other:
            return change_refusals.words(error)


def declined(error: CardDeclinedError) -> Response:
    return problem(
        402,
        _("Your card was declined"),
        f"{error.for_people} {_('Nothing was charged.')}",
        code="card_declined",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def stripe_down(error: StripeError) -> Response:
    # What the operator has to put right is told; other texts may quote what customers typed.
    reason = error if isinstance(error, StripeMisconfiguredError) else error.code
    log.error("A page could not reach Stripe: %s (%s)", type(error).__name__, reason)

    if request.endpoint == "billing.checkout.create":
        return problem(
            503,
            _("We couldn't start checkout"),
            _("You haven't been charged. Try again."),
            code="payment_provider_unavailable",
            url=None if negotiation.wants_fragment() else url_for("billing.plans"),
            label=_("Back to the plans"),
        )

    if error.retryable and request.endpoint in _RECORDED:
        return problem(
            503,
            _("We can't reach our payment provider"),
            _RECORDED[request.endpoint](),
            code="payment_provider_unavailable",
            url=url_for("billing.overview"),
            label=_("Go to billing"),
        )

    if isinstance(error, StripeRejectedError):  # it was reached, and trying again won't help
        return problem(
            502,
            _("Our payment provider didn't accept this"),
            _("Nothing was charged. If it happens again, contact us."),
            code="payment_provider_refused",
            url=url_for("billing.overview"),
            label=_("Go to billing"),
        )

    return problem(
        503,
        _("We can't reach our payment provider"),
        _("Nothing was changed. Try again in a moment."),
        code="payment_provider_unavailable",
        url=request.url if request.method == "GET" else url_for("billing.overview"),
        label=_("Try again"),
    )


def recorded() -> Response:
    """Stripe did not answer, and what was asked for is carried out as soon as it does."""
    return problem(
        503,
        _("We can't reach our payment provider"),
        _finished_later(),
        code="payment_provider_unavailable",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def _finished_later() -> str:
    return _("We recorded what you asked for and will finish it automatically.")


def _not_known_yet() -> str:
    return _(
        "We don't know yet whether it went through. Look again in a few minutes; nothing is "
        "charged twice."
    )


#: Endpoint of what is intended before Stripe is asked -> what is true while no answer came.
_RECORDED: t.Final = {
    "billing.resume": _finished_later,
    "billing.pause.undo": _finished_later,
    "billing.pause.resume": _not_known_yet,
}
