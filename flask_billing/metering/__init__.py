"""Usage and quotas: what is counted, against which limits, and what happens beyond them."""

from .booking import check, consume, record, refund
from .decision import Decision, Usage
from .dimensions import Dimensions
from .queries import usage, usages
from .refusal import QuotaExceeded

__all__ = [
    "Decision",
    "Dimensions",
    "QuotaExceeded",
    "Usage",
    "check",
    "consume",
    "record",
    "refund",
    "usage",
    "usages",
]
