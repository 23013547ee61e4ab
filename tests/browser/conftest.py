"""A real browser on a real server: both are started once and given back."""

from __future__ import annotations

import collections.abc as c
import contextlib
import os
import shutil
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, expect, sync_playwright
from werkzeug.serving import make_server

from ..conftest import unavailable
from ..host import Host

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)

#: How long a page may take for anything. It is waited for, so a quick one takes no longer.
PATIENCE_MS = 60_000

#: What the browser is called, as in tests/ensure_browser.sh.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

Serve = c.Callable[[Host], str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that ``-m "not browser"`` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> c.Iterator[Browser]:
    """The installed Chromium, or playwright's own."""
    installed = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(
                executable_path=installed, args=ARGUMENTS, timeout=2 * PATIENCE_MS
            )
        except Error:
            unavailable("Chromium")

        started.on("context", _furnish)
        expect.set_options(timeout=PATIENCE_MS)
        yield started
        started.close()


def _furnish(context: BrowserContext) -> None:
    context.set_default_timeout(PATIENCE_MS)
    close = context.close

    def leave(*, reason: str | None = None) -> None:
        """Close it, first ending what is on its way: Chromium may wait for that for ever."""
        for page in context.pages:
            with contextlib.suppress(Error):
                page.goto("about:blank")

        close(reason=reason)

    context.close = leave  # type: ignore[method-assign]


@pytest.fixture
def serve() -> c.Iterator[Serve]:
    """Serves a host app on a free port of this machine; gives its address."""
    running: list[tuple[object, threading.Thread]] = []

    def start(host: Host) -> str:
        server = make_server("127.0.0.1", 0, host.app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start

    for server, thread in running:
        server.shutdown()  # type: ignore[attr-defined]
        thread.join()
        server.server_close()  # type: ignore[attr-defined]
