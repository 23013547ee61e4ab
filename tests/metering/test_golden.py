"""The golden cases of metering, on SQLite and PostgreSQL.

Each file in tests/golden/metering is one story: what the catalog sells, the state the customer
is in, where the clock stands, the calls with their answers, and the books afterwards.
"""

from __future__ import annotations

import collections.abc as c
import json
from pathlib import Path

import pytest

from ..host import Host
from .story import Story, catalog_of

CASES = sorted((Path(__file__).parent.parent / "golden" / "metering").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_golden_case(path: Path, make_app: c.Callable[..., Host], database_url: str) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    host = make_app(database_url, catalog=catalog_of(case), **case.get("settings", {}))

    Story(host, case).play()


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 25
