"""What an offer says: its terms to the cent and to the day, and nothing that presses."""

from __future__ import annotations

import dataclasses
from datetime import datetime

from flask import current_app

from .. import formatting
from ..models import OfferRedemption, Subscription
from ..retention import Offered, Terms
from ..state import state
from ..translation import gettext as _
from ..translation import ngettext


@dataclasses.dataclass(frozen=True)
class Card:
    """An offer as it is shown.

    :param id: names it in addresses.
    :param terms: what it means, in one sentence.
    :param notes: when it begins, for how many seats, and with which taxes.
    :param accept: label of its button.
    """

    id: str
    kind: str
    title: str
    terms: str
    notes: tuple[str, ...]
    accept: str

    @property
    def words(self) -> str:
        """All that is agreed to, word for word."""
        return " ".join((self.terms, *self.notes))


@dataclasses.dataclass(frozen=True)
class Accepted:
    """What the page says once an offer was taken.

    :param link: where to go on to, and its label; None is the billing page.
    """

    heading: str
    texts: tuple[str, ...]
    link: tuple[str, str] | None = None


def card(offered: Offered, subscription: Subscription) -> Card:
    """An offer in words."""
    terms, plan = offered.terms, _plan(subscription.plan or subscription.last_plan)
    notes: list[str] = []

    match terms.kind:
        case "discount":
            title, said, accept = _discount(offered, plan)
            notes.append(_from_next_payment(terms))
        case "pause":
            title, said, accept = _pause(terms, plan)
            notes.append(_("You keep %(plan)s until then.", plan=plan))
        case "plan":
            title, said, accept = _smaller(terms, plan)
            notes.append(_("You keep %(plan)s until then. Nothing is charged today.", plan=plan))
        case "trial_extension":
            title, said, accept = _trial(terms, plan)
            notes.append(_("Nothing is charged before."))
        case _contact:
            title = _("Talk to us before you go")
            said = _("A person reads what you write. Your plan stays as it is meanwhile.")
            accept = _("Contact us")

    if terms.kind != "contact":
        notes += _shared(terms, subscription)

    return Card(offered.id, terms.kind, offered.offer.title or title, said, tuple(notes), accept)


def accepted(redemption: OfferRedemption, plan: str | None, email: str | None) -> Accepted:
    """How an offer stands that was taken.

    :param plan: key of the plan the customer has.
    """
    if redemption.kind == "contact":
        offer = state().catalog.offer(redemption.offer)
        url = (offer.url if offer is not None else None) or current_app.config[
            "BILLING_CONTACT_URL"
        ]
        return Accepted(
            _("Thank you. We're listening"),
            (_("Your plan stays as it is. Write to us, and we'll answer."),),
            (url, _("Contact us")) if url else None,
        )

    headings = {
        "discount": _("You stay on %(plan)s, for less", plan=_plan(plan)),
        "pause": _("Your plan will pause"),
        "plan": _("Your smaller plan is scheduled"),
        "trial_extension": _("Your trial is longer now"),
    }
    texts = [redemption.terms]

    if email is not None:
        texts.append(_("We e-mailed a confirmation to %(email)s.", email=email))

    return Accepted(headings[redemption.kind], tuple(texts))


def refusal(why: str) -> str:
    """Why an offer could not be taken, and that nothing happened."""
    return {
        "expired": _(
            "This offer has run out because the page was open for long. Nothing was changed."
        ),
        "changed": _("The offer changed while you were reading it. Nothing was changed."),
        "taken": _("You have an offer like this already. Nothing was changed."),
    }.get(why, _("This offer could not be put in place. You weren't charged."))


def _discount(offered: Offered, plan: str) -> tuple[str, str, str]:
    terms, offer = offered.terms, offered.offer
    assert terms.reduced is not None
    assert terms.regular is not None
    reduced = formatting.price(terms.reduced, terms.currency)
    regular = formatting.price(terms.regular, terms.currency)

    if offer.percent_off is not None:
        title = _("Stay on %(plan)s for %(percent)s%% less", plan=plan, percent=offer.percent_off)
    else:
        saved = formatting.price(terms.regular - terms.reduced, terms.currency)
        title = _("Stay on %(plan)s for %(amount)s less", plan=plan, amount=saved)

    if terms.interval == "year":
        said = _(
            "%(reduced)s for the year from %(start)s, then %(regular)s/year from %(end)s.",
            reduced=reduced,
            regular=regular,
            start=_day(terms.starts_at),
            end=_day(terms.ends_at),
        )
    elif terms.payments is None:
        said = _(
            "%(reduced)s/month instead of %(regular)s/month for as long as you keep the plan.",
            reduced=reduced,
            regular=regular,
        )
    else:
        said = ngettext(
            "%(reduced)s/month for %(num)s month, then %(regular)s/month from %(end)s.",
            "%(reduced)s/month for %(num)s months, then %(regular)s/month from %(end)s.",
            terms.payments,
            reduced=reduced,
            regular=regular,
            end=_day(terms.ends_at),
        )

    return title, said, _("Accept offer")


def _from_next_payment(terms: Terms) -> str:
    if terms.interval == "year":
        return _("Nothing is charged today.")

    return _(
        "It begins with your next payment on %(date)s. Nothing is charged today.",
        date=_day(terms.starts_at),
    )


def _pause(terms: Terms, plan: str) -> tuple[str, str, str]:
    months = terms.payments or 1
    title = ngettext(
        "Pause %(plan)s for %(num)s month", "Pause %(plan)s for %(num)s months", months, plan=plan
    )
    start, end = _day(terms.starts_at), _day(terms.ends_at)
    said = (
        _("No payments from %(start)s on. The plan runs again from %(end)s.", start=start, end=end)
        if terms.regular is None
        else _(
            "No payments from %(start)s on. The plan runs again at %(price)s from %(end)s.",
            start=start,
            end=end,
            price=_each(terms.regular, terms),
        )
    )
    return title, said, ngettext("Pause for %(num)s month", "Pause for %(num)s months", months)


def _smaller(terms: Terms, plan: str) -> tuple[str, str, str]:
    smaller = _plan(terms.plan)
    said = _(
        "%(smaller)s at %(reduced)s from %(date)s, instead of %(plan)s at %(regular)s.",
        smaller=smaller,
        plan=plan,
        reduced=_each(terms.reduced, terms),
        regular=_each(terms.regular, terms),
        date=_day(terms.starts_at),
    )
    title = _("Stay on %(plan)s instead", plan=smaller)
    return title, said, _("Switch to %(plan)s", plan=smaller)


def _trial(terms: Terms, plan: str) -> tuple[str, str, str]:
    assert terms.starts_at is not None
    assert terms.ends_at is not None
    days = (terms.ends_at - terms.starts_at).days
    title = ngettext(
        "Try %(plan)s for %(num)s more day", "Try %(plan)s for %(num)s more days", days, plan=plan
    )
    said = (
        _("Your trial lasts until %(date)s.", date=_day(terms.ends_at))
        if terms.regular is None
        else _(
            "Your trial lasts until %(date)s. The first charge is %(price)s on that day.",
            date=_day(terms.ends_at),
            price=formatting.price(terms.regular, terms.currency),
        )
    )
    return title, said, _("Extend my trial")


def _shared(terms: Terms, subscription: Subscription) -> list[str]:
    """What holds of all offers: the seats, the taxes, and the end that is taken back."""
    notes = []

    if terms.quantity > 1:
        notes.append(
            ngettext(
                "For your %(num)s seat.", "Amounts are for your %(num)s seats.", terms.quantity
            )
        )

    if tax := current_app.config["BILLING_TAX_PHRASE"]:
        notes.append(_("Amounts are %(tax)s.", tax=tax))

    if subscription.cancel_at is not None:
        notes.append(_("Your plan then goes on after %(date)s.", date=_day(subscription.cancel_at)))

    return notes


def _each(amount: int | None, terms: Terms) -> str:
    assert amount is not None
    price = formatting.price(amount, terms.currency)
    return (
        _("%(price)s/year", price=price)
        if terms.interval == "year"
        else _("%(price)s/month", price=price)
    )


def _day(moment: datetime | None) -> str:
    assert moment is not None, "these terms have a date"
    return formatting.day(moment)


def _plan(key: str | None) -> str:
    plan = state().catalog.plan(key)
    return plan.name if plan is not None else _("your plan")
