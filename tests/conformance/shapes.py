"""Bodies without their requests: the shape of each kind of object and event beside ours.

Such a recording cannot be replayed. What it can tell is which fields an object of a kind has and
of which types they are; ours come from the replays and from the stories of `stories.py`.
"""

from __future__ import annotations

import collections.abc as c
import json
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from .cassettes import Body, objects_in
from .differences import Difference, type_of

#: Hashes whose names are the caller's or tell of one case.
_OPEN = {"metadata", "previous_attributes", "fraud_details", "currency_options"}

#: Updates that follow from what Stripe does, not from what a caller chose to change.
_OWN_UPDATES = {"invoice.updated", "charge.updated", "customer.subscription.updated"}


@dataclass
class Shape:
    """Which fields there are, and the types of their values."""

    fields: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    seen: int = 0

    def add(self, body: Body) -> None:
        """Note one more object of the kind."""
        self.seen += 1
        self._add(body, "", body)

    def _add(self, node: t.Any, path: str, whole: t.Any) -> None:
        if path:
            self.fields[path].add(type_of(node))
        if isinstance(node, dict):
            if node is not whole and isinstance(node.get("object"), str) and not _is_list(node):
                return
            for name, value in node.items():
                if name not in _OPEN:
                    self._add(value, f"{path}.{name}", whole)
        elif isinstance(node, list):
            for value in node:
                self._add(value, f"{path}[]", whole)

    def knows_inside(self, path: str) -> bool:
        """Was what holds this field ever there, to have fields at all?"""
        parent = path[: -len("[]")] if path.endswith("[]") else path.rpartition(".")[0]
        return not parent or bool(self.fields.get(parent, set()) & {"dict", "list"})


def _is_list(node: Body) -> bool:
    return bool(node["object"] == "list")


Shapes = dict[str, Shape]


def shapes_of(bodies: c.Iterable[Body]) -> Shapes:
    """The shape of every kind of object in these bodies; events by their type."""
    shapes: Shapes = defaultdict(Shape)
    for body in bodies:
        for found in objects_in(body):
            if not found.get("deleted"):
                shapes[kind_of(found)].add(found)
    return shapes


def kind_of(found: Body) -> str:
    """``invoice``, or ``event.invoice.paid``; with what was updated where Stripe itself did it."""
    if found["object"] != "event":
        return str(found["object"])
    previous = found["data"].get("previous_attributes")
    told = previous and (found["type"] in _OWN_UPDATES or set(previous) == {"currency"})
    return f"event.{found['type']}" + (f"({', '.join(sorted(previous))})" if told else "")


def recorded_bodies(folder: Path) -> list[tuple[str, Body]]:
    """The bodies in a folder, named by their files."""
    return [(file.name, json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def version_of(bodies: c.Iterable[tuple[str, Body]]) -> str:
    """The API version of a folder, as its events tell."""
    for _, body in bodies:
        for found in objects_in(body):
            if found["object"] == "event" and found.get("api_version"):
                return str(found["api_version"])
    return ""


def compare_shapes(folder: Path, theirs: Shapes, ours: Shapes, version: str) -> ShapeComparison:
    """Every kind that was recorded beside ours."""
    result = ShapeComparison(folder.name, version)
    for kind, shape in sorted(theirs.items()):
        result.kind(kind, shape, ours.get(kind))
    return result


@dataclass
class ShapeComparison:
    """Counts fields and keeps what differs."""

    folder: str
    version: str
    fields: int = 0
    found: list[Difference] = field(default_factory=list)

    def kind(self, kind: str, theirs: Shape, ours: Shape | None) -> None:
        """Compare one kind of object."""
        if ours is None:
            self.fields += 1
            self._differ(kind, "missing", f"{theirs.seen} recorded", None)
            return
        for path in sorted(theirs.fields.keys() | ours.fields.keys()):
            self._field(kind, path, theirs, ours)

    def _field(self, kind: str, path: str, theirs: Shape, ours: Shape) -> None:
        """A field that only one knows, unless the other never showed what would hold it."""
        told, made = theirs.fields.get(path), ours.fields.get(path)
        if told is None or made is None:
            if (theirs if told is None else ours).knows_inside(path) and not path.endswith("[]"):
                self.fields += 1
                kinds = ("missing", "extra")
                self._differ(f"{kind}{path}", kinds[told is None], _said(told), _said(made))
            return
        self.fields += 1
        if told - {"NoneType"} and made - {"NoneType"} and not told & made - {"NoneType"}:
            self._differ(f"{kind}{path}", "type", _said(told), _said(made))

    def _differ(self, path: str, kind: t.Any, theirs: t.Any, ours: t.Any) -> None:
        self.found.append(Difference(self.folder, "shape", self.version, path, kind, theirs, ours))


def _said(types: set[str] | None) -> str | None:
    return " or ".join(sorted(types)) if types else None
