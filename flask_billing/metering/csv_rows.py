"""Usage as CSV, for spreadsheets that must not run what a customer typed."""

from __future__ import annotations

import collections.abc as c
import csv
import io
import typing as t

from .history import SUMS, UsageSum

#: What a spreadsheet takes for the beginning of a formula.
_FORMULAS: t.Final = ("=", "+", "-", "@", "\t", "\r")


def csv_rows(by: str | c.Sequence[str], sums: c.Iterable[UsageSum]) -> c.Iterator[str]:
    """Sums as lines of CSV, one by one, with a line of titles first.

    :param by: what they were told apart by, as it was passed to ``history``.
    """
    names = (by,) if isinstance(by, str) else tuple(by)
    yield csv_line((*names, *SUMS))

    for one in sums:
        yield csv_line((*one.keys, *(getattr(one, name) for name in SUMS)))


def csv_line(cells: c.Iterable[object]) -> str:
    """One line of CSV. Text that a spreadsheet would run begins with an apostrophe."""
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(cell) for cell in cells])
    return line.getvalue()


def _harmless(cell: object) -> object:
    if isinstance(cell, str) and cell.startswith(_FORMULAS):
        return f"'{cell}"

    return cell
