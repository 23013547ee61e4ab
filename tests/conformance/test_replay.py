"""The sandbox answers what the real API answered, or there is a reason why not."""

from __future__ import annotations

import typing as t

import pytest

from .cassettes import recordings_folder
from .report import Report, compare_bodies, replay_folder

pytestmark = pytest.mark.skipif(
    not recordings_folder().is_dir(), reason="the recordings are not here"
)


@pytest.fixture(scope="module")
def report() -> Report:
    """Every cassette of the folder, replayed once."""
    replayed = replay_folder(recordings_folder())
    if (recordings_folder() / "zulip").is_dir():
        compare_bodies(recordings_folder() / "zulip", replayed)
    return replayed


def test_nothing_fails_inside_the_sandbox(report: Report, capsys: t.Any) -> None:
    with capsys.disabled():
        print(f"\n{report.line}")
    assert report.requests
    assert not [d for d in report.unexplained if d.kind == "status" and d.ours[:1] == "5"]
