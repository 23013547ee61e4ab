"""What waits until the host's transaction is over, however that ends."""

from __future__ import annotations

import collections.abc as c
import typing as t

from flask import g

from .state import BillingState, state

Action = c.Callable[[], None]

#: Attribute of ``g`` with the actions.
_WAITING: t.Final = "billing_afterwards"


def install(current: BillingState) -> None:
    """Let actions run once the app's contexts have nothing open in ``db.session`` any more."""
    # Those that come first run last: the session is committed or gone by then.
    current.app.teardown_appcontext_funcs.insert(0, _run)


def afterwards(action: Action) -> None:
    """Run an action when the app context ends."""
    g.setdefault(_WAITING, []).append(action)


def _run(_error: BaseException | None) -> None:
    waiting: list[Action] = g.pop(_WAITING, [])

    if not waiting:
        return

    try:
        for action in waiting:
            action()
    finally:
        state().db.session.remove()
