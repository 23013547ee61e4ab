"""Events put right, and facts from files, each booked once."""

from __future__ import annotations

import typing as t
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flask_billing import clock, metering
from flask_billing.errors import InvalidUsageError
from flask_billing.models import UsageCounter, UsageEvent

from ..host import Host
from .shop import balance
from .story import moment
from .test_command import run

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHY = {"reason": "Charged twice", "actor": "ada"}


@pytest.fixture
def booked(any_host: Host) -> Host:
    """A host whose customer used tokens two days ago."""
    clock.set_source(any_host.app, lambda: NOW)

    with any_host.app.app_context():
        metering.record(
            "tokens", 500, key="k", at=moment("2026-11-18T10:00"), customer=any_host.customer(),
            model="large", input_tokens=500, cost_total=9,
        )  # fmt: skip
        metering.record("api_calls", 2, key="k", at=moment("2026-11-18T10:00"),
                        customer=any_host.customer())  # fmt: skip

    return any_host


def correct(host: Host, *arguments: object, **options: object) -> int:
    """Correct the event of tokens."""
    with host.app.app_context():
        said = {"meter": "tokens", "customer": host.customer(), **WHY, **options}
        return host.billing.correct(*arguments, **said)  # type: ignore[arg-type]


def books(host: Host) -> tuple[int, int, int, int]:
    """Counter, sum of events, and uses and cost of the event's day."""
    used = sum(counter.used for counter in host.rows(UsageCounter, meter="tokens"))
    events = sum(event.quantity for event in host.rows(UsageEvent, meter="tokens"))

    with host.app.app_context():
        day = date(2026, 11, 18)
        sums = metering.history(host.customer(), "tokens", day, day, by="model")[0]

    assert sums.quantity == events
    return used, events, sums.events, sums.cost_total


def test_an_event_is_taken_back_once(booked: Host) -> None:
    assert [correct(booked, "k"), correct(booked, "k")] == [-500, 0]
    assert books(booked) == (0, 0, 0, 0)
    assert booked.rows(UsageEvent, quantity=-500)[0].extra == {
        "corrects": booked.rows(UsageEvent, meter="tokens")[0].id,
        **WHY,
    }

    with pytest.raises(InvalidUsageError, match="was taken back"):
        correct(booked, "k", 300)


def test_another_quantity_takes_its_place(booked: Host) -> None:
    assert [correct(booked, "k", 400), correct(booked, "k", 400)] == [-100, 0]
    assert books(booked) == (400, 400, 1, 9)
    assert correct(booked, "k", 700) == 300
    assert books(booked) == (700, 700, 1, 9)
    assert correct(booked, "k") == -700
    assert books(booked) == (0, 0, 0, 0)


def test_an_event_that_was_corrected_too_often_can_still_be_taken_back(
    booked: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("inputs", "corrections"):
        monkeypatch.setattr(f"flask_billing.metering.{module}.MOST_CORRECTIONS", 4)

    for number in range(4):
        correct(booked, "k", 400 + number)

    with pytest.raises(InvalidUsageError, match="corrected too often"):
        correct(booked, "k", 5)

    assert books(booked) == (403, 403, 1, 9)
    assert correct(booked, "k") == -403
    assert books(booked) == (0, 0, 0, 0)


def test_a_failed_call_that_was_corrected_is_taken_back_whole(any_host: Host) -> None:
    with any_host.app.app_context():
        customer = any_host.customer()
        decision = metering.consume("tokens", 500, key="k", customer=customer)
        correct(any_host, "k", 700)

        assert metering.refund(decision)
        assert not metering.refund(decision)
        assert correct(any_host, "k") == 0
        assert metering.usage("tokens", customer=customer).used == 0

    balance(any_host)


def test_a_day_counter_that_has_ended_is_put_right_too(booked: Host) -> None:
    assert correct(booked, "k", meter="api_calls") == -2
    assert [counter.used for counter in booked.rows(UsageCounter, meter="api_calls")] == [0]


def test_mistakes_change_nothing(booked: Host) -> None:
    for arguments, options in (
        (("nothing",), {}),
        (("k",), {"meter": None}),
        (("k",), {"actor": " "}),
        (("k", -3), {}),
        (("k",), {"meter": "minutes"}),
    ):
        with pytest.raises(InvalidUsageError):
            correct(booked, *arguments, **options)

    with booked.app.app_context(), pytest.raises(InvalidUsageError, match="cannot be found"):
        booked.billing.correct("k", customer=booked.customer("2"), reason="r", actor="a")

    assert books(booked) == (500, 500, 1, 9)


def test_a_file_is_booked_once(any_host: Host, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(
        "owner_type,owner_id,meter,quantity,key,at,model\n"
        "user,7,tokens,5,a,2026-01-05T10:00,large\n"
        "user,7,tokens,many,b,,\n"
        "user,9,tokens,5,c,,\n"
        "user,7,tokens,6,,,\n"
        "user,7,tokens,6,a,,\n"
        "user,7,tokens,7,d,yesterday,\n"
        "user,7,tokens,8,e,2026-01-06T10:00+02:00,\n",
        encoding="utf-8",
    )
    code, output = run(any_host, "record", "--file", str(file))
    again = run(any_host, "record", "--file", str(file))

    lines = output.splitlines()
    assert code == again[0] == 1
    assert [line.split(":")[0] for line in lines[:-1]] == [f"line {n}" for n in (3, 4, 5, 6, 7)]
    assert lines[-1] == "Booked 2; 0 were booked before, 5 could not be."
    assert again[1].splitlines()[-1] == "Booked 0; 2 were booked before, 5 could not be."
    assert [
        (event.quantity, event.model, event.occurred_at.isoformat())
        for event in any_host.rows(UsageEvent)
    ] == [(5, "large", "2026-01-05T10:00:00+00:00"), (8, None, "2026-01-06T08:00:00+00:00")]


def test_json_lines_too(any_host: Host, tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    line = '{"owner_type": "user", "owner_id": 7, "meter": "tokens", "quantity": 5, "key": "a"}'
    file.write_text(f'{line}\n\n{line}\n[1]\n{{"\n', encoding="utf-8")

    code, output = run(any_host, "record", "--file", str(file))

    assert code == 1
    assert output.splitlines()[-1] == "Booked 1; 1 were booked before, 2 could not be."
    assert output.startswith("line 4: ")


def test_a_line_that_cannot_be_stored_costs_only_itself(any_host: Host, tmp_path: Path) -> None:
    wrong = (
        '"model": "\\ud800"',
        '"key": "\\ud800"',
        '"owner_id": "\\u0000"',
        '"owner_id": "\\udfff"',
        '"\\ud800": 1',
        '"extra": {"share": NaN}',
        '"at": "0001-01-01"',
        '"at": "0001-01-01T00:00+05:00"',
        '"at": "1969-12-31T23:59"',
        f'"extra": {"[" * 100_000}',
    )
    line = '{"owner_type": "user", "owner_id": 7, "meter": "tokens", "quantity": 5, "key": "%s"%s}'
    lines = [line % (number, f", {mistake}") for number, mistake in enumerate(wrong)]
    file = tmp_path / "usage.jsonl"
    file.write_text("\n".join([line % ("a", ""), *lines, line % ("b", "")]), encoding="utf-8")

    code, output = run(any_host, "record", "--file", str(file))

    told = output.splitlines()
    assert code == 1
    assert [one.split(":")[0] for one in told[:-1]] == [f"line {n}" for n in range(2, 12)]
    assert told[-1] == "Booked 2; 0 were booked before, 10 could not be."
    assert [event.idempotency_key for event in any_host.rows(UsageEvent)] == ["a", "b"]


def test_a_table_may_say_more_in_a_cell_of_json(any_host: Host, tmp_path: Path) -> None:
    file = tmp_path / "usage.csv"
    file.write_text(
        "owner_type,owner_id,meter,quantity,key,extra\n"
        'user,7,tokens,5,a,"{""language"": ""de""}"\n'
        "user,7,tokens,5,b,de\n",
        encoding="utf-8",
    )

    code, output = run(any_host, "record", "--file", str(file))

    assert (code, output.split(":")[0]) == (1, "line 3")
    assert [event.extra for event in any_host.rows(UsageEvent)] == [{"language": "de"}]


def test_what_cannot_be_stored_is_refused_in_words(any_host: Host) -> None:
    wrong: tuple[dict[str, t.Any], ...] = (
        {"model": "\ud800"},
        {"key": "\ud800"},
        {"extra": {"share": float("nan")}},
        {"extra": {"at": NOW}},
        {"at": date(2026, 11, 1)},
        {"at": "2026-11-01"},
        {"at": datetime.min.replace(tzinfo=UTC)},
    )

    with any_host.app.app_context():
        for mistake in wrong:
            with pytest.raises(InvalidUsageError, match="Nothing was booked"):
                metering.record("tokens", 5, customer=any_host.customer(), **mistake)

    assert any_host.rows(UsageEvent) == []
