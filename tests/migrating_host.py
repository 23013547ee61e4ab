"""A host app with tables, a naming convention and a migration history of its own.

``python -m tests.migrating_host URL FOLDER COMMAND...`` runs ``flask`` commands in it, in a
process of their own: Flask-Migrate's template sets up logging and uses deprecated calls.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_billing import Billing, Customer

CATALOG = Path(__file__).parent / "catalogs" / "ladder.toml"

CONVENTION = {
    "ix": "host_ix_%(column_0_label)s",
    "uq": "host_uq_%(table_name)s_%(column_0_name)s",
    "ck": "host_ck_%(table_name)s_%(constraint_name)s",
    "fk": "host_fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "host_pk_%(table_name)s",
}


class HostBase(DeclarativeBase):
    """The host's own base, with its own convention for names."""

    metadata = sa.MetaData(naming_convention=CONVENTION)


class Project(HostBase):
    """Something of the host's that points at a billing table."""

    __tablename__ = "project"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(80), unique=True)
    customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey(Customer.id), index=True)


def create_app(database_url: str, directory: str) -> Flask:
    """The host app."""
    app = Flask("migrating_host")
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url
    db = SQLAlchemy(app, model_class=HostBase)
    Migrate(app, db, directory)
    billing = Billing(db=db, catalog=CATALOG)
    billing.init_app(app)
    return app


def main(database_url: str, directory: str, *commands: str) -> int:
    """Run commands until one fails."""
    app = create_app(database_url, directory)

    for command in commands:
        result = app.test_cli_runner().invoke(args=shlex.split(command))
        print(f"$ flask {command}\n{result.output}")

        if result.exit_code:
            return result.exit_code

    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
