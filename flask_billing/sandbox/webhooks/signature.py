"""Stripe's webhook signature."""

import hashlib
import hmac
from collections.abc import Iterable


def header(payload: bytes, secrets: Iterable[str], timestamp: int) -> str:
    """The ``Stripe-Signature`` of a payload: one ``v1`` for every active secret.

    ``timestamp`` is wall time: the receiver checks its age against the wall clock.
    """
    message = str(timestamp).encode() + b"." + payload
    signatures = [hmac.new(secret.encode(), message, hashlib.sha256) for secret in secrets]
    return ",".join([f"t={timestamp}", *(f"v1={one.hexdigest()}" for one in signatures)])
