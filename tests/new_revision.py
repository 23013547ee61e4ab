"""``make revision MESSAGE="..."``: write a revision for what changed in the models.

Read it before committing it: autogenerate sees no renamed column and no changed condition of a
partial index.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import flask_migrate
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_billing.models import include_tables

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def main(message: str) -> None:
    """Compare a database at the last revision with the models."""
    with tempfile.TemporaryDirectory() as folder:
        app = Flask("revision")
        app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/revision.sqlite"
        db = SQLAlchemy(app)
        include_tables(db.metadata)
        flask_migrate.Migrate(app, db, str(MIGRATIONS))

        with app.app_context():
            flask_migrate.upgrade()
            flask_migrate.migrate(message=f"billing {message}")
            db.engine.dispose()


if __name__ == "__main__":
    main(
        " ".join(sys.argv[1:]).strip() or sys.exit('Say what changed: make revision MESSAGE="..."')
    )
