"""The kinds of changes there are, and who carries each out: the table of contents."""

from __future__ import annotations

import collections.abc as c
import importlib
import typing as t

from ..models import SubscriptionChange
from .calls import Calls, Outcome

Performer = c.Callable[[SubscriptionChange, Calls], Outcome]
Looker = c.Callable[[SubscriptionChange, Calls], Outcome | None]


class Kind(t.NamedTuple):
    """One kind of change.

    :param performer: ``module.function`` of this package; asks Stripe for it. It may be called
        again after a crash, so it looks before it does what is done already.
    :param charges: whether money moves at once. Such a change is never carried out later by a
        job, when nobody waits for it any more.
    :param look: ``module.function`` that tells what became of one that charges, without asking
        for it; None of it is that it never happened.
    :param waits: whether it is recorded even while another change is on its way to Stripe.
    """

    performer: str
    charges: bool = False
    look: str | None = None
    waits: bool = False


KINDS: t.Final = {
    "cancel": Kind("cancel.end", waits=True),
    "resume": Kind("cancel.take_back"),
    "close": Kind("cancel.end_now"),
    "upgrade": Kind("charging.charge", charges=True, look="charging.look"),
    "end_trial": Kind("charging.charge", charges=True, look="charging.look"),
    "switch": Kind("trial.switch"),
    "downgrade": Kind("downgrade.at_period_end"),
    "undo_change": Kind("undo.take_back"),
    "pause": Kind("pause.begin"),
    "undo_pause": Kind("pause.take_back"),
    "unpause": Kind("pause.run_again", charges=True, look="pause.look"),
    "discount": Kind("discount.apply"),
    "extend_trial": Kind("trial_extension.extend"),
}


def performer(kind: str) -> Performer:
    """The function that asks Stripe for a change of that kind."""
    found: Performer = _find(KINDS[kind].performer)
    return found


def looker(kind: str) -> Looker | None:
    """The function that tells what became of a change of that kind, where it has one."""
    name = KINDS[kind].look
    found: Looker | None = None if name is None else _find(name)
    return found


def charges(kind: str) -> bool:
    """Whether a change of that kind moves money at once."""
    return KINDS[kind].charges


def waits(kind: str) -> bool:
    """Whether a change of that kind is recorded even while another one stands in its way."""
    return KINDS[kind].waits


def _find(name: str) -> t.Any:
    module, _, function = name.partition(".")
    return getattr(importlib.import_module(f".{module}", __package__), function)
