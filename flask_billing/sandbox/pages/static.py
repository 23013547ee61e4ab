"""The pages' own files."""

from functools import cache
from importlib.resources import files

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine_room import EngineRoom

_TYPES = {"sandbox.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_SCRIPT = "text/javascript; charset=utf-8"


def serve(room: EngineRoom, request: Request, name: str) -> Response:
    """One of the few files there are."""
    if name not in _TYPES:
        raise NotFound
    return _file(name, _TYPES[name])


def stripe_js(room: EngineRoom, request: Request) -> Response:
    """The stand-in for Stripe.js, where Stripe has it: below the name of the API's train."""
    return _file("stripe.js", _SCRIPT)


def _file(name: str, content_type: str) -> Response:
    response = Response(_content(name), content_type=content_type)
    response.headers["Cache-Control"] = "public, max-age=300"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def _content(name: str) -> bytes:
    return (files("flask_billing.sandbox") / "static" / name).read_bytes()
