"""One history, lived through once; every test gets a copy of it."""

from __future__ import annotations

import collections.abc as c
import os
import shutil
from pathlib import Path

import pytest

from example_app import create_app, live_sandbox

from .demo import Demo


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance folder after the first start, which found what a crashed one had left."""
    folder = tmp_path_factory.mktemp("linnet")
    left = folder / "seeding-crashed"
    left.mkdir()
    (left / "linnet.sqlite").write_text("half a database")
    os.utime(left, (0, 0))
    (folder / "stripe.sqlite").write_text("put in place, and then the lights went out")
    live_sandbox.close(create_app(folder, TESTING=True))
    return folder


@pytest.fixture
def demo(history: Path, tmp_path: Path) -> c.Iterator[Demo]:
    """The demo on a copy of its history."""
    folder = tmp_path / "instance"
    shutil.copytree(history, folder)
    demo = Demo(create_app(folder, TESTING=True), folder)
    yield demo
    live_sandbox.close(demo.app)
