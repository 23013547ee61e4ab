"""Faults of the API itself, for tests of what an app does about them."""

import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase

from flask_billing.sandbox.errors import ApiError

_CODES = {429: "rate_limit", 409: "lock_timeout", 402: "card_declined"}


@dataclass
class Fault:
    """A rule that breaks the next requests to an endpoint.

    ``status`` None means that no answer comes at all (the connection breaks), 0 that nothing breaks
    and the answer only comes ``delay`` seconds late; ``after`` lets the work be done before the
    answer is lost. The rest is said in the error; what is None fits the status.
    """

    method: str
    path: str
    times: int = 1
    status: int | None = 500
    after: bool = False
    delay: float = 0.0
    error_type: str | None = None
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    param: str | None = None

    def hits(self, method: str, path: str) -> bool:
        """Does this rule break that request? ``*`` and ``{id}`` stand for an id."""
        pattern = self.path.replace("{id}", "*").rstrip("/")
        if self.path == "*":
            return self.times > 0 and self.method in {"*", method}
        same_length = pattern.count("/") == path.rstrip("/").count("/")
        return (
            self.times > 0
            and self.method in {"*", method}
            and same_length
            and fnmatchcase(path.rstrip("/"), pattern)
        )

    def error(self, status: int) -> ApiError:
        """What the API answers instead, with the given status if the fault has none."""
        types = {429: "invalid_request_error", 402: "card_error"}
        usual = "An unknown error occurred" if status >= 500 else "The sandbox was told to fail."
        return ApiError(
            status,
            self.message or usual,
            error_type=self.error_type
            or types.get(status, "api_error" if status >= 500 else "invalid_request_error"),
            code=self.code or _CODES.get(status),
            param=self.param,
            more={"decline_code": self.decline_code} if self.decline_code else None,
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
