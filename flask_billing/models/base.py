"""The declarative base: own metadata, column types, and the way into the host's metadata."""

import collections.abc as c
import functools
import typing as t
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy import orm

from ..errors import ConfigError

NAMING: t.Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

#: SQLite only counts up an INTEGER primary key.
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


#: A moment as SQLite keeps it.
_TEXT: t.Final = "%04d-%02d-%02d %02d:%02d:%02d.%06d"


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the zone, so it is put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(
        self, dialect: sa.Dialect
    ) -> c.Callable[[datetime | None], datetime | str | None] | None:
        """Refuse a naive time; store UTC, as text where SQLite wants it."""
        return _as_text if dialect.name == "sqlite" else _as_utc

    def result_processor(
        self, dialect: sa.Dialect, coltype: object
    ) -> c.Callable[[t.Any], datetime | None]:
        """Give back an aware UTC time, which SQLite has as text."""
        return _from_text if dialect.name == "sqlite" else _aware

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """The same for a literal in SQL."""
        return _as_utc(value)


def _from_text(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(f"{value}+00:00")


def _aware(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


def _as_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None

    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone. Times are timezone-aware UTC.")

    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    # What SQLAlchemy's own type would write, a tenth of a delivery's work faster.
    if value is None:
        return None

    if value.tzinfo is not UTC:
        value = t.cast("datetime", _as_utc(value))

    return _TEXT % (
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


class Base(orm.DeclarativeBase):
    """Base of all billing tables, apart from the host's own."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it off the class)
        int: sa.BigInteger(),
        datetime: UTCDateTime(),
        dict[str, t.Any]: sa.JSON(none_as_null=True),
        list[t.Any]: sa.JSON(none_as_null=True),
    }


class PartialIndex(sa.Index):
    """An index over the rows for which a condition holds, unique unless said otherwise.

    SQLAlchemy takes the condition per dialect, and to check the option it loads the dialect:
    for PostgreSQL five drivers with asyncio, in apps that never use one. So it is told when
    somebody asks for the options, which is when SQL is written or tables are compared.
    """

    inherit_cache = True

    def __init__(self, name: str | None, *columns: str, where: str, unique: bool = True) -> None:
        super().__init__(name, *columns, unique=unique)
        self._where = sa.text(where)

    @functools.cached_property
    def dialect_options(self) -> t.Any:
        """The options of every dialect, the condition among them."""
        options = super().dialect_options

        for dialect in ("sqlite", "postgresql"):
            options[dialect]["where"] = self._where

        return options


def include_tables(metadata: sa.MetaData) -> None:
    """Put every billing table into the host's metadata.

    The host's ``create_all`` and ``flask db migrate`` then see them, while the model classes
    stay static. They are the tables of the models and no copies: those would take a quarter of
    what the models take, in time and in memory. Calling it twice does nothing.

    :raises ConfigError: where the host's metadata sets a schema for all its tables.
    """
    if metadata.schema is not None:
        raise ConfigError(
            f"The host's MetaData sets schema={metadata.schema!r}, which would move the billing "
            "tables too. Give the schema to your own tables with __table_args__ instead."
        )

    for table in Base.metadata.tables.values():
        if table.key not in metadata.tables:
            # SQLAlchemy has no public way to list a table in a second metadata.
            metadata._add_table(table.name, table.schema, table)

    _type_references(metadata)


def _type_references(metadata: sa.MetaData) -> None:
    """Give the host's foreign keys that waited for our tables the type of what they refer to."""
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            referred = key.target_fullname.rpartition(".")[0]

            if isinstance(key.parent.type, sa.types.NullType) and referred in Base.metadata.tables:
                key.parent.type = key.column.type
