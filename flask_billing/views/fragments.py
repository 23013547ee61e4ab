"""The answers of pages: whole or as a fragment, on to another address, never cached."""

from __future__ import annotations

from flask import Response, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ..negotiation import VARY, from_htmx, wants_fragment
from . import assets, host_layout
from .redirects import checked


def show(
    page: str, fragment: str | None = None, *, status: int = 200, **context: object
) -> Response:
    """Answer with the page, or with its fragment where only that is wanted."""
    template = fragment if fragment is not None and wants_fragment() else page
    html = render_template(template, **context)
    host_layout.check(template, html)
    return make_response(html, status)


def go(url: str) -> ResponseReturnValue:
    """Send the browser to another address: 303, or 204 with HX-Redirect.

    A script follows a 303 unseen: it fails at Stripe's address, and swaps a whole page of
    ours into a part of one.

    :raises UnsafeRedirectError: for an address that redirects must not lead to.
    """
    url = checked(url)

    if from_htmx():
        return Response(status=204, headers={"HX-Redirect": url})

    return redirect(url, 303)


def protect(response: Response) -> Response:
    """Keep answers about one customer out of every cache."""
    if (request.endpoint or "").endswith(".static"):
        return assets.cache(response)

    response.headers["Cache-Control"] = "private, no-store"

    if request.method != "POST":  # the answer to one is never taken for another's
        response.vary.update(VARY)

    return response
