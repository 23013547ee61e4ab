"""The pages' own files."""

from functools import cache
from importlib.resources import files

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine_room import EngineRoom

_TYPES = {"sandbox.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


def serve(room: EngineRoom, request: Request, name: str) -> Response:
    """One of the few files there are."""
    if name not in _TYPES:
        raise NotFound
    response = Response(_content(name), content_type=_TYPES[name])
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def _content(name: str) -> bytes:
    return (files("flask_billing.sandbox") / "static" / name).read_bytes()
