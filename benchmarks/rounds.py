"""Interleaved rounds and the lines they print.

The machine is shared, so absolute times mean little; what holds is the ratio of two contenders
that took turns within one round. Each line shows the median of the rounds' ratios, the
smallest and the largest, and whether the median meets the target.
"""

from __future__ import annotations

import collections.abc as c
import dataclasses
import statistics
import typing as t

#: Runs one contender once and returns seconds per operation.
Run = c.Callable[[], float]

ROUNDS: t.Final = 9


@dataclasses.dataclass
class Target:
    """What a ratio has to be: at least ``bound`` ("≥") or at most it ("≤")."""

    sign: t.Literal["≥", "≤"]
    bound: float
    unit: str = "×"

    def verdict(self, value: float) -> str:
        """PASS or MISS, with the bound."""
        met = value >= self.bound if self.sign == "≥" else value <= self.bound
        return f"target {self.sign} {self.bound:g}{self.unit}  {'PASS' if met else 'MISS'}"


def interleave(contenders: c.Mapping[str, Run], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Let contenders take turns, each round starting with another one."""
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}

    for number in range(rounds):
        shift = number % len(names)

        for name in names[shift:] + names[:shift]:
            seconds[name].append(contenders[name]())

    return seconds


def ratio(
    label: str,
    numerators: c.Sequence[float],
    denominators: c.Sequence[float],
    target: Target | None = None,
) -> None:
    """Print one line: the ratio of two contenders, round by round."""
    ratios = [over / under for over, under in zip(numerators, denominators, strict=True)]
    middle = statistics.median(ratios)
    verdict = target.verdict(middle) if target else ""
    spread = f"({min(ratios):.2f}-{max(ratios):.2f}, {len(ratios)} rounds)"
    print(f"{label:<58} {middle:7.2f}x {spread:<28} {verdict}".rstrip())


def absolute(label: str, seconds: c.Sequence[float]) -> None:
    """Print one contender's time per operation, for orientation only."""
    print(f"  {label:<56} {_duration(statistics.median(seconds))} (median of rounds)")


def value(label: str, found: float, unit: str, target: Target | None = None) -> None:
    """Print a figure that is not a ratio."""
    verdict = target.verdict(found) if target else ""
    print(f"{label:<58} {found:7.2f} {unit:<28} {verdict}".rstrip())


def percentile(samples: c.Sequence[float], percent: int) -> float:
    """The sample below which ``percent`` of all are."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _duration(seconds: float) -> str:
    return f"{seconds * 1e3:8.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:8.1f} µs"
