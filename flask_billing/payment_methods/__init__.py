"""The cards and accounts a customer is charged on: add, make the default, remove."""

from __future__ import annotations

from .abandoned import prune_abandoned
from .adding import Added, add_setup_intent, finish_adding, settle_session, settle_setup
from .expiring import announce_expiring
from .intents import AT_ONCE, finish_open
from .refreshing import refresh
from .removing import remove
from .standard import make_default
from .wallet import Wallet, expires_at, expires_soon, has_expired, wallet_of

__all__ = [
    "AT_ONCE",
    "Added",
    "Wallet",
    "add_setup_intent",
    "announce_expiring",
    "expires_at",
    "expires_soon",
    "finish_adding",
    "finish_open",
    "has_expired",
    "make_default",
    "prune_abandoned",
    "refresh",
    "remove",
    "settle_session",
    "settle_setup",
    "wallet_of",
]
