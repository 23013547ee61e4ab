"""A customer's invoices: the history, the one to come, paying one, and its page at Stripe."""

from __future__ import annotations

from .history import Page, find, page
from .links import credit_note_pdf, hosted_page, pdf
from .payment import PAYABLE, Payment, confirmation, finish_open, pay
from .preview import Upcoming, UpcomingLine, upcoming

__all__ = [
    "PAYABLE",
    "Page",
    "Payment",
    "Upcoming",
    "UpcomingLine",
    "confirmation",
    "credit_note_pdf",
    "find",
    "finish_open",
    "hosted_page",
    "page",
    "pay",
    "pdf",
    "upcoming",
]
