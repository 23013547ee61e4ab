"""Runs the revisions of the billing tables, and nothing else, on the current app's database.

Only this repository uses it: host apps run their own ``env.py`` on the copies that
``flask billing install-migrations`` makes.
"""

from alembic import context
from flask import current_app
from sqlalchemy import JSON, Connection

from flask_billing.models import Base, UTCDateTime

migrate = current_app.extensions["migrate"]


def is_ours(name, kind, parents):
    """Leave the host's tables alone: ours start with ``billing_``."""
    return kind != "table" or name.startswith("billing_")


def render_item(kind, item, autogen):
    """Write types as the database has them, so that revisions outlive our classes."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"

    if kind == "type" and isinstance(item, JSON):
        return "sa.JSON()"

    return False


def skip_empty(migration_context, revision, directives):
    """Write no revision where nothing changed."""
    autogenerate = getattr(context.config.cmd_opts, "autogenerate", False)

    if autogenerate and directives[0].upgrade_ops.is_empty():
        directives.clear()


def run(connection: Connection | None) -> None:
    """Run the revisions on a connection, or print their SQL without one."""
    settings = {
        **migrate.configure_args,
        "target_metadata": Base.metadata,
        "include_name": is_ours,
        "render_item": render_item,
        "process_revision_directives": skip_empty,
    }

    if connection is None:
        url = migrate.db.engine.url.render_as_string(hide_password=False)
        context.configure(url=url, literal_binds=True, **settings)
    else:
        context.configure(connection=connection, **settings)

    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    run(None)
else:
    with migrate.db.engine.connect() as connection:
        run(connection)
