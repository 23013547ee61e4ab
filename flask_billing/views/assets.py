"""Stylesheet, scripts and icons, at addresses that change with their content."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from flask import Response, request, url_for

FOLDER = Path(__file__).parent.parent / "static"


def folder_url() -> str:
    """Where the static files are. To find that takes longer than all the rest of an address."""
    return url_for("billing.static", filename="")


def asset_url(folder: str, name: str) -> str:
    """Address of a static file; a new version of the file is a new address.

    :param folder: :func:`folder_url`.
    """
    return f"{folder}{name}?v={_version(name)}"


def cache(response: Response) -> Response:
    """Let browsers keep a file for good if it was asked for by its current version."""
    name = (request.view_args or {}).get("filename", "")

    if response.status_code in (200, 304) and request.args.get("v") == _version(name):
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"

    return response


@functools.lru_cache(maxsize=64)  # a path can be spelled in any number of ways
def _version(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
