"""A host of its own in a temporary folder: the README's app, tested as docs/sandbox.md shows."""

from __future__ import annotations

import collections.abc as c
import os
import re
import sys
import types
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

Run = c.Callable[..., pytest.RunResult]


def block(document: str, opening: str) -> str:
    """The first code block of a document that is opened so, as "python conftest.py"."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(rf"^```{re.escape(opening)}\n(.+?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert found is not None, f"{document} has no block {opening!r}"
    return found[1]


def edit_app(host: pytest.Pytester, old: str, new: str) -> None:
    """Change a word of the host's app."""
    app = host.path / "app.py"
    text = app.read_text()
    assert old in text
    app.write_text(text.replace(old, new))


@pytest.fixture
def loaded() -> c.Iterator[dict[str, types.ModuleType]]:
    """Modules that stay loaded: pytester unloads what came while it was there.

    The driver of the session's database was loaded twice then, with exceptions of two kinds.
    """
    modules: dict[str, types.ModuleType] = {}
    yield modules
    sys.modules.update(modules)


@pytest.fixture
def host(
    loaded: dict[str, types.ModuleType], pytester: pytest.Pytester
) -> c.Iterator[pytest.Pytester]:
    """The app of the README with the conftest of the docs."""
    pytester.path.joinpath("billing.toml").write_text(block("README.md", "toml"))
    pytester.makepyfile(
        app=block("README.md", "python"), conftest=block("docs/sandbox.md", "python conftest.py")
    )
    yield pytester
    loaded.update(sys.modules)


@pytest.fixture
def run(host: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs pytest on the host in a process of its own, its warnings errors."""
    for name in ("PYTEST_ADDOPTS", "FLASK_APP"):
        monkeypatch.delenv(name, raising=False)

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(host.path)]))

    def run(tests: str, *arguments: str, plugins: c.Sequence[str] = ()) -> pytest.RunResult:
        host.makepyfile(test_host=tests)
        others = [f"-pno:{name}" for name in ("flask", "xdist") if name not in plugins]
        return host.runpytest_subprocess("-Werror", "-q", *others, *arguments, "test_host.py")

    return run
