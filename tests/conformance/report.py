"""The replay of a folder, in one line and difference by difference."""

from __future__ import annotations

import collections.abc as c
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from .cassettes import Body, read_cassettes
from .differences import Difference
from .event_order import compare_order, lists_of_events
from .explained import Rule, read_rules, read_translations
from .known import Known
from .replay import play
from .shapes import compare_shapes, recorded_bodies, shapes_of, version_of
from .stories import tell_stories


@dataclass
class Report:
    """What the replay of all cassettes found."""

    cassettes: int = 0
    requests: int = 0
    fields: int = 0
    explained: list[tuple[Difference, Rule]] = field(default_factory=list)
    unexplained: list[Difference] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)
    shapes: str = ""

    @property
    def line(self) -> str:
        """The whole in one line."""
        equal = self.fields - len(self.explained) - len(self.unexplained)
        return (
            f"{self.cassettes} cassettes, {self.requests} requests, {self.fields} fields "
            f"compared: {equal} equal, {len(self.explained)} explained, "
            f"{len(self.unexplained)} unexplained"
        )

    def sort(self, differences: c.Iterable[Difference], rules: c.Sequence[Rule]) -> None:
        """File each difference under the first rule that explains it, or under none."""
        for difference in differences:
            rule = next((rule for rule in rules if rule.explains(difference)), None)
            if rule is None:
                self.unexplained.append(difference)
            else:
                self.explained.append((difference, rule))

    def reasons(self) -> list[str]:
        """How many differences each reason explains."""
        counted: dict[tuple[str, str], int] = defaultdict(int)
        for difference, rule in self.explained:
            counted[difference.path, rule.reason] += 1
        return [f"{count:5} {path}: {reason}" for (path, reason), count in sorted(counted.items())]


def replay_folder(folder: Path) -> Report:
    """Replay every cassette under a folder."""
    cassettes = read_cassettes(folder)
    rules, translations = read_rules(), read_translations()
    report = Report(cassettes=len(cassettes))
    for cassette in cassettes:
        neighbours = [other for other in cassettes if other is not cassette]
        played = play(cassette, Known([cassette, *neighbours]), translations)
        report.requests += played.requests
        report.fields += played.fields
        report.bodies += played.bodies
        report.sort(played.differences, rules)
    return report


def compare_bodies(folder: Path, report: Report) -> None:
    """Hold the bodies without requests in a folder against all that the sandbox made."""
    recorded = recorded_bodies(folder)
    version = version_of(recorded)
    answers, events = tell_stories()
    theirs = shapes_of(body for _, body in recorded)
    ours = shapes_of([*report.bodies, *answers, *events])
    shapes = compare_shapes(folder, theirs, ours, version)
    pairs, disorder = compare_order(lists_of_events(recorded), [events], folder.name, version)
    before = len(report.explained), len(report.unexplained)
    report.sort([*shapes.found, *disorder], read_rules())
    explained = len(report.explained) - before[0]
    unexplained = len(report.unexplained) - before[1]
    fields = shapes.fields + pairs
    report.shapes = (
        f"{len(recorded)} bodies, {len(theirs)} kinds of objects and events, {fields} fields and "
        f"orders compared: {fields - explained - unexplained} equal, {explained} explained, "
        f"{unexplained} unexplained"
    )
