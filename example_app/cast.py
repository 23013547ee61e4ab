"""The demo's workspaces: what each bought, and how it writes. Days are counted back from today."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Purchase:
    """A plan bought at Checkout with a test card that pays."""

    plan: str
    interval: str
    days_ago: int
    #: Calendar months before that day: the plan renewed as often since then.
    months_ago: int = 0


@dataclasses.dataclass(frozen=True)
class Role:
    """One workspace of the demo."""

    name: str
    email: str
    story: str
    joined_days_ago: int
    #: Tokens on an ordinary weekday.
    pace: int
    topics: tuple[str, ...]
    purchase: Purchase | None = None
    #: The card was replaced by one that is declined, so that the next renewal failed.
    card_fails_days_ago: int | None = None
    #: The end of the period is the end of the plan, decided this many days ago.
    canceled_days_ago: int | None = None
    #: Percent of the current token limit used by today; None is whatever the pace comes to.
    used_percent: int | None = None
    #: Who writes there, the busiest first; empty for who writes alone.
    members: tuple[str, ...] = ()


CAST = (
    Role(
        "Paper Boat",
        "hello@paperboat.example",
        "Free, with tokens left",
        88,
        550,
        ("paper lanterns", "rowing at dawn", "children's menus", "letters to neighbours"),
        used_percent=42,
    ),
    Role(
        "Tin Whistle",
        "studio@tinwhistle.example",
        "Starter, on trial for 8 more days",
        12,
        9_000,
        ("folk tunes", "rehearsal rooms", "programme notes", "small festivals"),
        Purchase("starter", "month", days_ago=6),
    ),
    Role(
        "Night Heron",
        "desk@nightheron.example",
        "Pro, close to the limit",
        87,
        80_000,
        ("tide tables", "harbour news", "lighthouse keepers", "marsh birds", "ferry queues"),
        Purchase("pro", "month", days_ago=21, months_ago=2),
        used_percent=86,
        members=("Ines", "Halvor", "Mika"),
    ),
    Role(
        "Copper Kettle",
        "office@copperkettle.example",
        "Starter, the renewal failed",
        58,
        14_000,
        ("tea harvests", "winter menus", "enamel mugs", "opening hours"),
        Purchase("starter", "month", days_ago=16, months_ago=1),
        card_fails_days_ago=9,
        used_percent=11,
    ),
    Role(
        "Sea Glass",
        "post@seaglass.example",
        "Starter, canceled",
        70,
        8_000,
        ("beach finds", "slow mornings", "shop windows"),
        Purchase("starter", "month", days_ago=19, months_ago=1),
        canceled_days_ago=4,
        used_percent=37,
    ),
    Role(
        "Blue Hour",
        "accounts@bluehour.example",
        "Enterprise, unlimited",
        78,
        260_000,
        ("city light", "night shifts", "annual reports", "train timetables"),
        Purchase("enterprise", "year", days_ago=73),
        members=("Ravi", "Edith", "Noor", "Tomás"),
    ),
)
