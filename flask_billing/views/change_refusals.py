"""Why a plan can't be changed now, and the way to what has to be done first."""

from __future__ import annotations

import typing as t

from flask import current_app, url_for

from ..errors import ChangeRefusedError
from ..translation import gettext as _


class Refusal(t.NamedTuple):
    """What people see, with the one way on."""

    title: str
    text: str
    url: str
    label: str


def words(error: ChangeRefusedError) -> Refusal:
    """The words for a refusal, by its code."""
    overview = url_for("billing.overview")
    to_billing = (overview, _("Go to billing"))
    refusals = {
        "same_plan": (
            _("That's your plan"),
            _("Nothing was charged or changed."),
            url_for("billing.plans"),
            _("See plans"),
        ),
        "pay_first": (
            _("Pay the open invoice first"),
            _("Your last payment failed, so the plan can't be changed. Nothing was changed."),
            *to_billing,
        ),
        "resume_first": (
            _("End the pause first"),
            _("A plan that is paused, or is going to be, can't be changed. Nothing was changed."),
            *to_billing,
        ),
        "keep_first": (
            _("Keep your plan first"),
            _("Your plan is going to end. Keep it, then change it. Nothing was charged."),
            url_for("billing.cancel.page"),
            _("Keep my plan"),
        ),
        "first_payment_open": (
            _("Confirm your first payment first"),
            _("The plan hasn't started yet. Nothing further was charged."),
            *to_billing,
        ),
        "no_payment_method": (
            _("Add a card first"),
            _("There is no card to charge. Nothing was charged or changed."),
            card_page(),
            _("Add a card"),
        ),
        "quote_invalid": (
            _("This form is not valid any more"),
            _("Nothing was charged or changed. Choose the plan again."),
            url_for("billing.plans"),
            _("See plans"),
        ),
        "nothing_to_undo": (
            _("There is nothing to undo"),
            _("No change of your plan is waiting. Nothing was changed."),
            *to_billing,
        ),
    }

    if error.code in refusals:
        return Refusal(*refusals[error.code])

    if error.code in ("foreign_schedule", "sent_invoices"):
        contact: str | None = current_app.config["BILLING_CONTACT_URL"]
        return Refusal(
            _("We manage this plan for you"),
            _("It can't be changed on this page. Nothing was charged. Contact us to change it."),
            contact or overview,
            _("Contact us") if contact else _("Go to billing"),
        )

    return Refusal(
        _("Your plan can't be changed like that now"), _("Nothing was changed."), *to_billing
    )


def card_page() -> str:
    """Where a card is added."""
    known = "billing.payment_methods.index" in current_app.view_functions
    return url_for("billing.payment_methods.index" if known else "billing.overview")
