"""Signing secrets of an endpoint: one, or two while one is being rolled."""

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.settings import DAY

LONGEST_OVERLAP = DAY


def first(secret: str | None = None) -> list[Body]:
    """What a new endpoint keeps of its secret."""
    return [{"secret": secret or new_id("whsec"), "expires": None}]


def active(endpoint: Body, now: int) -> list[str]:
    """The secrets that sign a delivery, the newest first."""
    return [
        entry["secret"]
        for entry in endpoint["_"]["secrets"]
        if entry["expires"] is None or entry["expires"] > now
    ]


def roll(endpoint: Body, now: int, overlap: int, secret: str | None = None) -> str:
    """Give an endpoint a new secret; the one before signs beside it for ``overlap`` seconds."""
    kept = [
        {**entry, "expires": min(entry["expires"] or now + overlap, now + overlap)}
        for entry in endpoint["_"]["secrets"]
        if entry["expires"] is None or entry["expires"] > now
    ]
    new = first(secret)
    endpoint["_"]["secrets"] = new + [entry for entry in kept if entry["expires"] > now]
    return str(new[0]["secret"])
