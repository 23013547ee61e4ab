"""A usage report as CSV: one line a day, meter and combination of dimensions."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from ..metering.csv_rows import csv_line
from .usage_rows import DayRow

COLUMNS: t.Final = (
    "meter", "day", "provider", "model", "endpoint", "member",
    "events", "quantity", "input_tokens", "output_tokens", "cost_micros",
)  # fmt: skip


def write(rows: c.Iterable[DayRow]) -> str:
    """The rows as CSV with a line of titles."""
    return csv_line(COLUMNS) + "".join(csv_line(dataclasses.astuple(row)) for row in rows)
