"""The revisions make exactly the tables of the models, alone and inside a host's history."""

from __future__ import annotations

import collections.abc as c
import contextlib
import subprocess
import sys
import typing as t
from datetime import UTC, datetime
from pathlib import Path

import click
import flask_migrate
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_billing.cli.migrations import copy_revisions, own_scripts
from flask_billing.models import (
    Base,
    Cancellation,
    Checkout,
    Customer,
    PaymentMethodChange,
    Subscription,
    SubscriptionChange,
    include_tables,
)

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Tables(t.NamedTuple):
    """An app whose database holds the billing tables."""

    app: Flask
    db: SQLAlchemy

    def upgrade(self) -> None:
        """Run our own revisions up to the last."""
        with self.app.app_context():
            flask_migrate.upgrade()

    def downgrade(self) -> None:
        """Take them all back."""
        with self.app.app_context():
            flask_migrate.downgrade(revision="base")

    def names(self) -> set[str]:
        """Tables in the database."""
        with self.app.app_context():
            return set(sa.inspect(self.db.engine).get_table_names())

    def differences(self) -> list[t.Any]:
        """What autogenerate would change in the database."""
        with self.app.app_context(), self.db.engine.connect() as connection:
            context = MigrationContext.configure(
                connection, opts={"compare_type": True, "compare_server_default": True}
            )
            return [
                change
                for change in compare_metadata(context, self.db.metadata)
                if getattr(change[1], "name", None) != "alembic_version"
            ]


@pytest.fixture
def tables(blank_url: str) -> c.Iterator[Tables]:
    """An app on an empty database."""
    app = Flask("tables")
    app.config["SQLALCHEMY_DATABASE_URI"] = blank_url
    db = SQLAlchemy(app)
    include_tables(db.metadata)
    flask_migrate.Migrate(app, db, str(ROOT / "migrations"))
    yield Tables(app, db)

    with app.app_context():
        db.engine.dispose()


def create_all(tables: Tables) -> None:
    with tables.app.app_context():
        tables.db.create_all()


def test_create_all_leaves_no_difference(tables: Tables) -> None:
    create_all(tables)

    assert tables.differences() == []


def test_upgrade_downgrade_and_upgrade_leave_no_difference(tables: Tables) -> None:
    tables.upgrade()
    assert tables.names() == {*Base.metadata.tables, "alembic_version"}
    assert tables.differences() == []

    tables.downgrade()
    assert tables.names() == {"alembic_version"}

    tables.upgrade()
    assert tables.differences() == []


def test_a_revision_made_for_a_host_keeps_the_conditions_of_indexes(tables: Tables) -> None:
    with tables.app.app_context(), tables.db.engine.connect() as connection:
        made = produce_migrations(MigrationContext.configure(connection), tables.db.metadata)

    assert made.upgrade_ops is not None
    written = render_python_code(made.upgrade_ops)

    for condition in ("state = 'open'", "state = 'pending'"):
        assert f'sqlite_where=sa.text("{condition}")' in written
        assert f'postgresql_where=sa.text("{condition}")' in written


@pytest.mark.parametrize("make", [create_all, Tables.upgrade])
def test_a_customer_has_one_open_checkout(tables: Tables, make: c.Callable[[Tables], None]) -> None:
    make(tables)
    values = {
        "plan": "pro", "interval": "month", "currency": "usd", "quantity": 1, "price": "price_1",
        "trial_days": 0, "success_url": "", "cancel_url": "", "attempt": 1,
        "created_at": NOW, "expires_at": NOW,
    }  # fmt: skip

    with transaction(tables) as insert:
        first, second = insert_customer(insert, "1"), insert_customer(insert, "2")
        insert(Checkout, customer_id=first, state="complete", **values)
        insert(Checkout, customer_id=first, state="complete", **values)
        insert(Checkout, customer_id=first, state="open", **values)
        insert(Checkout, customer_id=second, state="open", **values)

    with pytest.raises(sa.exc.IntegrityError), transaction(tables) as insert:
        insert(Checkout, customer_id=first, state="open", **values)


@pytest.mark.parametrize("make", [create_all, Tables.upgrade])
def test_a_subscription_has_one_pending_change(
    tables: Tables, make: c.Callable[[Tables], None]
) -> None:
    make(tables)
    values = {"kind": "downgrade", "attempt": 1, "created_at": NOW}

    with transaction(tables) as insert:
        customer = insert_customer(insert, "1")
        plan = insert_subscription(insert, customer, "sub_1")
        other = insert_subscription(insert, customer, "sub_2")
        owned = {"customer_id": customer, **values}
        insert(SubscriptionChange, subscription_id=plan, state="done", **owned)
        insert(SubscriptionChange, subscription_id=plan, state="done", **owned)
        insert(SubscriptionChange, subscription_id=plan, state="pending", **owned)
        insert(SubscriptionChange, subscription_id=other, state="pending", **owned)

    with pytest.raises(sa.exc.IntegrityError), transaction(tables) as insert:
        insert(SubscriptionChange, subscription_id=plan, state="pending", **owned)


@pytest.mark.parametrize("make", [create_all, Tables.upgrade])
def test_a_customer_has_one_open_change_of_cards_beside_those_that_are_added(
    tables: Tables, make: c.Callable[[Tables], None]
) -> None:
    make(tables)

    with transaction(tables) as insert:
        customer = insert_customer(insert, "1")
        values = {"customer_id": customer, "makes_default": False, "attempt": 1, "created_at": NOW}
        insert(PaymentMethodChange, kind="remove", state="done", **values)
        insert(PaymentMethodChange, kind="add", state="open", **values)
        insert(PaymentMethodChange, kind="add", state="open", **values)
        insert(PaymentMethodChange, kind="remove", state="open", **values)

    with pytest.raises(sa.exc.IntegrityError), transaction(tables) as insert:
        insert(PaymentMethodChange, kind="default", state="open", **values)


@pytest.mark.parametrize("make", [create_all, Tables.upgrade])
def test_a_customer_is_on_one_visit_of_each_page(
    tables: Tables, make: c.Callable[[Tables], None]
) -> None:
    make(tables)

    with transaction(tables) as insert:
        values = {"customer_id": insert_customer(insert, "1"), "started_at": NOW}
        insert(Cancellation, source="cancel", outcome="abandoned", **values)
        insert(Cancellation, source="cancel", outcome="abandoned", **values)
        insert(Cancellation, source="cancel", **values)
        insert(Cancellation, source="downgrade", **values)

    with pytest.raises(sa.exc.IntegrityError), transaction(tables) as insert:
        insert(Cancellation, source="cancel", **values)


def test_a_host_installs_upgrades_and_has_nothing_left_to_migrate(
    blank_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "migrations"
    output = host_runs(
        blank_url,
        folder,
        "db init",
        "billing install-migrations",
        "db upgrade",
        "db migrate -m project",
        "db upgrade",
        "db check",
        "billing install-migrations",
        "db downgrade base",
        "db upgrade",
        "db check",
    )

    assert "Nothing to copy" in output
    project = next((folder / "versions").glob("*_project.py")).read_text()
    assert "create_table('project'" in project
    assert "create_table('billing" not in project
    assert "drop" not in project.partition("def downgrade")[0]
    assert "billing_" not in project.replace("billing_customer", "")


def test_installing_without_a_migrations_folder_says_how_to_make_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    output = host_runs(sqlite_url, tmp_path / "none", "billing install-migrations", fails=True)

    assert "flask db init" in output


def test_installing_into_several_heads_names_them(tmp_path: Path) -> None:
    host = history(tmp_path / "host", ("aaa", None), ("bbb", "aaa"), ("ccc", "aaa"))

    with pytest.raises(click.ClickException, match=r"2 heads \(bbb, ccc\).*flask db merge heads"):
        copy_revisions(own_scripts(), host)


def test_an_update_adds_only_new_revisions_behind_the_hosts_head(tmp_path: Path) -> None:
    ours = history(tmp_path / "ours", ("b1", None))
    host = history(tmp_path / "host", ("h1", None))
    assert copy_revisions(ours, host) == ["b1_step.py"]

    host = history(tmp_path / "host", ("h2", "b1"))
    ours = history(tmp_path / "ours", ("b2", "b1"), ("b3", "b2"))
    assert copy_revisions(ours, host) == ["b2_step.py", "b3_step.py"]
    assert copy_revisions(ours, reread(host)) == []

    order = [script.revision for script in reread(host).walk_revisions()]
    assert order == ["b3", "b2", "h2", "b1", "h1"]
    assert "Revises: h2\n" in (tmp_path / "host/versions/b2_step.py").read_text()


def test_the_shipped_history_is_one_line() -> None:
    assert len(own_scripts().get_heads()) == 1


def host_runs(database_url: str, folder: Path, *commands: str, fails: bool = False) -> str:
    """Run ``flask`` commands in the host app; gives back what they printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.migrating_host", database_url, str(folder), *commands],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout


def history(folder: Path, *revisions: tuple[str, str | None]) -> ScriptDirectory:
    """Add empty revisions to a migrations folder."""
    (folder / "versions").mkdir(parents=True, exist_ok=True)

    for revision, down in revisions:
        (folder / "versions" / f"{revision}_step.py").write_text(
            f'"""A step.\n\nRevision ID: {revision}\nRevises: {down or ""}\n\n"""\n\n'
            f"revision = {revision!r}\ndown_revision = {down!r}\n"
        )

    return ScriptDirectory(str(folder))


def reread(scripts: ScriptDirectory) -> ScriptDirectory:
    return ScriptDirectory(scripts.dir)


class Insert(t.NamedTuple):
    """Inserts rows in one transaction."""

    connection: sa.Connection

    def __call__(self, table: type[Base], **values: object) -> int:
        statement = sa.insert(table).values(**values).returning(table.__table__.c.id)
        found: int = self.connection.execute(statement).scalar_one()
        return found


@contextlib.contextmanager
def transaction(tables: Tables) -> c.Iterator[Insert]:
    """A committed transaction on the app's database."""
    with tables.app.app_context(), tables.db.engine.begin() as connection:
        yield Insert(connection)


def insert_customer(insert: Insert, owner: str) -> int:
    return insert(Customer, owner_type="user", owner_id=owner, created_at=NOW)


def insert_subscription(insert: Insert, customer: int, stripe_id: str) -> int:
    return insert(
        Subscription,
        customer_id=customer,
        stripe_id=stripe_id,
        status="active",
        quantity=1,
        currency="usd",
        synced_at=NOW,
    )
