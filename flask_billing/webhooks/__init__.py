"""Deliveries from Stripe: verified, kept, processed. :mod:`.handlers` is the table of contents."""

from .inbox import Outcome, process, receive, retry_dead, retry_due
from .verify import verified

__all__ = ["Outcome", "process", "receive", "retry_dead", "retry_due", "verified"]
