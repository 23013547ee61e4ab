"""Stripe's API answered from memory at the SDK's HTTP client.

Used by every contender, in its own environment and with its own version of the SDK, so it
imports nothing but the standard library and ``stripe``. The time spent in here is counted
apart, because it stands for a network that would cost everybody the same.
"""

from __future__ import annotations

import json
import time
import typing as t
from urllib.parse import parse_qsl, urlsplit

import stripe

Object = dict[str, t.Any]


class MemoryStripe(stripe.HTTPClient):
    """Answers reads of the objects it was given, with expansion."""

    name = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Object] = {}
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.calls = 0

    def keep(self, found: Object) -> None:
        """Answer with this object from now on."""
        self.objects[found["id"]] = found

    def request(  # type: ignore[no-untyped-def]
        self, method, url, headers, post_data=None, **options: object
    ) -> tuple[str, int, dict[str, str]]:
        """What the SDK calls for each request."""
        began, cpu_began = time.perf_counter(), time.process_time()
        self.calls += 1
        body, status = self._answer(method, url)
        self.seconds += time.perf_counter() - began
        self.cpu_seconds += time.process_time() - cpu_began
        return body, status, {"Request-Id": "req_memory"}

    def _answer(self, method: str, url: str) -> tuple[str, int]:
        parts = urlsplit(url)

        if parts.path.endswith("/features"):
            return json.dumps({"object": "list", "data": [], "has_more": False}), 200

        object_id = parts.path.rsplit("/", 1)[-1]
        found = self.objects.get("acct_benchmark" if object_id == "account" else object_id)

        if method.lower() != "get" or found is None:
            message = f"No such object: {method} {parts.path}"
            error = {"type": "invalid_request_error", "code": "resource_missing"}
            return json.dumps({"error": {**error, "message": message}}), 404

        answer = json.loads(json.dumps(found))

        for name, path in parse_qsl(parts.query):
            if name.startswith("expand"):
                self._expand(answer, path.split("."))

        return json.dumps(answer), 200

    def _expand(self, holder: t.Any, path: list[str]) -> None:
        if isinstance(holder, list):
            for entry in holder:
                self._expand(entry, path)
        elif isinstance(holder, dict) and holder.get(path[0]) is not None:
            if isinstance(holder[path[0]], str):
                holder[path[0]] = json.loads(json.dumps(self.objects[holder[path[0]]]))

            if path[1:]:
                self._expand(holder[path[0]], path[1:])
