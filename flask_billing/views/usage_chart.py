"""Stacked bars as SVG: across in percent, up in pixels, so that labels keep their size."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import date, timedelta

from markupsafe import Markup

from ..formatting import short_day

#: Bars a chart has at most; longer spans are drawn by the week.
MOST_BARS: t.Final = 92
#: Pixels from the baseline to the topmost gridline.
HEIGHT: t.Final = 160
_TOP: t.Final = 12
_GAP: t.Final = 0.28
_TOPS: t.Final = (2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)


# Of these a chart has a hundred, and frozen dataclasses take three times as long to make.
class Row(t.NamedTuple):
    """A bar in words.

    :param figures: the amount of each series, as in :attr:`Chart.names`.
    """

    days: str
    figures: tuple[str, ...]
    total: str


class Tick(t.NamedTuple):
    """A day that is written below its bar."""

    x: str
    anchor: t.Literal["start", "middle", "end"]
    day: str


class Bar(t.NamedTuple):
    """A day, or a week, with its parts from the baseline up.

    :param place: where it stands, from side to side: its ``x`` and ``width``.
    :param parts: the rectangles of the series.
    :param row: what the table and a pointer read of it; None where it comes to nothing.
    """

    place: Markup
    parts: Markup
    row: Row | None
    today: bool


@dataclasses.dataclass(frozen=True)
class Chart:
    """Bars and what explains them.

    :param sums: the total of each series.
    :param amounts: those of each bar, as in :attr:`names`.
    :param grid: amounts with their pixels from the top, highest first.
    """

    names: tuple[str, ...]
    sums: tuple[int, ...]
    amounts: tuple[tuple[int, ...], ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    grid: tuple[tuple[int, int], ...]
    by_week: bool

    @property
    def rows(self) -> list[Row]:
        """The lines of the table."""
        return [bar.row for bar in self.bars if bar.row is not None]

    @property
    def baseline(self) -> int:
        """Its pixels from the top."""
        return _TOP + HEIGHT


def chart(
    first: date,
    last: date,
    series: c.Mapping[str, c.Mapping[date, int]],
    today: date,
    write: c.Callable[[int], str],
) -> Chart:
    """Draw series of daily amounts; what was corrected below zero is drawn as nothing.

    :param write: an amount in full.
    """
    length = (last - first).days + 1
    step = 1 if length <= MOST_BARS else 7
    starts = [first + timedelta(days=at) for at in range(0, length, step)]
    ends = [min(last, start + timedelta(days=step - 1)) for start in starts]
    columns = [_by_bar(daily, first, step, len(starts)) for daily in series.values()]
    amounts = tuple(zip(*columns, strict=True))
    top = _round_up(max((sum(max(0, one) for one in bar) for bar in amounts), default=0))
    share = 100 / len(starts)
    width = f"{(1 - _GAP) * share:.3f}%"
    bars = []

    for index, (start, end, bar) in enumerate(zip(starts, ends, amounts, strict=True)):
        place = f'x="{(index + _GAP / 2) * share:.3f}%" width="{width}"'
        row = _row(start, end, bar, write) if sum(bar) else None
        bars.append(Bar(Markup(place), _parts(bar, top, place), row, start <= today <= end))  # noqa: S704

    return Chart(
        tuple(series),
        tuple(map(sum, columns)),
        amounts,
        tuple(bars),
        tuple(_ticks(starts)),
        tuple((top * part // 2, _TOP + HEIGHT - HEIGHT * part // 2) for part in (2, 1, 0)),
        step > 1,
    )


def _span(first: date, last: date) -> str:
    day = short_day(first)
    return day if first == last else f"{day} – {short_day(last)}"


def _ticks(firsts: c.Sequence[date]) -> c.Iterator[Tick]:
    """The first, the middle and the last bar; of one or two each."""
    last = len(firsts) - 1

    for index in sorted({0, len(firsts) // 2, last}):
        day = short_day(firsts[index])

        if last > 1 and index in (0, last):
            yield Tick("100%" if index else "0", "end" if index else "start", day)
        else:
            yield Tick(f"{(index + 0.5) * 100 / len(firsts):.3f}%", "middle", day)


def _by_bar(daily: c.Mapping[date, int], first: date, step: int, count: int) -> list[int]:
    """What a series comes to in each bar."""
    amounts = [0] * count

    for day, amount in daily.items():
        amounts[(day - first).days // step] += amount

    return amounts


def _row(start: date, end: date, bar: c.Sequence[int], write: c.Callable[[int], str]) -> Row:
    figures = tuple(map(write, bar))
    return Row(_span(start, end), figures, figures[0] if len(bar) == 1 else write(sum(bar)))


def _parts(amounts: c.Sequence[int], top: int, place: str) -> Markup:
    bottom = float(_TOP + HEIGHT)
    parts = []

    for series, amount in enumerate(amounts, 1):
        height = max(0, amount) * HEIGHT / top

        if height > 0:
            height = max(height, 1.0)  # what was used is seen
            bottom -= height
            parts.append(
                f'<rect class="fb-chart-bar fb-series-{series}" {place}'
                f' y="{bottom:.2f}" height="{height:.2f}"></rect>'
            )

    return Markup("".join(parts))  # noqa: S704


def _round_up(amount: int) -> int:
    """The next figure that reads well on an axis, half of it too."""
    size = 1

    while size * 100 < amount:
        size *= 10

    return next(size * step for step in _TOPS if size * step >= amount)
