"""Recorded requests and answers, as they lie in a folder."""

from __future__ import annotations

import collections.abc as c
import json
import os
import typing as t
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

Body = dict[str, t.Any]

DEFAULT_FOLDER = "../shared/recordings"


def recordings_folder() -> Path:
    """Where the recordings are, if they are here at all."""
    return Path(os.environ.get("BILLING_STRIPE_RECORDINGS", DEFAULT_FOLDER))


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its answer."""

    name: str
    method: str
    path: str
    params: Body
    status: int
    body: Body
    api_version: str
    recorded_at: datetime

    @property
    def endpoint(self) -> str:
        """Method and path with ``{id}`` where an id was: ``POST /v1/invoices/{id}/pay``."""
        return f"{self.method} {shape_of(self.path)}"


_NAMESPACES = {"billing", "billing_portal", "checkout", "entitlements", "test_helpers"}
_ACTIONS = {"create_preview", "search"}


def shape_of(path: str) -> str:
    """A path with ``{id}`` in place of ids: nouns and ids take turns."""
    shown: list[str] = []
    is_id = False
    for part in path.strip("/").split("/"):
        if part in {"v1", "v2"} or (part in _NAMESPACES and not is_id):
            shown.append(part)
            continue
        shown.append("{id}" if is_id and part not in _ACTIONS else part)
        is_id = not is_id
    return "/" + "/".join(shown)


@dataclass(frozen=True)
class Cassette:
    """A little story: requests in their order."""

    name: str
    exchanges: tuple[Exchange, ...]


def read_cassettes(folder: Path) -> list[Cassette]:
    """Every folder of numbered files under ``folder``, or under its ``pay``."""
    root = folder / "pay" if (folder / "pay").is_dir() else folder
    cassettes = []
    for path in sorted(root.iterdir()):
        files = sorted(path.glob("[0-9]*.json"), key=lambda file: int(file.stem))
        if files:
            exchanges = tuple(_exchange(path.name, file) for file in files)
            cassettes.append(Cassette(path.name, exchanges))
    return cassettes


def _exchange(cassette: str, file: Path) -> Exchange:
    recorded = json.loads(file.read_text())
    request, response, meta = recorded["request"], recorded["response"], recorded["meta"]
    return Exchange(
        name=f"{cassette}/{file.stem}",
        method=request["method"].upper(),
        path=request["path"],
        params=request.get("params") or {},
        status=response["status"],
        body=response["body"],
        api_version=meta["api_version"],
        recorded_at=parsedate_to_datetime(meta["recorded_at"]),
    )


def objects_in(node: t.Any) -> c.Iterator[Body]:
    """Every Stripe object in a body, the outer before the inner; lists are none."""
    if isinstance(node, dict):
        if isinstance(node.get("object"), str) and node["object"] != "list":
            yield node
        for value in node.values():
            yield from objects_in(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects_in(value)
