"""Requests as they are on the wire, to a sandbox's WSGI application."""

from __future__ import annotations

import collections.abc as c
import json
import typing as t
from urllib.parse import urlencode

from werkzeug.test import Client

from flask_billing.sandbox import Sandbox

from .cassettes import Body


class Wire:
    """Sends forms and query strings to a sandbox and reads its JSON."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._client = Client(sandbox.wsgi_app)
        self._headers = {"Authorization": f"Bearer {sandbox.api_key}"}

    def send(self, method: str, path: str, params: Body) -> tuple[int, Body]:
        """One request; parameters go into the query of GET and DELETE, else into the form."""
        form = urlencode(list(pairs_of(params)))
        in_query = method in {"GET", "DELETE"}
        response = self._client.open(
            path,
            method=method,
            headers=self._headers,
            query_string=form if in_query else None,
            data=None if in_query else form,
            content_type="application/x-www-form-urlencoded",
        )
        return response.status_code, t.cast(Body, json.loads(response.get_data()))


def pairs_of(params: Body) -> c.Iterator[tuple[str, str]]:
    """``items[0][price]=...`` for nested parameters."""
    for name, value in params.items():
        yield from _pairs(name, value)


def _pairs(name: str, value: t.Any) -> c.Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _pairs(f"{name}[{key}]", entry)
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from _pairs(f"{name}[{index}]", entry)
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif value is not None:
        yield name, str(value)
