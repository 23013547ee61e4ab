"""The database under the ledger: its driver's connection, its formats, and when to try again."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import functools
import json
import random
import time
import typing as t
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection

from .. import database
from ..errors import MeteringUnavailableError
from ..state import BillingState, state

Answer = t.TypeVar("Answer")

#: SQLSTATEs after which the same transaction may well succeed: serialization, deadlock, lock.
_TRANSIENT: t.Final = ("40001", "40P01", "55P03")
_ATTEMPTS: t.Final = 6
#: Where our advisory locks of PostgreSQL begin.
_RESETS: t.Final = 0x0F1A5B << 32
_EXPORTS: t.Final = 0x0F1A5C << 32
#: Hours, minutes and seconds as SQLite keeps them.
_TWO_DIGITS: t.Final = [f"{number:02}" for number in range(60)]
_MOST_DAYS: t.Final = 1_000


class StoreDownError(MeteringUnavailableError):
    """The usage tables cannot be reached. Each meter says what that means."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"Usage cannot be read or booked just now ({cause}). Nothing was booked or charged. "
            "Try again in a minute."
        )
        self.cause = cause


@dataclasses.dataclass(frozen=True, slots=True)
class Formats:
    """How this database's driver takes times, days and JSON."""

    dialect: sa.Dialect
    sqlite: bool

    def time(self, value: datetime | None) -> object:
        """A moment as stored in a time column."""
        if value is None or not self.sqlite:
            return value

        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return _text(utc)

    def times(self, values: c.Iterable[datetime]) -> list[str]:
        """Many moments in UTC, as texts that a time column takes."""
        texts = list(map(_text, values))
        return texts if self.sqlite else [f"{text}+00" for text in texts]

    def day(self, value: date) -> object:
        """A day as stored in a date column."""
        return value.isoformat() if self.sqlite else value

    def json(self, value: c.Mapping[str, object]) -> str:
        """A mapping as stored in a JSON column.

        :raises ValueError: for numbers that JSON has not, as NaN.
        """
        return json.dumps(value, allow_nan=False)


def _text(utc: datetime) -> str:
    """A moment to the microsecond, as SQLite keeps it. ``isoformat`` takes twice as long."""
    time = f"{_TWO_DIGITS[utc.hour]}:{_TWO_DIGITS[utc.minute]}:{_TWO_DIGITS[utc.second]}"
    return f"{_date(utc.date())} {time}.{str(1_000_000 + utc.microsecond)[1:]}"


@functools.lru_cache(maxsize=_MOST_DAYS)
def _date(day: date) -> str:
    return day.isoformat()


def formats(current: BillingState) -> Formats:
    """The formats of the app's database."""
    known: Formats | None = current.caches.get("metering.formats")

    if known is None:
        dialect = current.db.engine.dialect
        known = Formats(dialect, dialect.name == "sqlite")
        current.caches["metering.formats"] = known

    return known


def joins_session(current: BillingState) -> bool:
    """Whether usage has to be booked inside ``db.session`` just now."""
    if not database.has_own_connection(current):
        return True

    # Most requests that only count have no session yet, so nothing to join.
    return current.db.session.registry.has() and database.host_holds_write_lock()


def lock_resets(connection: sa.Connection, customer_id: int, *, shared: bool = False) -> None:
    """Let resets of a customer's quota, openings of counters and corrections wait for one another.

    So do settlements that a counter would count which is not open. On SQLite all do so anyway.
    No lock of the customer's row, which the host may hold itself.

    :param shared: for those that may go on beside one another: the openings.
    """
    if connection.dialect.name == "postgresql":
        lock = f"pg_advisory_xact_lock{'_shared' if shared else ''}"
        key = _RESETS + customer_id % 2**32
        connection.exec_driver_sql(f"SELECT {lock}({key})")


def lock_exports(connection: sa.Connection, customer_id: int) -> None:
    """Let those that record reports of a customer's usage to Stripe wait for one another."""
    if connection.dialect.name == "postgresql":
        key = _EXPORTS + customer_id % 2**32
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({key})")


class Driver:
    """The pool's driver connection, in autocommit: one statement is one transaction.

    A context manager by hand, because every metered request passes here. On SQLite one connection
    stays at hand, as giving it back and forth takes a fifth of a booking.
    """

    __slots__ = ("_connection", "_current", "_kept", "_pooled", "_switched")

    def __init__(self, current: BillingState) -> None:
        self._current = current

        self._kept = database.take(current) if current.keeps_one else None
        self._pooled = (
            self._kept.connection
            if self._kept is not None
            else (current.own_engine or database.engine()).raw_connection()
        )

    def __enter__(self) -> DBAPIConnection:
        connection = self._pooled.dbapi_connection
        assert connection is not None
        self._connection = connection
        self._switched = getattr(connection, "autocommit", None) is False

        if self._switched:
            connection.autocommit = True

        return connection

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error is not None and getattr(self._connection, "closed", False):
            self._pooled.invalidate()
        elif self._switched:
            self._connection.autocommit = False
        elif self._kept is not None and not (
            self._connection.in_transaction or self._current.at_hand
        ):
            self._current.at_hand.append(self._kept)
            return

        # Rolls back what was begun and not committed.
        (self._kept or self._pooled).close()


def persistently(current: BillingState, attempt: c.Callable[[], Answer]) -> Answer:
    """Run a whole transaction, again where it met another one by bad luck.

    :raises StoreDownError: where the database cannot be reached, or stays locked.
    """
    started = time.monotonic()

    for count in range(1, _ATTEMPTS + 1):
        try:
            return attempt()
        except Exception as error:
            original = getattr(error, "orig", None) or error

            if not isinstance(original, (sa.exc.TimeoutError, driver_error("Error"))):
                raise

            if joins_session(current) and not _unreachable(original):
                raise

            if not (_transient(original) or _lost(original)):
                if _unreachable(original):
                    raise StoreDownError(type(original).__name__) from error

                raise

            # Another connection is tried at once, however long the lost one took to tell.
            waited = not _lost(original) and time.monotonic() - started > _patience(current)

            if count == _ATTEMPTS or waited:
                raise StoreDownError(type(original).__name__) from error

        time.sleep(random.uniform(0, 0.002 * 2**count))  # noqa: S311  (jitter, no secret)

    raise AssertionError("the last attempt returns or raises")


def sqlstate(error: BaseException) -> str | None:
    """PostgreSQL's error code, by whichever driver."""
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)


def driver_error(name: str) -> type[Exception]:
    """The driver's exception class of that name, as ``IntegrityError``."""
    found: type[Exception] = getattr(state().db.engine.dialect.loaded_dbapi, name)
    return found


def _transient(error: BaseException) -> bool:
    return sqlstate(error) in _TRANSIENT or "is locked" in str(error)


def _lost(error: BaseException) -> bool:
    """Whether a pooled connection turned out dead, so that a fresh one may answer.

    The booking may have happened. Its key makes a repetition safe.
    """
    if (sqlstate(error) or "").startswith(("57P", "08")):
        return True

    text = str(error).lower()
    return "connection" in text and any(word in text for word in ("closed", "lost", "terminat"))


def _unreachable(error: BaseException) -> bool:
    return isinstance(
        error,
        (sa.exc.TimeoutError, driver_error("OperationalError"), driver_error("InterfaceError")),
    )


def _patience(current: BillingState) -> float:
    timeout = current.app.config["BILLING_SQLITE_BUSY_TIMEOUT"]
    return float(timeout.total_seconds())
