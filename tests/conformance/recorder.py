"""Cassettes of the sandbox's own, written as `docs/contributing.md` describes them."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from flask_billing.sandbox import Sandbox

from .report import replay_folder
from .stories import NOW
from .wire import Wire

VERSION = "2026-10-28.endive"

Recorded = dict[str, t.Any]


class Recorder:
    """Sends requests and keeps them with their answers."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._wire = Wire(sandbox)
        self.exchanges: list[Recorded] = []

    def post(self, path: str, **params: object) -> Recorded:
        """One POST."""
        return self.send("POST", path, **params)

    def get(self, path: str, **params: object) -> Recorded:
        """One GET."""
        return self.send("GET", path, **params)

    def send(self, method: str, path: str, **params: object) -> Recorded:
        """One request."""
        status, body = self._wire.send(method, path, params)
        at = NOW.strftime("%a, %d %b %Y %H:%M:%S GMT")
        self.exchanges.append(
            {
                "request": {"method": method, "path": path, "params": params},
                "response": {"status": status, "body": body},
                "meta": {"api_version": VERSION, "recorded_at": at},
            }
        )
        return body


def differences(folder: Path, exchanges: list[Recorded], first: int = 1) -> list[str]:
    """Replay exchanges from a folder, numbered from ``first``: what is not explained."""
    cassette = folder / "cassette"
    cassette.mkdir()
    for number, exchange in enumerate(exchanges, first):
        (cassette / f"{number}.json").write_text(json.dumps(exchange))
    report = replay_folder(folder)
    assert report.requests == len(exchanges)
    return [f"{found.path} {found.kind}" for found in report.unexplained]
