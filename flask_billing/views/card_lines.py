"""The lines of the list of payment methods: what each is, and what can be done with it."""

from __future__ import annotations

import dataclasses
import typing as t

from ..models import PaymentMethod, Subscription
from ..payment_methods import Wallet, expires_soon, has_expired
from ..state import state
from ..translation import gettext as _
from . import payment_labels
from .badges import Badge


@dataclasses.dataclass(frozen=True)
class Line:
    """One payment method.

    :param can_default: whether something would change if it were the default.
    :param is_needed: whether it is the last one while a plan runs, and so cannot go.
    :param successor: id of the one that takes over when it goes; None is none.
    :param consequence: what happens when it goes, for the question before.
    :param remove: the button that answers it.
    """

    id: str
    icon: str
    name: str
    short: str
    expiry: str | None
    badges: list[Badge]
    can_default: bool
    is_needed: bool
    successor: str | None
    consequence: str
    remove: str


def lines(wallet: Wallet) -> list[Line]:
    """The payment methods of a customer, the default first."""
    return [line(wallet, method) for method in wallet.methods]


def line(wallet: Wallet, method: PaymentMethod) -> Line:
    """One payment method of a customer."""
    successor = wallet.successor(method)
    return Line(
        id=method.stripe_id,
        icon=payment_labels.icon(method),
        name=payment_labels.full(method),
        short=payment_labels.short(method),
        expiry=payment_labels.expiry(method),
        badges=list(_badges(wallet, method)),
        can_default=not wallet.is_default(method),
        is_needed=wallet.is_needed(method),
        successor=successor.stripe_id if successor is not None else None,
        consequence=_consequence(wallet, method, successor),
        remove=_("Remove card") if method.type == "card" else _("Remove"),
    )


def _badges(wallet: Wallet, method: PaymentMethod) -> t.Iterator[Badge]:
    if method.stripe_id == wallet.default:
        yield Badge("ok", "check", _("Default"))

    for subscription in wallet.paid_by(method):
        yield Badge("neutral", "dot", _("Used by %(plan)s", plan=_plan_name(subscription)))

    if has_expired(method):
        yield Badge("crit", "alert", _("Expired"))
    elif expires_soon(method):
        yield Badge("warn", "clock", _("Expires soon"))


def _consequence(wallet: Wallet, method: PaymentMethod, successor: PaymentMethod | None) -> str:
    if successor is None:
        return _("Nothing is charged to it. You can add it again at any time.")

    plans = [_plan_name(subscription) for subscription in wallet.paid_by(method)]

    if not plans:
        return _("%(card)s will be your default instead.", card=payment_labels.short(successor))

    return _(
        "%(plan)s will be charged to %(card)s instead.",
        plan=", ".join(plans),
        card=payment_labels.short(successor),
    )


def _plan_name(subscription: Subscription) -> str:
    plan = state().catalog.plan(subscription.plan or subscription.last_plan)
    return plan.name if plan is not None else _("Your plan")
