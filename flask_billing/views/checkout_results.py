"""How a checkout went, in words."""

from __future__ import annotations

import dataclasses

from .. import formatting
from ..checkout import Result
from ..translation import gettext as _
from . import plan_facts
from .visitor import Visitor


@dataclasses.dataclass(frozen=True)
class Words:
    """Heading, what it means, the icon, and lines as on a receipt."""

    heading: str
    text: str
    icon: str
    lines: tuple[tuple[str, str], ...] = ()


def words(result: Result, visitor: Visitor) -> Words:
    """What the page says in each state of a checkout."""
    plan = _plan_name(result)

    match result.state:
        case "active":
            return Words(
                _("You're on %(plan)s", plan=plan),
                _("Everything in it is ready to use."),
                "check",
                _lines(visitor),
            )
        case "trialing":
            return Words(
                _("Your %(plan)s trial has started", plan=plan),
                _("You haven't been charged."),
                "check",
                _lines(visitor),
            )
        case "processing":
            return Words(
                _("Your payment is processing"),
                _(
                    "Bank debits take up to 5 days. %(plan)s starts when the money arrives, and "
                    "we'll e-mail you then. You can close this page.",
                    plan=plan,
                ),
                "clock",
            )
        case "updating":
            return Words(
                _("Updating your plan"),
                _("Payment received. We're updating your plan; this usually takes a few seconds."),
                "clock",
            )
        case "unpaid":
            return Words(
                _("The payment didn't go through"),
                _("%(plan)s hasn't started, and you weren't charged.", plan=plan),
                "alert",
            )
        case "expired":
            return Words(
                _("This checkout has expired"),
                _("You weren't charged. Choose a plan to start again."),
                "alert",
            )
        case "open":
            return Words(
                _("Checkout isn't finished"),
                _("You haven't been charged. You can pick it up where you left it."),
                "clock",
            )


def toast(result: Result, visitor: Visitor) -> str:
    """The note shown once when a plan has started."""
    plan = _plan_name(result)

    if result.state == "trialing":
        return _("Your %(plan)s trial has started.", plan=plan)

    if visitor.customer.email is None:
        return _("You're on %(plan)s.", plan=plan)

    return _(
        "You're on %(plan)s. Receipt sent to %(email)s.", plan=plan, email=visitor.customer.email
    )


def _lines(visitor: Visitor) -> tuple[tuple[str, str], ...]:
    """Price, what happens next, and where the receipt goes."""
    if visitor.live is None:
        return ()

    facts = plan_facts.facts(visitor, None)
    price = None if facts.price is None else f"{facts.price} {facts.interval}"
    next_at = None if facts.next_at is None else formatting.day(facts.next_at)
    lines = (
        (_("Price"), price),
        (facts.next_label, next_at),
        (_("Receipts go to"), visitor.customer.email),
    )
    return tuple((label, text) for label, text in lines if label and text)


def _plan_name(result: Result) -> str:
    return result.plan.name if result.plan is not None else _("Your plan")
