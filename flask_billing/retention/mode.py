"""Whether and when a customer who is leaving may be shown an offer."""

from __future__ import annotations

import logging
import typing as t

from ..models import Customer
from ..state import state

log = logging.getLogger("flask_billing.retention")

#: "inline" beside the way out, "after" once the plan is cancelled and only if asked for, "off"
#: never.
Mode = t.Literal["inline", "after", "off"]
MODES: t.Final[tuple[Mode, ...]] = t.get_args(Mode)

#: Where consumers who cancel must not be shown an offer. "us" is a state we were not told, which
#: may be one of them.
NOT_WHILE_CANCELLING: t.Final = frozenset(["us", "us-mn"])


def mode_of(customer: Customer) -> Mode:
    """When this customer may be shown an offer.

    The host's ``retention_mode`` hook decides. Without one it follows from ``is_consumer`` and
    ``jurisdiction``, and what those do not tell is taken as the strictest: a consumer, in
    Minnesota, who may be asked after the cancellation and not before. A hook that fails is
    logged and means "off": it must not stand in the way out.
    """
    try:
        chosen = _chosen(customer)
    except Exception:  # a host's hook may raise anything
        log.exception("A hook failed to tell the retention mode, so no offer is shown")
        return "off"

    if chosen not in MODES:
        log.error(
            "The retention_mode hook returned %r, so no offer is shown. Return one of %s.",
            chosen,
            ", ".join(map(repr, MODES)),
        )
        return "off"

    return chosen


def _chosen(customer: Customer) -> str:
    hook = state().hooks.retention_mode
    return _by_law(customer) if hook is None else hook(customer)


def _by_law(customer: Customer) -> Mode:
    hooks = state().hooks

    if hooks.is_consumer is not None and not hooks.is_consumer(customer):
        return "inline"

    law = hooks.jurisdiction(customer) if hooks.jurisdiction is not None else None
    place = (law or "").strip().lower().replace("_", "-")
    return "after" if not place or place in NOT_WHILE_CANCELLING else "inline"
