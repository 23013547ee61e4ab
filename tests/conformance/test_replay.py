"""The sandbox answers what the real API answered, or there is a reason why not."""

from __future__ import annotations

import pytest

from .cassettes import recordings_folder
from .report import Report, compare_bodies, replay_folder

pytestmark = pytest.mark.skipif(
    not recordings_folder().is_dir(), reason="the recordings are not here"
)


@pytest.fixture(scope="module")
def replayed() -> Report:
    """Every cassette of the folder, replayed once."""
    return replay_folder(recordings_folder())


def test_every_difference_from_the_cassettes_has_a_reason(
    replayed: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{replayed.line}")
    assert replayed.requests
    assert [str(difference) for difference in replayed.unexplained] == []


def test_kinds_and_orders_without_requests_are_as_recorded(replayed: Report) -> None:
    folder = recordings_folder() / "zulip"
    if not folder.is_dir():
        pytest.skip("bodies without requests are not here")
    compared = Report(bodies=replayed.bodies)
    compare_bodies(folder, compared)
    assert [str(difference) for difference in compared.unexplained] == []
