"""Our rows beside what Stripe has: where they differ it is told, and repaired by the same sync.

A webhook that was lost, a change made while the app was down, a row somebody edited: none of
them stays. Money is never moved here.
"""

from __future__ import annotations

from .drift import Drift, Report
from .walk import reconcile_all, reconcile_changed, reconcile_customer

__all__ = ["Drift", "Report", "reconcile_all", "reconcile_changed", "reconcile_customer"]
