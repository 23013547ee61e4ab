"""A recorded answer beside ours: every field, its type and its value."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from .cassettes import Body
from .ids import Ids, is_id, may_be_id

#: Both sandboxes ran on the same clock; Stripe took its time to answer.
TOLERANCE = 60
_TIMES = range(1_000_000_000, 5_000_000_000)
#: Drawn anew for every payment.
_OPAQUE = {"authorization_code", "network_transaction_id", "receipt_number"}

#: Where Stripe shows something itself; other addresses are the caller's, and compared.
_HOSTED = re.compile(r"https://([a-z]+\.)*stripe\.com/|http://localhost/sandbox/")

Kind = t.Literal["status", "missing", "extra", "type", "value", "length"]


@dataclass(frozen=True)
class Difference:
    """One field that is not as recorded.

    ``path`` starts at the nearest Stripe object: ``invoice.lines.data[].amount`` wherever the
    invoice was met.
    """

    exchange: str
    endpoint: str
    api_version: str
    path: str
    kind: Kind
    theirs: t.Any = None
    ours: t.Any = None

    def __str__(self) -> str:
        said = {
            "missing": f"is missing, recorded as {self.theirs!r}",
            "extra": f"was not recorded, ours is {self.ours!r}",
        }.get(self.kind, f"is {self.ours!r}, recorded as {self.theirs!r}")
        return f"{self.exchange} ({self.endpoint}): {self.path} {said}"


@dataclass
class Comparison:
    """Compares the answers of one request and counts."""

    ids: Ids
    exchange: str
    endpoint: str
    api_version: str
    fields: int = 0
    found: list[Difference] = field(default_factory=list)

    def answers(self, status: tuple[int, int], theirs: Body, ours: Body) -> None:
        """Compare status and body; a body that belongs to another status says only why."""
        self.fields += 1
        if status[0] != status[1]:
            told = ours.get("error", {}).get("message") if status[1] >= 400 else ours.get("id")
            self._differ("answer", "status", status[0], f"{status[1]}: {told}")
            return
        self._node(theirs, ours, "answer", "")

    def _differ(self, path: str, kind: Kind, theirs: t.Any, ours: t.Any) -> None:
        self.found.append(
            Difference(self.exchange, self.endpoint, self.api_version, path, kind, theirs, ours)
        )

    def _node(self, theirs: t.Any, ours: t.Any, path: str, key: str) -> None:
        if isinstance(theirs, dict) and isinstance(ours, dict):
            self._objects(theirs, ours, path)
        elif isinstance(theirs, list) and isinstance(ours, list):
            self._lists(theirs, ours, path, key)
        else:
            self.fields += 1
            kind = self._judged(theirs, ours, key)
            if kind is not None:
                self._differ(path, kind, theirs, ours)

    def _objects(self, theirs: Body, ours: Body, path: str) -> None:
        name = theirs.get("object")
        if isinstance(name, str) and name != "list":
            path = name
        for key in sorted(theirs.keys() | ours.keys()):
            where = f"{path}.{key}"
            if key not in ours:
                self.fields += 1
                self._differ(where, "missing", theirs[key], None)
            elif key not in theirs:
                self.fields += 1
                self._differ(where, "extra", None, ours[key])
            else:
                self._node(theirs[key], ours[key], where, key)

    def _lists(self, theirs: list[t.Any], ours: list[t.Any], path: str, key: str) -> None:
        if len(theirs) != len(ours) or not theirs:
            self.fields += 1
        if len(theirs) != len(ours):
            self._differ(path, "length", theirs, ours)
            return
        for pair in zip(theirs, ours, strict=True):
            self._node(*pair, f"{path}[]", key)

    def _judged(self, theirs: t.Any, ours: t.Any, key: str) -> Kind | None:
        """What is wrong with a value, if anything is."""
        if type_of(theirs) != type_of(ours):
            return "type"
        if isinstance(theirs, str):
            return None if self._same_text(theirs, ours, key) else "value"
        if isinstance(theirs, int) and theirs in _TIMES:
            return None if abs(theirs - ours) <= TOLERANCE else "value"
        return None if theirs == ours else "value"

    def _same_text(self, theirs: str, ours: str, key: str) -> bool:
        if may_be_id(key, theirs):
            prefix = theirs.rpartition("_")[0] if is_id(theirs) else ""
            return ours.startswith(prefix) and self.ids.learn(theirs, ours)
        if theirs == ours or key in _OPAQUE:
            return True
        if _HOSTED.match(theirs) and ours.startswith("http"):
            return True
        if "_secret_" in theirs:
            theirs, ours = theirs.partition("_secret_")[0], ours.partition("_secret_")[0]
        return self.ids.neutral(theirs, recorded=True) == self.ids.neutral(ours, recorded=False)


def type_of(value: t.Any) -> str:
    """The JSON type of a value."""
    if value is None or isinstance(value, bool | str):
        return type(value).__name__
    return "number" if isinstance(value, int | float) else type(value).__name__
