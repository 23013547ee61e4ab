"""What form of answer a request wants: JSON, a page, or a fragment for htmx.

The rule reads the headers of htmx 4 and 2 alike.
"""

from __future__ import annotations

import typing as t

from flask import request

#: The request headers an answer in several forms depends on.
VARY: t.Final = (
    "HX-Request",
    "HX-Boosted",
    "HX-Request-Type",
    "HX-History-Restore-Request",
)


def from_htmx() -> bool:
    """Whether htmx sent this request, whatever it will do with the answer."""
    return request.headers.get("HX-Request") == "true"


def wants_fragment() -> bool:
    """Whether the answer is put into a part of the page rather than shown as one."""
    return (
        from_htmx()
        and request.headers.get("HX-Boosted") != "true"
        and request.headers.get("HX-History-Restore-Request") != "true"
        and request.headers.get("HX-Request-Type") != "full"
    )


def wants_json() -> bool:
    """Whether a program asks: it sends JSON, or does not name HTML as something it reads."""
    if from_htmx():
        return False

    named = [value for value, _quality in request.accept_mimetypes]
    return request.is_json or not any("html" in value for value in named)
