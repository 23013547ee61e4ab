"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .decision import Decision, Usage
from .dimensions import Dimensions
from .queries import plan_in_force, usage, usages
from .refusal import QuotaExceeded

__all__ = [
    "Decision",
    "Dimensions",
    "QuotaExceeded",
    "Usage",
    "check",
    "consume",
    "plan_in_force",
    "record",
    "refund",
    "usage",
    "usages",
]
