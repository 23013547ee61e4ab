"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .books import Books, reconcile_usage
from .bulk import Fact, Recorded, record_many
from .closing import close_all_ended, close_ended
from .corrections import correct
from .decision import Decision, Usage
from .dimensions import Dimensions
from .export import Exported, export_usage
from .export_late import LateUsage, late_usage, settle_late
from .grants import credits_of, grant_credits
from .history import By, UsageSum, history
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
    "Books",
    "By",
    "CycleTotal",
    "Decision",
    "Dimensions",
    "Exported",
    "Fact",
    "LateUsage",
    "MeteredStream",
    "OwnerSummary",
    "QuotaExceeded",
    "Recorded",
    "Reservation",
    "RunSummary",
    "Usage",
    "UsageSum",
    "check",
    "close_all_ended",
    "close_ended",
    "consume",
    "correct",
    "credits_of",
    "cycle_totals",
    "expire_reservations",
    "export_usage",
    "grant_credits",
    "history",
    "late_usage",
    "metered_stream",
    "mint_rollovers",
    "plan_in_force",
    "reconcile_usage",
    "record",
    "record_llm",
    "record_many",
    "refund",
    "reserve",
    "reset_quota",
    "run_summary",
    "settle_late",
    "summary",
    "usage",
    "usages",
]
