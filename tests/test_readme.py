"""The README's integration works as it is written, in an app that has nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"

TRIED = """
import os, sys
sys.path.insert(0, os.getcwd())
from app import app, db

with app.app_context():
    db.create_all()

client = app.test_client()
plans = client.get("/billing/plans")
assert plans.status_code == 200, plans.status
assert b"$29" in plans.data

with client.session_transaction() as session:
    session["user_id"] = 1

answers = [client.post("/reports").status_code for _ in range(4)]
assert answers == [200, 200, 200, 429], answers
assert client.get("/billing/").status_code == 200
"""


#: The same with the block that adds tables and a way in.
TRIED_AS_IT_STANDS = """
import os, sys
sys.path.insert(0, os.getcwd())
from app import app

client = app.test_client()
assert client.get("/login").location == "/billing/plans"
assert b"$29" in client.get("/billing/plans").data
assert [client.post("/reports").status_code for _ in range(4)] == [200, 200, 200, 429]
"""


def block(language: str, number: int = 0) -> str:
    """A code block of the README in that language."""
    found: str = re.findall(rf"```{language}\n(.+?)```", README.read_text(), flags=re.S)[number]
    return found


def test_the_integration_of_the_readme_works_in_an_empty_app(tmp_path: Path) -> None:
    (tmp_path / "billing.toml").write_text(block("toml"))
    (tmp_path / "app.py").write_text(block("python"))

    done = subprocess.run(
        [sys.executable, "-c", TRIED], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_it_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "billing.toml").write_text(block("toml"))
    (tmp_path / "app.py").write_text(f"{block('python')}\n\n{block('python', 1)}")

    for command in (
        [sys.executable, "-c", TRIED_AS_IT_STANDS],
        [
            str(Path(sys.executable).parent / "flask"),
            *["billing", "sandbox", "advance", "--days", "31"],
        ],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_example_of_a_test_is_that_of_the_docs() -> None:
    shown = [line for line in block("python", 2).splitlines() if line.startswith("    ")]
    told = (README.parent / "docs" / "sandbox.md").read_text()

    assert shown
    assert [line for line in shown if line.replace("(user,", "(ada,") not in told] == []


def test_the_readme_links_to_files_that_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README.read_text())

    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []
