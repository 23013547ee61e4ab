"""Stacked bars as SVG: across in percent, up in pixels, so that labels keep their size."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t
from datetime import date, timedelta

#: Bars a chart has at most; longer spans are drawn by the week.
MOST_BARS: t.Final = 92
#: Pixels from the baseline to the topmost gridline.
HEIGHT: t.Final = 160
_TOP: t.Final = 12
_GAP: t.Final = 0.28
_TOPS: t.Final = (2, 4, 6, 8, 10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100)


@dataclasses.dataclass(frozen=True)
class Block:
    """One series' part of one bar."""

    series: int
    y: str
    height: str


@dataclasses.dataclass(frozen=True)
class Bar:
    """A day, or a week, with its parts from the baseline up.

    :param amounts: by series, as in :attr:`Chart.names`.
    """

    first: date
    last: date
    x: str
    width: str
    middle: str
    blocks: tuple[Block, ...]
    amounts: tuple[int, ...]
    today: bool

    @property
    def total(self) -> int:
        """Of all series."""
        return sum(self.amounts)


@dataclasses.dataclass(frozen=True)
class Chart:
    """Bars and what explains them.

    :param grid: amounts with their pixels from the top, highest first.
    """

    names: tuple[str, ...]
    bars: tuple[Bar, ...]
    grid: tuple[tuple[int, int], ...]
    by_week: bool

    @property
    def sums(self) -> tuple[int, ...]:
        """The total of each series."""
        return tuple(
            sum(bar.amounts[index] for bar in self.bars) for index in range(len(self.names))
        )

    @property
    def baseline(self) -> int:
        """Its pixels from the top."""
        return _TOP + HEIGHT

    @property
    def ticks(self) -> tuple[tuple[Bar, str], ...]:
        """The bars whose day is written below, with where the text is anchored."""
        if len(self.bars) < 3:
            return tuple((bar, "middle") for bar in self.bars)

        middle = self.bars[len(self.bars) // 2]
        return ((self.bars[0], "start"), (middle, "middle"), (self.bars[-1], "end"))


def chart(
    first: date, last: date, series: c.Mapping[str, c.Mapping[date, int]], today: date
) -> Chart:
    """Draw series of daily amounts; what was corrected below zero is drawn as nothing."""
    length = (last - first).days + 1
    step = 1 if length <= MOST_BARS else 7
    spans = [
        (first + timedelta(days=at), min(last, first + timedelta(days=at + step - 1)))
        for at in range(0, length, step)
    ]
    amounts = [tuple(_sum(daily, start, end) for daily in series.values()) for start, end in spans]
    top = _round_up(max((sum(max(0, one) for one in bar) for bar in amounts), default=0))
    share = 100 / len(spans)
    return Chart(
        tuple(series),
        tuple(
            Bar(
                start,
                end,
                f"{(index + _GAP / 2) * share:.3f}%",
                f"{(1 - _GAP) * share:.3f}%",
                f"{(index + 0.5) * share:.3f}%",
                tuple(_blocks(bar, top)),
                bar,
                start <= today <= end,
            )
            for index, ((start, end), bar) in enumerate(zip(spans, amounts, strict=True))
        ),
        tuple((top * part // 2, _TOP + HEIGHT - HEIGHT * part // 2) for part in (2, 1, 0)),
        step > 1,
    )


def _sum(daily: c.Mapping[date, int], start: date, end: date) -> int:
    return sum(daily.get(start + timedelta(days=at), 0) for at in range((end - start).days + 1))


def _blocks(amounts: c.Sequence[int], top: int) -> c.Iterator[Block]:
    bottom = float(_TOP + HEIGHT)

    for index, amount in enumerate(amounts):
        height = max(0, amount) * HEIGHT / top

        if height > 0:
            height = max(height, 1.0)  # what was used is seen
            bottom -= height
            yield Block(index + 1, f"{bottom:.2f}", f"{height:.2f}")


def _round_up(amount: int) -> int:
    """The next figure that reads well on an axis, half of it too."""
    size = 1

    while size * 100 < amount:
        size *= 10

    return next(size * step for step in _TOPS if size * step >= amount)
