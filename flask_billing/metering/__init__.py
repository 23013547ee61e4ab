"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .decision import Decision, Usage
from .dimensions import Dimensions
from .grants import credits_of, grant_credits
from .queries import plan_in_force, usage, usages
from .refusal import QuotaExceeded
from .reservations import Reservation, expire_reservations, reserve
from .resets import reset_quota
from .rollover import mint_rollovers
from .streaming import MeteredStream, metered_stream

__all__ = [
    "Decision",
    "Dimensions",
    "MeteredStream",
    "QuotaExceeded",
    "Reservation",
    "Usage",
    "check",
    "consume",
    "credits_of",
    "expire_reservations",
    "grant_credits",
    "metered_stream",
    "mint_rollovers",
    "plan_in_force",
    "record",
    "refund",
    "reserve",
    "reset_quota",
    "usage",
    "usages",
]
