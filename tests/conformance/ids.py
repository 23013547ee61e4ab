"""Which of our ids stands for which recorded one: learned from the answers."""

from __future__ import annotations

import re
import typing as t

_ID = re.compile(r"\b((?:[a-z]{2,12}_){1,3})(?=[0-9A-Za-z]*[0-9A-Z])[0-9A-Za-z]{10,}\b")
_NUMBER = re.compile(r"\b[0-9A-Z]{8}-(?=\d{4}\b)")
#: Where an id of another form stands, such as a price called ``small-monthly``.
_REFERENCES = {"id", "price", "plan", "product", "coupon", "promotion_code", "default_price"}
#: Drawn by Stripe like an id: the same one always for the same thing.
_DRAWN = {"invoice_prefix", "fingerprint"}


def is_id(text: str) -> bool:
    """Does this look like an id of Stripe's own making?"""
    return _ID.fullmatch(text) is not None


def may_be_id(key: str, text: str) -> bool:
    """Is this an id, by its form or by where it stands?"""
    return is_id(text) or key in _REFERENCES or key in _DRAWN


class Ids:
    """Recorded ids and ours, one to one."""

    def __init__(self) -> None:
        self._ours: dict[str, str] = {}
        self._theirs: dict[str, str] = {}

    def learn(self, theirs: str, ours: str) -> bool:
        """Note that these two stand for the same thing; False if one stands for another."""
        if theirs in self._ours or ours in self._theirs:
            return self._ours.get(theirs) == ours
        self._ours[theirs], self._theirs[ours] = ours, theirs
        return True

    def knows(self, theirs: str) -> bool:
        """Was this recorded id seen before?"""
        return theirs in self._ours

    def ours(self, theirs: str) -> str:
        """Our id for a recorded one; an unknown one stays as it is."""
        return self._ours.get(theirs, theirs)

    def params(self, node: t.Any, key: str = "") -> t.Any:
        """Recorded parameters with our ids in them."""
        if isinstance(node, dict):
            return {name: self.params(value, name) for name, value in node.items()}
        if isinstance(node, list):
            return [self.params(value, key) for value in node]
        if isinstance(node, str) and (may_be_id(key, node) or (node in self._ours and is_id(node))):
            return self.ours(node)
        return node

    def path(self, path: str) -> str:
        """A recorded path with our ids in it."""
        return "/".join(self.ours(part) for part in path.split("/"))

    def neutral(self, text: str, *, recorded: bool) -> str:
        """A sentence with the ids in it replaced, so that both sides read the same."""
        known = self._ours if recorded else {}

        def replaced(match: re.Match[str]) -> str:
            ours = known.get(match[0], match[0])
            return ours if ours in self._theirs else f"{match[1]}…"

        return _NUMBER.sub("…-", _ID.sub(replaced, text))
