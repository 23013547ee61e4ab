"""Writes that stand or fall together.

In a transaction they are sent one after the other. PostgreSQL also takes them as one statement,
each a WITH of it: a transaction by itself, that needs no BEGIN and no COMMIT and is one round trip
instead of half a dozen.
"""
# ruff: noqa: S608  (statements compiled before are put together; values are parameters)

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

import sqlalchemy as sa

from .database import own_driver
from .errors import BillingError
from .prepared import PLACEHOLDER, Prepared, Row, Values, parameters, raw

_DIVISION_BY_ZERO: t.Final = "22012"


class LostError(BillingError):
    """A write that others belong to changed nothing, so none of them is made."""

    def __init__(self) -> None:
        super().__init__("Another process wrote first. Nothing was changed here.")


class TransactionNeededError(BillingError):
    """What is to be written does not fit into one statement."""


class Writes:
    """Some writes, and a last one that tells what it wrote.

    :param connection: inside a transaction; or, to send all at once, one that commits each
        statement.
    """

    def __init__(self, connection: sa.Connection, *, at_once: bool = False) -> None:
        self.connection = connection
        self._at_once = at_once
        self._waiting: list[tuple[Prepared, Values, bool]] = []

    @property
    def transaction(self) -> sa.Connection:
        """The connection, for writes that are not prepared.

        :raises TransactionNeededError: where all is sent at once.
        """
        if self._at_once:
            raise TransactionNeededError("This has to be written in a transaction.")

        return self.connection

    def add(
        self,
        statement: Prepared,
        values: Values,
        *,
        lost: c.Callable[[], BillingError] | None = LostError,
    ) -> None:
        """Write now, or with the others.

        :param statement: one that returns rows says in their ``done`` whether it did its work.
        :param lost: raised where it did not; None where that may be. Of those that are sent at
            once, each is a :class:`LostError`.
        """
        if self._at_once:
            self._waiting.append((statement, values, lost is not None))
        elif not _is_done(statement, self.connection, values) and lost is not None:
            raise lost()

    def send(self, last: Prepared | None = None, values: Values | None = None) -> list[Row]:
        """Write what waits, and a last statement, whose rows are returned.

        :raises LostError: where a needed write changed nothing. Nothing is written then.
        """
        if not self._waiting:
            return last.rows(self.connection, values or {}) if last else []

        statements = [statement for statement, _, _ in self._waiting]
        needed = tuple(needed for _, _, needed in self._waiting)
        together = _together(tuple(statements), needed, last)
        every = [*(waiting for _, waiting, _ in self._waiting), values or {}]

        try:
            rows = together.rows(self.connection, _numbered(every))
        except sa.exc.DataError as error:
            if getattr(error.orig, "sqlstate", None) == _DIVISION_BY_ZERO:
                raise LostError from error

            raise

        return [row for row in rows if last and row[last.names[0]] is not None]


def fit_one_statement() -> bool:
    """Whether writes of the current app can be sent at once, on a connection of its own."""
    return own_driver() == "psycopg"


class _Together(Prepared):
    """Writes as one statement of PostgreSQL's, which fails as a whole where one is lost."""

    def __init__(
        self, writes: c.Sequence[Prepared], needed: c.Sequence[bool], last: Prepared | None
    ) -> None:
        parts = [*writes, *([last] if last else [])]
        withs = [_with(part, n) for n, part in enumerate(parts)]
        # PostgreSQL makes each when it is looked at, so they are looked at in their order: two
        # deliveries that take locks in different orders would wait for one another.
        looks = ", ".join(_look(n, must) for n, must in enumerate(needed))
        withs.insert(len(writes), f"looks AS MATERIALIZED (SELECT ARRAY[{looks}] AS counts)")
        returned = [f"w{len(writes)}.{name}" for name in last.names] if last else []
        self.sql = " ".join(
            [
                f"WITH {', '.join(withs)}",
                f"SELECT {', '.join(['looks.counts', *returned])} FROM looks",
                f"LEFT JOIN w{len(writes)} ON true" if last else "",
            ]
        )
        self.constants = _numbered([part.constants for part in parts])
        self.by_name = True
        binders = _numbered([dict(part.binders) for part in parts])
        self.order = parameters(self.sql)
        self.binders = [(name, binders[name]) for name in self.order]
        self.raw = raw(self.sql)
        self.names = ["looks", *(last.names if last else [])]
        self.readers = last.readers if last else []


@functools.lru_cache(maxsize=256)
def _together(
    writes: tuple[Prepared, ...], needed: tuple[bool, ...], last: Prepared | None
) -> Prepared:
    return _Together(writes, needed, last)


def _with(part: Prepared, number: int) -> str:
    sql = PLACEHOLDER.sub(rf"%(\1_{number})s", part.sql)
    return f"w{number} AS ({sql}{'' if part.names else ' RETURNING true AS done'})"


def _look(number: int, needed: bool) -> str:
    """How many rows a write changed. Dividing by none is an error, which takes all back."""
    if needed:
        return f"1 / (SELECT count(*) FROM w{number} WHERE done)"

    return f"(SELECT count(*) FROM w{number})"


def _numbered(every: c.Sequence[Values]) -> dict[str, t.Any]:
    return {
        f"{name}_{n}": value for n, values in enumerate(every) for name, value in values.items()
    }


def _is_done(statement: Prepared, connection: sa.Connection, values: Values) -> bool:
    if not statement.names:
        return statement.change(connection, values) > 0

    return any(row["done"] for row in statement.rows(connection, values))
