"""Closing an account: nothing is charged for the time to come, and nobody is named any more.

First what could still be charged is ended at Stripe, as Stripe lists it and not as our rows do.
Only when all of it is, names are taken out. Whoever deletes an owner deletes nothing before this
has returned.
"""

from __future__ import annotations

from .. import customers
from ..database import refuse_busy_session, update
from ..errors import NotSignedInError
from ..models import Customer
from ..owners import as_owner
from . import forgetting, stopping

ACTION = "Closing an account"

__all__ = ["close"]


def close(owner: object, *, bill_usage: bool = True) -> Customer | None:
    """End everything that could be charged, then forget who the owner was.

    Invoices stay, and so does the customer at Stripe. It may be called again, after a failure
    or for no reason.

    :param owner: an :class:`.Owner`, or any object its adapter understands.
    :param bill_usage: whether what they used so far beyond a plan that runs is charged, where a
        metered price bills it, by a last invoice within hours. False forgives it.
    :returns: the closed customer; None where the owner never was one.
    :raises StripeError: where Stripe refused or did not answer. What was ended until then stays
        ended; nobody was forgotten. Call it again.
    :raises ChangeUnderWayError: where a payment is on its way. Call it again in a few minutes.
    :raises HostSessionBusyError: where ``db.session`` holds uncommitted writes on SQLite.
    """
    resolved = as_owner(owner)

    if resolved is None:
        raise NotSignedInError

    customer = customers.known_customer(resolved)

    if customer is None or customer.closed_at is not None:
        return customer

    refuse_busy_session(ACTION)
    stopping.stop(customer, ACTION, bill_usage=bill_usage)
    forgetting.forget(customer.id, ACTION)
    update(customer, *forgetting.BLANKED, "closed_at")
    return customer
