"""Every answer of every sandbox of a test, and every event, held against the SDK's classes."""

from __future__ import annotations

import collections.abc as c
import json
import logging
import typing as t

import pytest

from flask_billing.sandbox import Sandbox, api
from flask_billing.sandbox.front import Front

from . import shapes

#: Runs of thousands of subscribers repeat themselves; so many events tell all there is to tell.
EVENTS = 1_000


def watched(monkeypatch: pytest.MonkeyPatch) -> c.Iterator[dict[str, None]]:
    """Let a test fail that met an answer of a wrong shape, or a defect of the sandbox.

    Yields what was wrong so far; a test that wants it to be wrong clears it.
    """
    wrong: dict[str, None] = {}
    answer, close = Front.__call__, Sandbox.close

    def note(lines: c.Iterable[str], of: str) -> None:
        wrong.update(dict.fromkeys(f"{of}: {line}" for line in lines))

    def call(front: Front, environ: t.Any, start_response: t.Any) -> c.Iterable[bytes]:
        chunks = list(answer(front, environ, start_response))

        if environ["PATH_INFO"].startswith(("/v1/", "/v2/")):
            body = json.loads(b"".join(chunks))
            note(shapes.wrong_in(body), f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")

        return chunks

    def last_look(sandbox: Sandbox) -> None:
        for event in sandbox.events()[-EVENTS:]:
            note(shapes.wrong_in_event(event), "event")

        close(sandbox)

    class Defects(logging.Handler):
        """Hears of the answers that the sandbox failed to give."""

        def emit(self, record: logging.LogRecord) -> None:
            note([record.exc_text or self.format(record)], "defect")

    defects = Defects(logging.ERROR)
    api.logger.addHandler(defects)
    monkeypatch.setattr(Front, "__call__", call)
    monkeypatch.setattr(Sandbox, "close", last_look)
    try:
        yield wrong
    finally:
        api.logger.removeHandler(defects)
    assert not wrong, "answers that are not as the SDK's classes say:\n" + "\n".join(wrong)
