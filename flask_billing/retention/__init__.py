"""What a host may do to keep a customer who is leaving: ask why, offer something, learn from it.

Offers come from the catalog and stand beside the way out, never before it. docs/retention.md.
"""

from __future__ import annotations

from .acceptance import accept, accepted, decline, finish_open, is_recorded
from .mode import Mode, mode_of
from .offers import Offered, offers_for
from .outcomes import judge_due
from .survey import close_abandoned
from .terms import Terms

__all__ = [
    "Mode",
    "Offered",
    "Terms",
    "accept",
    "accepted",
    "close_abandoned",
    "decline",
    "finish_open",
    "is_recorded",
    "judge_due",
    "mode_of",
    "offers_for",
]
