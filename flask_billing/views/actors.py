"""Who is recorded as having asked for something."""

from __future__ import annotations

from ..owners import as_owner
from ..state import state


def actor() -> str:
    """The member, else the owner who is signed in, else just an admin."""
    hooks = state().hooks

    for loader in (hooks.member, hooks.owner):
        found = loader() if loader is not None else None

        if isinstance(found, str | int):
            return str(found)[:255]

        if found is not None and (owner := as_owner(found)) is not None:
            return (owner.email or f"{owner.type} {owner.id}")[:255]

    return "admin"
