"""What a plan that was cancelled still charges, as pages and mails promise it."""

from __future__ import annotations

from ..state import state
from ..translation import gettext as _


def last_charge(plan: str | None, *, trial: bool = False) -> str:
    """The promise about a plan that runs until its period ends.

    Usage that a metered price bills is charged with the end, but for that of a trial.

    :param plan: None for one that ends at once, of which nothing is charged any more.
    """
    if trial:
        return _("You won't be charged.")

    if _bills_usage(plan):
        return _("You won't be charged again, but for what you use beyond the plan until then.")

    return _("You won't be charged again.")


def after_the_end(plan: str | None) -> str:
    """The promise about a plan whose period has ended, of which the last invoice is made now."""
    if _bills_usage(plan):
        return _(
            "What you used beyond the plan until then is charged, and after that you won't be "
            "charged again."
        )

    return _("You won't be charged again.")


def _bills_usage(plan: str | None) -> bool:
    found = state().catalog.plan(plan)
    return found is not None and any(price.metered for price in found.prices)
