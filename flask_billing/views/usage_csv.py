"""A usage report as CSV: one line a day, meter and combination of dimensions."""

from __future__ import annotations

import collections.abc as c
import csv
import io
import typing as t

from .usage_rows import DayRow

COLUMNS: t.Final = (
    "day", "meter", "provider", "model", "endpoint", "member",
    "events", "quantity", "input_tokens", "output_tokens", "cost_micros",
)  # fmt: skip


def write(rows: c.Iterable[DayRow]) -> str:
    """The rows as CSV with a header."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\r\n")
    lines.writerow(COLUMNS)

    for row in rows:
        texts = (row.meter, row.provider, row.model, row.endpoint, row.member)
        lines.writerow(
            (
                row.day.isoformat(),
                *map(_inert, texts),
                row.events,
                row.quantity,
                row.input_tokens,
                row.output_tokens,
                row.cost,
            )
        )

    return written.getvalue()


def _inert(text: str) -> str:
    """A spreadsheet takes a text that begins like a formula for one."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
