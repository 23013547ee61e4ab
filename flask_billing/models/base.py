"""The declarative base: own metadata, column types, and the copy into the host's metadata."""

import collections.abc as c
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


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A moment in UTC. SQLite forgets the zone, so it is put back on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(
        self, dialect: sa.Dialect
    ) -> c.Callable[[datetime | None], datetime | str | None] | None:
        """Refuse a naive time; store UTC, as text where SQLite wants it."""
        return _as_text if dialect.name == "sqlite" else _as_utc

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """The same for a literal in SQL."""
        return _as_utc(value)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give back an aware UTC time."""
        if value is None:
            return None

        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _as_utc(value: datetime | None) -> datetime | None:
    if value is None:
        return None

    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone. Times are timezone-aware UTC.")

    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _as_text(value: datetime | None) -> str | None:
    # What SQLAlchemy's own type would write, a tenth of a delivery's work faster.
    value = _as_utc(value)
    return None if value is None else value.replace(tzinfo=None).isoformat(" ", "microseconds")


class Base(orm.DeclarativeBase):
    """Base of all billing tables, apart from the host's own."""

    metadata = sa.MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads it off the class)
        int: sa.BigInteger(),
        datetime: UTCDateTime(),
        dict[str, t.Any]: sa.JSON(none_as_null=True),
        list[t.Any]: sa.JSON(none_as_null=True),
    }


def include_tables(metadata: sa.MetaData) -> None:
    """Copy every billing table into the host's metadata.

    The host's ``create_all`` and ``flask db migrate`` then see them, while the model classes
    stay static. Calling it twice does nothing.

    :raises ConfigError: where the host's metadata sets a schema for all its tables.
    """
    if metadata.schema is not None:
        raise ConfigError(
            f"The host's MetaData sets schema={metadata.schema!r}, which would move the billing "
            "tables too. Give the schema to your own tables with __table_args__ instead."
        )

    for table in Base.metadata.sorted_tables:
        if table.key not in metadata.tables:
            table.to_metadata(metadata)
