"""P8, payment methods: the list, adding a card, the default, removing one."""

from __future__ import annotations

import collections.abc as c
import typing as t

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue

from .. import customers, negotiation
from .. import payment_methods as cards
from .. import portal as stripe_portal
from ..errors import (
    CardNotSavedError,
    LastPaymentMethodError,
    PaymentMethodNotFoundError,
    PaymentMethodsChangedError,
    StripeRateLimitedError,
    StripeUnreachableError,
    TooManyCardsTriedError,
)
from ..state import state
from ..translation import gettext as _
from . import card_lines, fragments, payment_labels, problems, redirects, toasts
from .visitor import Visitor, require_manager, require_visitor

#: Where the keyboard goes after an answer: the list's heading, the form's, or its opener.
Focus = t.Literal["list", "form", "opener"]


def index() -> ResponseReturnValue:
    """Every payment method."""
    return _shown(require_visitor(), focus="opener")


def add() -> ResponseReturnValue:
    """The list with the card form below it. Nothing happens at Stripe before it is sent."""
    return _shown(require_manager(), adding=True, focus="form")


def setup_intent() -> ResponseReturnValue:
    """What the card form needs to give a card to Stripe. For our script, so in JSON."""
    visitor = require_manager()

    try:
        secret = cards.add_setup_intent(visitor.customer, makes_default=_wants_default())
    except TooManyCardsTriedError:
        return problems.json_problem(
            429,
            _("That's many cards in a short time"),
            _("Nothing was saved or charged. Try again in an hour."),
            code="too_many_cards",
        )

    return jsonify(client_secret=secret)


def save() -> ResponseReturnValue:
    """The card form again, once Stripe has the card: Stripe is asked whether it is so."""
    visitor = require_manager()
    intent = request.form.get("setup_intent", "")
    wants_default = _wants_default()
    return _carried_out(
        visitor,
        lambda: _added(cards.finish_adding(visitor.customer, intent, makes_default=wants_default)),
    )


def come_back() -> ResponseReturnValue:
    """The way back from a bank's page, or Stripe's own. What the address says is asked for."""
    visitor = require_manager()
    intent = request.args.get("setup_intent")

    if intent is None:
        cards.refresh(visitor.customer)
        return fragments.go(url_for(".index"))

    try:
        added = cards.finish_adding(visitor.customer, intent)
    except CardNotSavedError as error:
        toasts.push("error", ". ".join(_not_saved(error)))
    else:
        if added.first:
            toasts.push("success", _added(added))

    return fragments.go(url_for(".index"))


def portal() -> ResponseReturnValue:
    """Send the customer to Stripe to add a card there."""
    url = stripe_portal.open_session(
        require_manager().customer,
        return_url=redirects.external_url("billing.payment_methods.come_back"),
        flow="payment_method_update",
    )
    return fragments.go(redirects.checked(url))


def make_default(method_id: str) -> ResponseReturnValue:
    """Charge everything to this one from now on."""
    visitor = require_manager()

    def act() -> str:
        name = payment_labels.short(cards.wallet_of(visitor.customer).get(method_id))
        cards.make_default(visitor.customer, method_id)
        return _("%(card)s is your default now. Nothing was charged.", card=name)

    return _carried_out(visitor, act)


def ask_to_remove(method_id: str) -> ResponseReturnValue:
    """The question before a card is removed, as a page for browsers without scripts."""
    visitor = require_manager()
    wallet = cards.wallet_of(visitor.customer)
    return fragments.show(
        "billing/payment_method_remove.html",
        visitor=visitor,
        line=card_lines.line(wallet, wallet.get(method_id)),
    )


def remove(method_id: str) -> ResponseReturnValue:
    """Take a card off, if no plan is left without one by that."""
    visitor = require_manager()
    announced = request.form.get("successor") or None

    def act() -> str:
        name = payment_labels.short(cards.wallet_of(visitor.customer).get(method_id))
        cards.remove(visitor.customer, method_id, announced=announced)
        return _("%(card)s was removed.", card=name)

    return _carried_out(visitor, act)


def _wants_default() -> bool:
    return request.form.get("default") == "1"


def _shows_list() -> bool:
    """Whether the answer takes the list's place, and not that of a page of its own."""
    return negotiation.wants_fragment() and "alone" not in request.form


def _carried_out(visitor: Visitor, act: c.Callable[[], str]) -> ResponseReturnValue:
    """Do something, and show the list as it is then with what was done, or why it was not."""
    try:
        text = act()
    except LastPaymentMethodError:
        return _refused(
            visitor,
            409,
            _("Your plan needs this card"),
            _("Add another card before removing this one. Nothing was removed."),
        )
    except PaymentMethodsChangedError:
        return _refused(
            visitor,
            409,
            _("Your payment methods have changed meanwhile"),
            _("Nothing was changed now. Look at them again."),
        )
    except PaymentMethodNotFoundError:
        return _refused(
            visitor, 404, _("That payment method isn't here any more"), _("Nothing was changed.")
        )
    except CardNotSavedError as error:
        return _refused(visitor, 402, *_not_saved(error))
    except (StripeUnreachableError, StripeRateLimitedError) as error:
        # The wish may be recorded by now, and is carried out once Stripe answers.
        problems.log.error("A change of payment methods is not known to be done: %s", error.code)
        return problems.problem(
            503,
            _("We can't reach our payment provider"),
            _("Nothing was charged. If the change isn't shown in a few minutes, try again."),
            code="payment_provider_unavailable",
            url=url_for(".index"),
            label=_("Back to payment methods"),
        )

    state().db.session.commit()

    if _shows_list():
        return _shown(visitor, focus="list", toast=toasts.Toast(kind="success", text=text))

    toasts.push("success", text)
    return fragments.go(url_for(".index"))


def _refused(visitor: Visitor, status: int, title: str, text: str) -> ResponseReturnValue:
    state().db.session.commit()  # so that the list shows what is committed now

    if _shows_list():
        note = toasts.Toast(kind="error", text=f"{title}. {text}")
        return _shown(visitor, focus="list", toast=note, status=status)

    label = _("Back to payment methods")
    return problems.problem(
        status, title, text, code="payment_method", url=url_for(".index"), label=label
    )


def _shown(
    visitor: Visitor,
    *,
    adding: bool = False,
    focus: Focus | None = None,
    toast: toasts.Toast | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    wallet = cards.wallet_of(visitor.customer)
    return fragments.show(
        "billing/payment_methods.html",
        "billing/_payment_methods.html",
        status=status,
        visitor=visitor,
        lines=card_lines.lines(wallet),
        adding=adding,
        past_due=any(found.status == "past_due" for found in wallet.live),
        currency=customers.currency_of(visitor.customer),
        return_url=redirects.external_url("billing.payment_methods.come_back"),
        focus=focus if negotiation.wants_fragment() else None,
        toast=toast,
    )


def _added(added: cards.Added) -> str:
    name = payment_labels.short(added.method)

    if added.is_default:
        return _("%(card)s was added, and is your default now.", card=name)

    return _("%(card)s was added.", card=name)


def _not_saved(error: CardNotSavedError) -> tuple[str, str]:
    """What happened, and what to do next."""
    if error.status == "processing":
        return (
            _("Your bank is still checking"),
            _("The payment method appears here once it agrees. Nothing was charged."),
        )

    return (
        _("No card was saved"),
        _("Nothing was charged. Try again, or use another card."),
    )
