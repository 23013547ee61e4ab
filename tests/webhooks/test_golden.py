"""Golden cases: rows, access, signals and inbox after given deliveries."""

from __future__ import annotations

import pytest

from ..stripe_double import LADDER, canned_host
from .golden import Case, cases, moment_of, play


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_golden_case(case: Case, database_url: str) -> None:
    host = canned_host(
        database_url,
        catalog=LADDER if case.catalog is None else case.catalog,
        now=lambda: moment_of(case),
        **case.content.get("settings", {}),
    )

    try:
        play(case, host)
    finally:
        host.close()


def test_there_are_cases_enough() -> None:
    assert len({case.content["story"] for case in cases()}) >= 23
