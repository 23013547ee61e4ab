"""Faults of the API itself, for tests of what an app does about them."""

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass
class Fault:
    """A rule that breaks the next requests to an endpoint.

    ``status`` None means that no answer comes at all (the connection breaks); ``after`` lets the
    work be done before the answer is lost.
    """

    method: str
    path: str
    times: int = 1
    status: int | None = 500
    after: bool = False

    def hits(self, method: str, path: str) -> bool:
        """Does this rule break that request? ``*`` and ``{id}`` stand for an id."""
        pattern = self.path.replace("{id}", "*").rstrip("/")
        same_length = pattern.count("/") == path.rstrip("/").count("/")
        return (
            self.times > 0
            and self.method in {"*", method}
            and same_length
            and fnmatchcase(path.rstrip("/"), pattern)
        )


class Faults:
    """What is broken right now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []
        self.outage = False
        self.delay = 0.0

    def add(self, fault: Fault) -> None:
        """Break the next requests this rule hits."""
        with self._lock:
            self._rules.append(fault)

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that hits this request, used up by one."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.hits(method, path):
                    rule.times -= 1
                    return rule
        return None

    def clear(self) -> None:
        """Repair everything."""
        with self._lock:
            self._rules.clear()
            self.outage = False
            self.delay = 0.0
