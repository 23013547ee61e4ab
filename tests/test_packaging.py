"""What ``pip install Flask-Billing`` puts on a machine, and what it doesn't."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import flask_billing

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "flask_billing"

#: What a build reads, copied so that it leaves no traces in the checkout.
SOURCES = (
    "flask_billing", "migrations", "pyproject.toml", "setup.cfg", "LICENSE", "README.md",
    "MANIFEST.in",
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("build")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")

    for name in SOURCES:
        source = ROOT / name

        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, folder / name)

    done = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> set[str]:
    """Names of the files in the wheel."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        return set(archive.namelist())


def test_setup_cfg_names_every_package() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = config["options"]["packages"].split()
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("__init__.py")
    }

    assert named == sorted({*folders, "flask_billing.migrations"})


def test_every_folder_with_modules_is_a_package() -> None:
    bare = {
        str(file.parent.relative_to(ROOT))
        for file in PACKAGE.rglob("*.py")
        if not (file.parent / "__init__.py").exists()
    }

    assert bare == set()


def test_the_wheel_holds_every_file_of_the_package(wheel: set[str]) -> None:
    expected = {
        str(file.relative_to(ROOT))
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }

    assert expected - wheel == set()


def test_the_wheel_holds_the_migrations(wheel: set[str]) -> None:
    revisions = {
        f"flask_billing/migrations/versions/{file.name}"
        for file in (ROOT / "migrations" / "versions").glob("*.py")
    }

    assert revisions
    assert revisions <= wheel
    assert "flask_billing/migrations/env.py" in wheel


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel}

    assert {top for top in tops if not top.endswith(".dist-info")} == {"flask_billing"}
    assert not any("example_app" in name or "tests" in name.split("/") for name in wheel)


def test_the_wheel_carries_the_licences(wheel: set[str]) -> None:
    licences = {name.rpartition("/licenses/")[2] for name in wheel if "/licenses/" in name}

    assert licences == {"LICENSE", "flask_billing/static/htmx.LICENSE"}


def test_the_sdist_can_be_built_again(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {"pyproject.toml", "setup.cfg", "migrations/env.py", "README.md"} <= names


def test_every_dependency_is_documented_with_its_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = {*project["dependencies"], *(item for extra in extras for item in extra)}
    text = (ROOT / "docs" / "dependencies.md").read_text()
    rows = re.findall(r"`([^`]+)` \| `(>=[^`]+)`", text)

    assert {f"{name}{bound}" for name, bound in rows} == required


def test_the_change_log_has_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f"\n## {version}" in (ROOT / "CHANGES.md").read_text()
    assert flask_billing.__version__ == version
