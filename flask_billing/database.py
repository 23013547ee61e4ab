"""Short transactions beside the host's session.

Usage, webhooks and the intents of writes to Stripe must survive whatever the request does
afterwards, and must not wait for it. They run in transactions of their own, on an engine of
their own with the host's settings. Where that cannot be (an in-memory SQLite, a host whose
tests roll everything back) they become savepoints of ``db.session``.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import json
import os
import typing as t
import weakref

import sqlalchemy as sa
from sqlalchemy import event, orm, pool
from sqlalchemy.dialects import postgresql, sqlite

from . import prepared
from .errors import HostSessionBusyError
from .models.base import Base
from .state import BillingState, state

if t.TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy.orm import Session

Insert = postgresql.Insert | sqlite.Insert
Row = t.TypeVar("Row", bound=Base)

#: JSON without blanks, and not searched for cycles: what is stored came as JSON, or is flat.
_as_json: t.Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
#: ``sqlite3.LEGACY_TRANSACTION_CONTROL`` of Python 3.12: ``isolation_level`` decides.
_LEGACY: t.Final = -1
_CHANGES_AT_BEGIN: t.Final = "billing_changes_at_begin"
_inherited: list[sa.Connection] = []
_states: weakref.WeakSet[BillingState] = weakref.WeakSet()


def engine() -> sa.Engine:
    """The engine for own transactions, built at first use from the host's."""
    return _engine(state())


def _engine(current: BillingState) -> sa.Engine:
    if current.own_engine is None:
        current.own_engine = _build(current)
        current.keeps_one = _spares_one(current.own_engine)
        _states.add(current)

    return current.own_engine


def has_own_connection(current: BillingState | None = None) -> bool:
    """Whether own transactions are possible, or have to join ``db.session``."""
    current = current or state()
    cached: bool | None = current.caches.get("own_connection")

    if cached is None:
        host = current.db.engine
        cached = current.app.config["BILLING_METERING_CONNECTION"] == "own" and not isinstance(
            host.pool, pool.StaticPool | pool.SingletonThreadPool
        )
        current.caches["own_connection"] = cached

    return cached


def own_driver() -> str | None:
    """The driver of own transactions; None where these have to join ``db.session``."""
    current = state()
    return _engine(current).dialect.driver if has_own_connection(current) else None


def host_session_is_writing() -> bool:
    """Whether ``db.session`` holds uncommitted writes on SQLite, which admits one writer."""
    database = state().db

    if not database.session.registry.has() or database.engine.dialect.name != "sqlite":
        return False

    session = database.session()
    return bool(session.new or session.dirty or session.deleted) or _has_written(session)


def transaction() -> contextlib.AbstractContextManager[sa.Connection]:
    """A transaction of its own: committed on leaving, rolled back by an exception.

    In session mode it is a savepoint, and lasts only if the host's session is committed,
    unless that held no transaction before. So it is on SQLite while the host's session holds
    the write lock, where a second connection would only wait for it in vain.
    """
    current = state()

    if has_own_connection(current) and not _holds_write_lock(current.db):
        return _own_transaction(current)

    return savepoint()


def joins_host() -> bool:
    """Whether what :func:`transaction` writes now lasts only if the host commits its session."""
    current = state()

    if has_own_connection(current) and not _holds_write_lock(current.db):
        return False

    try:
        return current.db.session.registry.has() and _holds_transaction(current.db.session())
    except sa.exc.SQLAlchemyError:  # it has failed, and takes nothing more
        return True


@contextlib.contextmanager
def _own_transaction(current: BillingState) -> c.Iterator[sa.Connection]:
    connection = take(current)

    try:
        yield from prepared.writing(connection)
    finally:
        give_back(current, connection)


@contextlib.contextmanager
def savepoint() -> c.Iterator[sa.Connection]:
    """A savepoint of ``db.session``, which lasts if the session is committed.

    Where the session held no transaction before, or had only read, it is committed on leaving.
    """
    session = state().db.session()
    joined = _holds_transaction(session)

    if not joined and session.in_transaction():
        # What was read has to be seen afresh: SQLite lets no stale snapshot write.
        session.commit()

    try:
        with session.begin_nested():
            yield session.connection()
    except BaseException:
        if not joined:
            session.rollback()

        raise

    if not joined:
        session.commit()


@contextlib.contextmanager
def autocommit() -> c.Iterator[sa.Connection]:
    """A connection of our own on which each statement is a transaction of its own."""
    with engine().connect() as connection:
        yield connection.execution_options(isolation_level="AUTOCOMMIT")


@contextlib.contextmanager
def reading() -> c.Iterator[sa.Connection]:
    """A connection for reads alone, which takes no lock.

    It sees what is committed, and what ``db.session`` has written where usage is booked there.
    """
    if not has_own_connection() or host_holds_write_lock():
        yield state().db.session.connection()
        return

    if engine().dialect.name == "postgresql":
        # Without a transaction to roll back, which makes psycopg drop what it has prepared.
        with autocommit() as connection:
            yield connection

        return

    with engine().connect() as connection:
        yield connection.execution_options(billing_reads=True)


def reread(statement: sa.Select[Row]) -> Row | None:
    """One of our rows as it is committed, held by ``db.session``.

    That itself may see only what was there when its transaction began, as under REPEATABLE READ.
    """
    session = state().db.session()

    if not has_own_connection() or host_holds_write_lock():
        found: Row | None = session.scalar(statement.execution_options(populate_existing=True))
        return found

    with orm.Session(engine().execution_options(billing_reads=True)) as own:
        seen = own.scalar(statement)

    return None if seen is None else session.merge(seen, load=False)


def update(row: Base, *names: str) -> None:
    """Let a row held by ``db.session`` know some columns as they are committed.

    What the host changed in others stays, and is still to be written.
    """
    columns = [type(row).__table__.c[name] for name in names]
    same = [column == getattr(row, column.key) for column in type(row).__table__.primary_key]

    with reading() as connection:
        seen = connection.execute(sa.select(*columns).where(*same)).one()

    for name, value in zip(names, seen, strict=True):
        orm.attributes.set_committed_value(row, name, value)


@contextlib.contextmanager
def committed(action: str) -> c.Iterator[sa.Connection]:
    """Like :func:`transaction`, for the records around a call to Stripe.

    :raises HostSessionBusyError: where the host's session holds a write on SQLite.
    """
    refuse_busy_session(action)

    with transaction() as connection:
        yield connection


def refuse_busy_session(action: str) -> None:
    """Make sure that our own records can be committed before and after a call to Stripe.

    :raises HostSessionBusyError: where the host's session holds a write on SQLite.
    """
    if has_own_connection() and host_session_is_writing():
        raise HostSessionBusyError(action)


def insert(connection: sa.Connection, model: type[t.Any]) -> Insert:
    """The dialect's INSERT into a model's table, which knows ON CONFLICT."""
    return insert_for(connection.dialect.name, model)


def insert_for(dialect: str, model: type[t.Any]) -> Insert:
    """Like :func:`insert`, for statements that are built once for a dialect."""
    construct = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return construct(model.__table__)


def close(current: BillingState) -> None:
    """Give the own engine's connections back, for example at the end of a test."""
    if current.own_engine is not None:
        current.own_engine.dispose()
        current.own_engine = None


def _build(current: BillingState) -> sa.Engine:
    host = current.db.engine
    options: dict[str, t.Any] = {"json_serializer": _as_json}

    if host.dialect.name == "postgresql":
        # The pool brings the host's level along; statements here are to see the latest rows.
        options["isolation_level"] = "READ COMMITTED"

    # Parameters hold what Stripe and customers sent, and errors end up in logs.
    built = sa.create_engine(host.url, pool=host.pool.recreate(), hide_parameters=True, **options)

    if built.dialect.name == "sqlite":
        _tune_sqlite(built, current)

    return built


def take(current: BillingState) -> sa.Connection:
    """A connection of the own engine: the one at hand, or one of the pool's."""
    try:
        return current.at_hand.pop()
    except IndexError:
        return _engine(current).connect()


def give_back(current: BillingState, connection: sa.Connection) -> None:
    """Keep a connection at hand, else give it to the pool, which rolls back what was begun."""
    if (
        current.keeps_one
        and not current.at_hand
        and connection.engine is current.own_engine
        and not connection.invalidated
        and not connection.in_transaction()
        and not prepared.has_begun(connection)
    ):
        current.at_hand.append(connection)
    else:
        connection.close()


def _spares_one(built: sa.Engine) -> bool:
    """Whether a connection may be kept that is not given back to the pool.

    On SQLite, where nothing on the way drops it, and where the pool has another.
    """
    connections = built.pool
    return (
        built.dialect.name == "sqlite"
        and isinstance(connections, pool.QueuePool)
        and connections.size() != 1
    )


def _tune_sqlite(built: sa.Engine, current: BillingState) -> None:
    timeout = current.app.config["BILLING_SQLITE_BUSY_TIMEOUT"]
    wal: bool = current.app.config["BILLING_SQLITE_WAL"]

    @event.listens_for(built, "connect")
    def connect(connection: t.Any, record: object) -> None:
        # The driver's own BEGIN is deferred; ours takes the write lock up front, so that a
        # read never has to be upgraded and fail.
        if hasattr(connection, "autocommit"):
            # False is a transaction from the start, in which no PRAGMA works. True ends it.
            connection.autocommit = True
            connection.autocommit = _LEGACY

        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {int(timeout.total_seconds() * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")

        if wal:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # Counters change the same pages over and over: copied back less often, they are
            # copied once. In pages; the log stays within some 16 MB.
            connection.execute("PRAGMA wal_autocheckpoint = 4000")

    @event.listens_for(built, "begin")
    def begin(connection: sa.Connection) -> None:
        if prepared.has_begun(connection):
            return

        reads = connection.get_execution_options().get("billing_reads", False)
        prepared.begin(connection, "BEGIN" if reads else "BEGIN IMMEDIATE")

    @event.listens_for(built, "engine_disposed")
    def dispose(_engine: sa.Engine) -> None:
        while current.at_hand:
            current.at_hand.pop().invalidate()


def _holds_transaction(session: Session) -> bool:
    """Whether a session is in a transaction of which more hangs than what was read."""
    if not session.in_transaction():
        return False

    if session.in_nested_transaction() or session.new or session.dirty or session.deleted:
        return True

    if session.get_bind().dialect.name == "sqlite":
        return _has_written(session)

    # PostgreSQL numbers a transaction when it first writes, or locks a row.
    numbered = session.scalar(sa.text("SELECT txid_current_if_assigned() IS NOT NULL"))
    return bool(numbered)


def host_holds_write_lock() -> bool:
    """Whether ``db.session`` is inside a write on SQLite: a second writer would wait for it.

    Hosts that begin a transaction themselves, at the first read, count as writing too: what we
    wrote beside it would make their own next write fail on a stale snapshot.
    """
    return _holds_write_lock(state().db)


def _holds_write_lock(database: SQLAlchemy) -> bool:
    return (
        database.session.registry.has()
        and database.engine.dialect.name == "sqlite"
        and database.session().in_transaction()
        and bool(getattr(_driver(database.session()), "in_transaction", False))
    )


def _has_written(session: Session) -> bool:
    """Whether a session on SQLite has written in its transaction."""
    if not session.in_transaction():
        return False

    driver = _driver(session)

    if not getattr(driver, "in_transaction", False):
        return False

    # The driver's default begins at the first write. Where the host begins, it tells nothing.
    if getattr(driver, "isolation_level", "") is not None and _autocommit(driver) is not False:
        return True

    begun: int | None = session.connection().connection.info.get(_CHANGES_AT_BEGIN)
    return begun is None or driver.total_changes != begun


def _driver(session: Session) -> t.Any:
    return session.connection().connection.dbapi_connection


def _autocommit(driver: t.Any) -> object:
    """Python 3.12's switch: False begins a transaction at once."""
    return getattr(driver, "autocommit", None)


@event.listens_for(sa.Engine, "begin")
def _note_changes(connection: sa.Connection) -> None:
    """Remember how many rows an SQLite connection had changed when its transaction began."""
    if connection.dialect.name == "sqlite":
        pooled = connection.connection
        pooled.info[_CHANGES_AT_BEGIN] = getattr(pooled.dbapi_connection, "total_changes", None)


def _forget_inherited_connections() -> None:
    # A forked worker must not talk on its parent's sockets.
    for current in _states:
        # Never freed here, as that would take a lock which a thread of the parent's may hold.
        _inherited.extend(current.at_hand)
        current.at_hand.clear()

        if current.own_engine is not None:
            current.own_engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited_connections)
