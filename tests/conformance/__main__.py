"""``python -m tests.conformance [folder]``: replay recordings and say what differs."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

from .cassettes import recordings_folder
from .differences import Difference
from .report import compare_bodies, replay_folder


def main() -> int:
    """Print every unexplained difference and, last, the one line."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=recordings_folder())
    parser.add_argument("--reasons", action="store_true", help="say what was explained, and how")
    parser.add_argument("--summary", action="store_true", help="count alike differences once")
    asked = parser.parse_args()
    if not asked.folder.is_dir():
        print(f"There are no recordings at {asked.folder}.", file=sys.stderr)
        return 2
    report = replay_folder(asked.folder)
    replayed = report.line
    if (asked.folder / "zulip").is_dir():
        compare_bodies(asked.folder / "zulip", report)
    for line in report.reasons() if asked.reasons else ():
        print(line)
    shown = _summary(report.unexplained) if asked.summary else map(str, report.unexplained)
    for line in shown:
        print(line)
    if report.shapes:
        print(f"Shapes: {report.shapes}")
    print(replayed)
    return 1 if report.unexplained else 0


def _summary(differences: list[Difference]) -> list[str]:
    alike: dict[tuple[str, str], list[Difference]] = defaultdict(list)
    for difference in differences:
        alike[difference.path, difference.kind].append(difference)
    return [f"{len(group):4} {kind:7} {group[0]}" for (_, kind), group in sorted(alike.items())]


if __name__ == "__main__":
    sys.exit(main())
