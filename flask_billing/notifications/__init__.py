"""Mails to customers: rows of the outbox, written out and sent.

The row is written with the change that caused it (:mod:`flask_billing.outbox`); the text is made
when it leaves, by :mod:`.letters`, in the customer's language.
"""

from __future__ import annotations

from .leaving import send_waiting
from .letters import NAMES, Letter, letter_for
from .rendering import Rendered, render

__all__ = ["NAMES", "Letter", "Rendered", "letter_for", "render", "send_waiting"]
