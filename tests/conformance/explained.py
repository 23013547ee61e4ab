"""Differences with a reason, from ``explained.toml``, and requests told in today's words."""

from __future__ import annotations

import fnmatch
import json
import tomllib
import typing as t
from dataclasses import dataclass, field
from pathlib import Path

from .cassettes import Body, Exchange
from .differences import Difference

_FILE = Path(__file__).with_name("explained.toml")


@dataclass(frozen=True)
class Rule:
    """Fields that may differ, and why.

    ``path`` is a pattern such as ``invoice.lines.data[].currency`` or ``*.customer_account``;
    ``kinds`` says how they may differ. ``before`` limits it to recordings at older API versions,
    ``endpoint`` to one endpoint; ``theirs`` and ``ours`` to these values, written as JSON.
    """

    path: str
    reason: str
    kinds: tuple[str, ...]
    before: str | None = None
    endpoint: str = "*"
    theirs: tuple[str, ...] | None = None
    ours: tuple[str, ...] | None = None

    def explains(self, difference: Difference) -> bool:
        """Is this the reason of that difference?"""
        return (
            difference.kind in self.kinds
            and (self.before is None or difference.api_version < self.before)
            and _matches(difference.path, self.path)
            and _matches(difference.endpoint, self.endpoint)
            and (self.theirs is None or json.dumps(difference.theirs) in self.theirs)
            and (self.ours is None or json.dumps(difference.ours) in self.ours)
        )


@dataclass(frozen=True)
class Translation:
    """A parameter that an older API version spelled otherwise, such as ``items.plan``.

    ``wrap`` puts the value into a hash under this name, a time as a timestamp; ``rename`` gives the
    parameter another name, ``values`` are the values' new names, ``drop`` leaves it out.
    """

    param: str
    endpoint: str
    before: str
    reason: str
    wrap: str | None = None
    rename: str | None = None
    values: t.Mapping[str, str] = field(default_factory=dict)
    drop: bool = False

    def applied(self, exchange: Exchange, params: Body) -> Body:
        """The parameters in today's words."""
        if exchange.api_version >= self.before or not _matches(exchange.endpoint, self.endpoint):
            return params
        return t.cast(Body, self._walked(params, self.param.split(".")))

    def _walked(self, node: t.Any, names: list[str]) -> t.Any:
        if isinstance(node, list):
            return [self._walked(entry, names) for entry in node]
        if not isinstance(node, dict) or names[0] not in node:
            return node
        node = dict(node)
        value = node.pop(names[0])
        if len(names) > 1:
            node[names[0]] = self._walked(value, names[1:])
        elif not self.drop:
            value = self.values.get(value, value) if isinstance(value, str) else value
            node[self.rename or names[0]] = self._wrapped(value) if self.wrap else value
        return node

    def _wrapped(self, value: t.Any) -> Body:
        if isinstance(value, str) and value.isdigit():
            return {str(self.wrap): "timestamp", "timestamp": value}
        return {str(self.wrap): value}


def _matches(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text, pattern.replace("[]", "[[]]"))


def read_rules(file: Path = _FILE) -> list[Rule]:
    """Every difference that has a reason."""
    return [
        Rule(
            path=path,
            reason=entry["reason"],
            kinds=tuple(entry["kinds"]),
            before=entry.get("before"),
            endpoint=entry.get("endpoint", "*"),
            theirs=tuple(entry["theirs"]) if "theirs" in entry else None,
            ours=tuple(entry["ours"]) if "ours" in entry else None,
        )
        for entry in tomllib.loads(file.read_text()).get("difference", [])
        for path in entry["paths"]
    ]


def read_translations(file: Path = _FILE) -> list[Translation]:
    """Every parameter that changed its form since the recordings."""
    return [Translation(**entry) for entry in tomllib.loads(file.read_text()).get("parameter", [])]
