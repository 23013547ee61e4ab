"""What a customer does with a plan: change it, cancel it, keep it, pause it."""

from __future__ import annotations

from .bank import WaitingPayment, last_change, waiting_payment
from .cancel import cancel, cancellation, close, explain, finish_closing, resume
from .change import change_plan
from .current import live_subscription
from .downgrade import downgrade
from .history import Entry, history
from .intents import finish_open
from .last_invoice import collect_due as collect_last_invoices
from .pause import pause, resumption, undo_pause, unpause
from .put_back import put_back
from .quote import Quote, quote_change
from .refusals import QuoteChangedError, SamePlanError
from .undo import undo_change

__all__ = [
    "Entry",
    "Quote",
    "QuoteChangedError",
    "SamePlanError",
    "WaitingPayment",
    "cancel",
    "cancellation",
    "change_plan",
    "close",
    "collect_last_invoices",
    "downgrade",
    "explain",
    "finish_closing",
    "finish_open",
    "history",
    "last_change",
    "live_subscription",
    "pause",
    "put_back",
    "quote_change",
    "resume",
    "resumption",
    "undo_change",
    "undo_pause",
    "unpause",
    "waiting_payment",
]
