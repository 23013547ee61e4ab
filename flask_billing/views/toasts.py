"""Short notes that outlive one redirect: kept in the session, shown once."""

from __future__ import annotations

import typing as t

from flask import session

from .visitor import owner_mark

KEY: t.Final = "billing_toasts"

Kind = t.Literal["success", "info", "error"]


class Toast(t.TypedDict):
    """One note. An error stays until it is dismissed."""

    kind: Kind
    text: str


class _Kept(Toast):
    """One note that waits, and for whom: another who signs in may find the session as it is."""

    owner: str | None


def push(kind: Kind, text: str) -> None:
    """Show a note on the next page that has a place for it, ours or the host's."""
    kept = _Kept(kind=kind, text=text, owner=owner_mark())
    session[KEY] = [*session.get(KEY, []), kept]


def take() -> list[Toast]:
    """The notes that wait for who is signed in. All are gone then."""
    waiting: list[_Kept] = session.pop(KEY, [])
    now = owner_mark() if waiting else None
    return [
        Toast(kind=note["kind"], text=note["text"])
        for note in waiting
        if note.get("owner") in (None, now)
    ]
