"""The demo's workspaces: what each bought, and how it writes. Days are counted back from today."""

from __future__ import annotations

import dataclasses

from .turns import Turn


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
    #: What happened to the plan since.
    turns: tuple[Turn, ...] = ()
    #: Percent of the current token limit used by today; None is whatever the pace comes to.
    used_percent: int | None = None
    #: Calls of its scripts on an ordinary day, and percent of their limit by today.
    calls: int = 0
    calls_percent: int | None = None
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
        "Full Sail",
        "crew@fullsail.example",
        "Pro, its scripts call beyond the plan",
        61,
        50_000,
        ("regatta results", "knots", "weather at sea", "harbour fees"),
        Purchase("pro", "month", days_ago=18, months_ago=1),
        used_percent=64,
        calls=1_900,
        calls_percent=416,
    ),
    Role(
        "Copper Kettle",
        "office@copperkettle.example",
        "Starter, the renewal failed",
        58,
        14_000,
        ("tea harvests", "winter menus", "enamel mugs", "opening hours"),
        Purchase("starter", "month", days_ago=16, months_ago=1),
        turns=(Turn("card_fails", 9),),
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
        turns=(Turn("cancel", 4),),
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
    Role(
        "Stone Bridge",
        "mason@stonebridge.example",
        "Pro, going down to Starter",
        66,
        15_000,
        ("arches", "river levels", "walking guides"),
        Purchase("pro", "month", days_ago=13, months_ago=1),
        turns=(Turn("downgrade", 2),),
    ),
    Role(
        "Slow Train",
        "guard@slowtrain.example",
        "Pro, about to pause",
        64,
        9_000,
        ("branch lines", "picnics", "viaducts"),
        Purchase("pro", "month", days_ago=11, months_ago=1),
        turns=(Turn("pause", 1),),
    ),
    Role(
        "Winter Garden",
        "glass@wintergarden.example",
        "Starter, paused",
        82,
        4_000,
        ("ferns", "heating bills", "opening in spring"),
        Purchase("starter", "month", days_ago=37, months_ago=1),
        turns=(Turn("pause", 30),),
    ),
    Role(
        "Last Tram",
        "depot@lasttram.example",
        "Starter, on trial without a card",
        20,
        2_000,
        ("timetables", "night lines", "lost property"),
        turns=(Turn("try_without_card", 9),),
    ),
    Role(
        "Empty Jar",
        "pantry@emptyjar.example",
        "Starter, unpaid and suspended",
        80,
        6_000,
        ("preserves", "orchard walks", "label texts"),
        Purchase("starter", "month", days_ago=34, months_ago=1),
        turns=(Turn("card_fails", 25),),
    ),
    Role(
        "Locked Gate",
        "keys@lockedgate.example",
        "Starter, the bank wants to confirm the first payment",
        9,
        700,
        ("old doors", "garden maps"),
        turns=(Turn("leave_unconfirmed", 0),),
    ),
    Role(
        "Half Moon",
        "night@halfmoon.example",
        "The first payment was never confirmed",
        15,
        600,
        ("star charts", "tides"),
        turns=(Turn("leave_unconfirmed", 3),),
    ),
    Role(
        "Old Harbour",
        "quay@oldharbour.example",
        "Pro, ended",
        75,
        20_000,
        ("harbour history", "rope and tar", "winter quarters"),
        Purchase("pro", "month", days_ago=40),
        turns=(Turn("end", 18),),
    ),
)
