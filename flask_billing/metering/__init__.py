"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .decision import Decision, Usage
from .dimensions import Dimensions
from .grants import credits_of, grant_credits
from .history import UsageSum, history
from .queries import plan_in_force, usage, usages
from .refusal import QuotaExceeded
from .reservations import Reservation, expire_reservations, reserve
from .resets import reset_quota
from .rollover import mint_rollovers
from .streaming import MeteredStream, metered_stream
from .summary import CycleTotal, OwnerSummary, cycle_totals, summary

__all__ = [
    "CycleTotal",
    "Decision",
    "Dimensions",
    "MeteredStream",
    "OwnerSummary",
    "QuotaExceeded",
    "Reservation",
    "Usage",
    "UsageSum",
    "check",
    "consume",
    "credits_of",
    "cycle_totals",
    "expire_reservations",
    "grant_credits",
    "history",
    "metered_stream",
    "mint_rollovers",
    "plan_in_force",
    "record",
    "refund",
    "reserve",
    "reset_quota",
    "summary",
    "usage",
    "usages",
]
