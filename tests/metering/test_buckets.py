"""Periods: which counter a moment belongs to, over month ends, clock changes and leap days."""

from __future__ import annotations

import typing as t
import zoneinfo
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_billing.catalog import Window
from flask_billing.metering.buckets import Bucket, Epoch, add_months, bucket_for, epoch_at

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Atlantic/Azores",
    "America/Havana",
)
WINDOWS: tuple[Window, ...] = ("hour", "day", "week", "month", "billing_period")

moments = st.datetimes(
    datetime.fromisoformat("1995-01-01"),
    datetime.fromisoformat("2040-01-01"),
    timezones=st.just(UTC),
)
zones = st.sampled_from(ZONES).map(zoneinfo.ZoneInfo)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def bucket(window: Window, moment: str, zone: str = "UTC", **options: t.Any) -> Bucket:
    """The bucket of a moment, anchored on 1 January 2026 unless said otherwise."""
    options.setdefault("anchor", at("2026-01-01T00:00"))
    return bucket_for(window, at(moment), zone=zoneinfo.ZoneInfo(zone), **options)


@pytest.mark.parametrize(
    ("window", "key"),
    [
        ("hour", "h:2026-11-20T13Z"),
        ("day", "d:2026-11-20"),
        ("week", "w:2026-W47"),
        ("month", "m:2026-11"),
        ("billing_period", "b:2026-11-17T09:00Z"),
        ("lifetime", "life"),
    ],
)
def test_keys_name_the_period(window: Window, key: str) -> None:
    found = bucket(window, "2026-11-20T13:07:41", anchor=at("2026-01-17T09:00"))

    assert found.key == key


def test_periods_anchored_on_the_31st_end_with_short_months() -> None:
    anchor = at("2026-01-31T10:00")
    starts = [
        bucket("billing_period", moment, anchor=anchor).start
        for moment in (
            "2026-02-28T09:59",
            "2026-02-28T10:00",
            "2026-03-31T10:00",
            "2026-04-30T10:00",
        )
    ]

    assert starts == [
        at("2026-01-31T10:00"),
        at("2026-02-28T10:00"),
        at("2026-03-31T10:00"),
        at("2026-04-30T10:00"),
    ]


def test_a_leap_day_anchor_comes_back_on_the_29th() -> None:
    anchor = at("2028-02-29T00:00")

    assert add_months(anchor, 12) == at("2029-02-28T00:00")
    assert add_months(anchor, 48) == at("2032-02-29T00:00")
    assert bucket("billing_period", "2029-03-28T23:59", anchor=anchor).start == at(
        "2029-02-28T00:00"
    )
    assert bucket("billing_period", "2029-03-29T00:00", anchor=anchor).start == at(
        "2029-03-29T00:00"
    )


def test_a_period_is_known_before_its_anchor() -> None:
    found = bucket("billing_period", "2026-01-10T00:00", anchor=at("2026-03-31T00:00"))

    assert (found.start, found.end) == (at("2025-12-31T00:00"), at("2026-01-31T00:00"))


def test_days_follow_the_customers_midnight() -> None:
    assert bucket("day", "2026-11-20T23:30", "Europe/Berlin").key == "d:2026-11-21"
    assert bucket("month", "2026-11-30T23:30", "Europe/Berlin").key == "m:2026-12"
    assert bucket("day", "2026-11-21T04:30", "America/New_York").key == "d:2026-11-20"


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)]
)
def test_days_of_a_clock_change_are_shorter_and_longer(day: str, hours: int) -> None:
    found = bucket("day", f"{day}T12:00", "Europe/Berlin")
    assert found.start is not None
    assert found.end is not None

    assert found.end - found.start == timedelta(hours=hours)


def test_a_trial_is_one_bucket_and_the_paid_period_follows() -> None:
    trial = (at("2026-01-01T00:00"), at("2026-03-02T00:00"))
    anchor = at("2026-03-02T00:00")
    early, late, paid = (
        bucket("billing_period", moment, trial=trial, anchor=anchor)
        for moment in ("2026-01-02T00:00", "2026-03-01T23:59", "2026-03-02T00:00")
    )

    assert early == late
    assert (early.start, early.end) == trial
    assert paid == Bucket("b:2026-03-02T00:00Z", at("2026-03-02T00:00"), at("2026-04-02T00:00"))


def test_a_reset_is_a_new_key_from_then_on() -> None:
    resets = [at("2026-11-05T00:00"), at("2026-11-10T12:00")]

    def month(when: str) -> Bucket:
        return bucket("month", when, epoch=epoch_at(resets, at(when)))

    first, second, third = (
        month("2026-11-04T23:59"), month("2026-11-10T11:59"), month("2026-11-10T12:00"),
    )  # fmt: skip

    keys = [one.key for one in (first, second, third)]
    assert keys == ["m:2026-11", "m:2026-11#1", "m:2026-11#2"]
    assert (first.end, second.start, second.end) == (resets[0], *resets)
    assert (third.start, third.end) == (resets[1], at("2026-12-01T00:00"))
    assert month("2026-12-01T00:00").start == at("2026-12-01T00:00")


def test_members_have_counters_of_their_own() -> None:
    seven = bucket("day", "2026-11-20T10:00", member="7")
    long = bucket(
        "billing_period",
        "2026-11-20T10:00",
        member="m" * 255,
        epoch=Epoch(12, at("2026-11-18T00:00")),
    )

    assert seven.key == "d:2026-11-20|member=7"
    assert len(long.key) <= 96


@given(window=st.sampled_from(WINDOWS), moment=moments, anchor=moments, zone=zones)
@settings(max_examples=400, deadline=None)
def test_every_moment_lies_in_its_bucket(
    window: Window, moment: datetime, anchor: datetime, zone: zoneinfo.ZoneInfo
) -> None:
    found = bucket_for(window, moment, anchor=anchor, zone=zone)

    assert found.holds(moment)


@given(window=st.sampled_from(WINDOWS), moment=moments, anchor=moments, zone=zones)
@settings(max_examples=400, deadline=None)
def test_buckets_follow_one_another_without_gap_or_overlap(
    window: Window, moment: datetime, anchor: datetime, zone: zoneinfo.ZoneInfo
) -> None:
    found = bucket_for(window, moment, anchor=anchor, zone=zone)
    assert found.start is not None
    assert found.end is not None
    last = bucket_for(window, found.end - timedelta(microseconds=1), anchor=anchor, zone=zone)
    following = bucket_for(window, found.end, anchor=anchor, zone=zone)

    assert bucket_for(window, found.start, anchor=anchor, zone=zone) == found
    assert last == found
    assert following.start == found.end
    assert following.key != found.key


@given(anchor=moments, months=st.integers(-600, 600))
def test_months_are_counted_from_the_anchor_and_not_from_one_another(
    anchor: datetime, months: int
) -> None:
    moved = add_months(anchor, months)

    assert (moved.year * 12 + moved.month) - (anchor.year * 12 + anchor.month) == months
    assert moved.time() == anchor.time()
    assert moved.day == anchor.day or (
        moved.day < anchor.day and (moved.date() + timedelta(days=1)).day == 1
    )


def test_the_day_that_samoa_skipped_has_no_bucket() -> None:
    before = bucket("day", "2011-12-30T09:59", "Pacific/Apia")
    after = bucket("day", "2011-12-30T10:00", "Pacific/Apia")

    assert (before.key, after.key) == ("d:2011-12-29", "d:2011-12-31")
    assert before.end == after.start
    assert date(2011, 12, 30).isoformat() not in before.key + after.key
