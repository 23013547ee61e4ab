"""What metering should answer, worked out the slow way: from every event, at each question."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

#: Window and period, as ("day", "2026-11-20").
Period = tuple[str, str]
Parts = dict[int, int]

ENDLESS: t.Final = 10**12
TTL: t.Final = timedelta(minutes=15)


@dataclasses.dataclass
class Allowance:
    """A limit in force.

    :param included: -1 is unlimited.
    :param stop: units at which use stops.
    :param lifted: whether credits extend it.
    """

    window: str
    included: int
    stop: int
    lifted: bool


@dataclasses.dataclass
class Use:
    """What was used, and what of it came from which grant."""

    at: datetime
    quantity: int
    parts: Parts


@dataclasses.dataclass
class Held:
    """What is held, in the periods that were known when it was."""

    at: datetime
    amount: int
    parts: Parts
    periods: set[Period]
    is_open: bool = True


@dataclasses.dataclass
class Grant:
    """Credits, used in the order they expire in."""

    id: int
    free: int
    expires_at: datetime


@dataclasses.dataclass
class Override:
    """An admin's limit; None is the plan's again."""

    window: str | None
    limit: int | None
    starts_at: datetime
    ends_at: datetime


class Model:
    """One customer without members, in their first billing period.

    :param plans: plan -> its limits, as a catalog has them.
    """

    def __init__(self, plans: dict[str, list[dict[str, t.Any]]], plan: str, now: datetime) -> None:
        self.plans, self.plan, self.now = plans, plan, now
        self.uses: list[Use] = []
        self.holds: list[Held] = []
        self.grants: list[Grant] = []
        self.overrides: list[Override] = []
        self.opened: set[Period] = set()

    def limits(self) -> list[Allowance]:
        """The limits in force, with overrides."""
        mine = [one for one in self.overrides[::-1] if one.starts_at <= self.now < one.ends_at]
        listed = [dict(limit) for limit in self.plans[self.plan]]
        windows = {limit["window"] for limit in listed}

        for window in dict.fromkeys(one.window for one in mine):
            of_window = [one for one in mine if one.window == window]

            if window is not None and window not in windows and of_window[0].limit is not None:
                listed.append({"window": window, "included": -1})

        found, told = [], any("policy" in limit for limit in listed)

        for limit in listed:
            exact = [one for one in mine if one.window == limit["window"]]
            chosen = [*exact, *[one for one in mine if one.window is None]]
            included = limit["included"]

            if chosen and chosen[0].limit is not None:
                included = chosen[0].limit

            is_blocked = bool(chosen) and chosen[0].limit == 0
            more = 0 if is_blocked else limit.get("overage_cap", 0)
            lifted = ("policy" in limit or not told) and included != -1 and not is_blocked
            stop = ENDLESS if included == -1 else included + more
            found.append(Allowance(limit["window"], included, stop, lifted))

        return found

    def figures(self, window: str, at: datetime | None = None) -> tuple[int, int, int]:
        """Units used, held, and of both covered by credits."""
        period = _period(window, at or self.now)
        uses = [use for use in self.uses if _period(window, use.at) == period]
        held = [hold for hold in self.holds if hold.is_open and period in hold.periods]
        parts = [*(use.parts for use in uses), *(hold.parts for hold in held)]
        covered = sum(sum(one.values()) for one in parts)
        return sum(use.quantity for use in uses), sum(hold.amount for hold in held), covered

    @property
    def credits(self) -> int:
        """Units of credit left."""
        return sum(grant.free for grant in self._usable())

    def ask(self, quantity: int) -> tuple[bool, int]:
        """Whether a call is allowed, and its credits.

        What is stale is let go of before anything is refused or taken from credits.
        """
        allowed, drawn = self._ask(quantity)

        if allowed and not drawn:
            return allowed, drawn

        self._let_go_of_stale()
        return self._ask(quantity)

    def use(self, quantity: int) -> Use:
        """Book what is a fact, or was asked for."""
        if self._ask(quantity)[1]:
            self._let_go_of_stale()

        parts = self._draw(self._short(self.limits(), quantity))
        self._open()
        return self._book(self.now, quantity, parts)

    def hold(self, amount: int) -> Held:
        """Hold what was asked for."""
        parts = self._draw(self._short(self.limits(), amount))
        self._open()
        periods = {one for one in self.opened if _period(one[0], self.now) == one}
        self.holds.append(Held(self.now, amount, parts, periods))
        return self.holds[-1]

    def settle(self, hold: Held, quantity: int) -> Use:
        """Book what was used of a hold, in its periods and, once these are over, of its credits."""
        held = dict(hold.parts) if hold.is_open else {}

        if hold.is_open:
            self.let_go(hold)

        limits = [
            limit
            for limit in self.limits()
            if (period := _period(limit.window, hold.at)) in hold.periods or period in self.opened
        ]
        needed = self._short(limits, quantity, hold.at)

        if any(_period(one.window, hold.at) != _period(one.window, self.now) for one in limits):
            needed = min(needed, sum(held.values()))

        return self._book(hold.at, quantity, self._draw(needed, held))

    def let_go(self, hold: Held) -> None:
        """Let a hold go."""
        hold.is_open = False
        self._give_back(hold.parts)

    def _let_go_of_stale(self) -> None:
        for hold in self.holds:
            if hold.is_open and hold.at + TTL <= self.now:
                self.let_go(hold)

    def take_back(self, use: Use) -> None:
        """Take a use back, with its credits."""
        self._give_back(use.parts)
        use.quantity, use.parts = 0, {}

    def grant(self, number: int, amount: int, expires_at: datetime) -> None:
        """Grant credits."""
        self.grants.append(Grant(number, amount, expires_at))

    def override(
        self, window: str | None, limit: int | None, starts_at: datetime, ends_at: datetime
    ) -> None:
        """Set another limit."""
        self.overrides.append(Override(window, limit, starts_at, ends_at))

    def _ask(self, quantity: int) -> tuple[bool, int]:
        limits = self.limits()
        drawn = min(self._short(limits, quantity), self.credits)
        allowed = all(
            rest == 0 or self._taken(limit) + rest <= limit.stop
            for limit in limits
            for rest in [quantity - (drawn if limit.lifted else 0)]
        )
        return allowed, drawn

    def _taken(self, limit: Allowance, at: datetime | None = None) -> int:
        used, held, covered = self.figures(limit.window, at)
        return used + held - (covered if limit.lifted else 0)

    def _short(self, limits: list[Allowance], quantity: int, at: datetime | None = None) -> int:
        beyond = [
            self._taken(limit, at) + quantity - limit.included for limit in limits if limit.lifted
        ]
        return max(0, min(quantity, max(beyond, default=0)))

    def _book(self, at: datetime, quantity: int, parts: Parts) -> Use:
        self.uses.append(Use(at, quantity, parts))
        return self.uses[-1]

    def _open(self) -> None:
        self.opened |= {_period(limit.window, self.now) for limit in self.limits()}

    def _usable(self) -> list[Grant]:
        usable = [one for one in self.grants if one.expires_at > self.now]
        return sorted(usable, key=lambda grant: (grant.expires_at, grant.id))

    def _draw(self, needed: int, held: Parts | None = None) -> Parts:
        parts: Parts = {}

        for grant in self.grants:  # what was held outlasts its expiry
            if units := min((held or {}).get(grant.id, 0), needed - sum(parts.values())):
                parts[grant.id] = units
                grant.free -= units

        for grant in self._usable():
            if units := min(grant.free, needed - sum(parts.values())):
                parts[grant.id] = parts.get(grant.id, 0) + units
                grant.free -= units

        return parts

    def _give_back(self, parts: Parts) -> None:
        for grant in self.grants:
            grant.free += parts.get(grant.id, 0)


def _period(window: str, at: datetime) -> Period:
    formats = {"hour": "%Y-%m-%d %H", "day": "%Y-%m-%d", "month": "%Y-%m"}
    return window, at.strftime(formats.get(window, ""))
