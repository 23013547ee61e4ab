"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .corrections import correct
from .decision import Decision, Usage
from .dimensions import Dimensions
from .grants import credits_of, grant_credits
from .history import UsageSum, history
from .llm import record_llm
from .queries import plan_in_force, usage, usages
from .refusal import QuotaExceeded
from .reservations import Reservation, expire_reservations, reserve
from .resets import reset_quota
from .rollover import mint_rollovers
from .runs import RunSummary, run_summary
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
    "RunSummary",
    "Usage",
    "UsageSum",
    "check",
    "consume",
    "correct",
    "credits_of",
    "cycle_totals",
    "expire_reservations",
    "grant_credits",
    "history",
    "metered_stream",
    "mint_rollovers",
    "plan_in_force",
    "record",
    "record_llm",
    "refund",
    "reserve",
    "reset_quota",
    "run_summary",
    "summary",
    "usage",
    "usages",
]
