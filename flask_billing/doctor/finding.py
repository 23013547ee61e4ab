"""What a check found."""

from __future__ import annotations

import dataclasses
import typing as t

Level = t.Literal["ok", "warning", "failure"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the doctor's.

    :param check: a key of :data:`.examination.CHECKS`.
    :param level: a failure costs customers or money now; a warning may.
    :param advice: what to do; None where all is well.
    """

    check: str
    level: Level
    text: str
    advice: str | None = None


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    """Something that may become a failure."""
    return Finding(check, "warning", text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    """Something that is wrong now."""
    return Finding(check, "failure", text, advice)
