"""Reading usage: for pages, fragments and the API, in one query however much was used."""

from __future__ import annotations

from ..catalog import Plan
from ..models import Customer
from ..owners import id_of
from ..state import state
from . import charges, store
from .accounts import current_customer_id, current_member
from .answers import first_to_stop, usage_in
from .booking import seed_unopened
from .decision import Usage
from .inputs import find_meter
from .sheets import Sheet, sheet_for


def usage(meter: str, *, customer: Customer | None = None) -> Usage:
    """How much of a meter is used in its current period.

    Of several windows, the one that will stop use first: one that stops goes before one that goes
    on, and then the fullest. What Stripe would charge for the meter is told with it, whichever
    that is.

    :param customer: None is the signed-in owner's.
    :raises InvalidUsageError: for an unknown meter.
    """
    current = state()
    found = find_meter(current, meter)
    sheet = _sheet(customer)
    slots = sheet.for_meter(found, sheet.now(meter), current_member(current, customer))
    seed_unopened(current, sheet, slots, current_member(current, customer))
    usage = usage_in(current, slots, first_to_stop(slots))
    return charges.with_estimate(usage, charges.estimates(current, sheet, [meter]))


def usages(customer: Customer | None = None, *, fresh: bool = True) -> list[Usage]:
    """Usage of every meter of the catalog, in its order, and in every window a limit has.

    What Stripe would charge is told with the limit beyond which it does.

    :param customer: None is the signed-in owner's.
    :param fresh: False takes what was read a moment ago, for who asks only about the periods.
    """
    current = state()
    sheet = _sheet(customer, fresh=fresh)
    member = current_member(current, customer)
    found = []

    for meter in current.catalog.meters:
        slots = sheet.for_meter(meter, sheet.now(meter.key), member)
        seed_unopened(current, sheet, slots, member)
        found += [usage_in(current, slots, slot) for slot in slots.in_force]

    billed = [usage.meter for usage in found if charges.is_overage(usage)] if fresh else []
    estimates = charges.estimates(current, sheet, billed)
    return [
        charges.with_estimate(usage, estimates) if charges.is_overage(usage) else usage
        for usage in found
    ]


def plan_in_force(customer: Customer) -> Plan | None:
    """The plan whose limits hold; from memory where usage was read a moment ago."""
    current = state()
    sheet = store.persistently(current, lambda: sheet_for(current, id_of(customer)))
    return current.catalog.plan(sheet.snapshot.facts.plan)


def _sheet(customer: Customer | None, *, fresh: bool = True) -> Sheet:
    current = state()
    customer_id = id_of(customer) if customer is not None else current_customer_id(current)
    return store.persistently(current, lambda: sheet_for(current, customer_id, fresh=fresh))
