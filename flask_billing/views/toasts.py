"""Short notes that outlive one redirect: kept in the session, shown once."""

from __future__ import annotations

import typing as t

from flask import session

KEY: t.Final = "billing_toasts"

Kind = t.Literal["success", "info", "error"]


class Toast(t.TypedDict):
    """One note. An error stays until it is dismissed."""

    kind: Kind
    text: str


def push(kind: Kind, text: str) -> None:
    """Show a note on the next page that has a place for it, ours or the host's."""
    session[KEY] = [*session.get(KEY, []), Toast(kind=kind, text=text)]


def take() -> list[Toast]:
    """The notes that wait, which are then gone."""
    waiting: list[Toast] = session.pop(KEY, [])
    return waiting
