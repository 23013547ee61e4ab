"""Who pays: whatever the host calls its users and teams becomes one customer, and only one."""

from __future__ import annotations

import collections.abc as c
import concurrent.futures
import dataclasses
import multiprocessing
import threading
import uuid

import pytest
import sqlalchemy as sa
from flask import Flask, session
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_sqlalchemy import SQLAlchemy

from flask_billing import Billing, Customer, Owner, current_customer
from flask_billing.database import close
from flask_billing.errors import ConfigError, NotSignedInError
from flask_billing.models import Outbox
from flask_billing.owners import as_owner

from .patience import patient

CATALOG = {"plans": {"free": {"name": "Free"}}}
USER_ID = uuid.UUID("6d9c1ef4-1e30-4d4c-9a6e-1f6f4dbb2d6e")


@dataclasses.dataclass
class Account:
    """A class of the host's that knows nothing of billing."""

    id: object
    email: str | None = None
    name: str | None = None


class User(UserMixin):  # type: ignore[misc]
    """A Flask-Login user."""

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.email = f"user{user_id}@example.com"


@dataclasses.dataclass
class App:
    """A host app with tables, and its billing."""

    app: Flask
    db: SQLAlchemy
    billing: Billing


def make(database_url: str) -> App:
    app = Flask("owners")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI=database_url, **patient(database_url))
    db = SQLAlchemy(app)
    return App(app, db, Billing(app, db=db, catalog=CATALOG))


def dispose(made: App) -> None:
    with made.app.app_context():
        made.db.session.remove()
        close(made.app.extensions["billing"])
        made.db.engine.dispose()


@pytest.fixture
def made(blank_url: str) -> c.Iterator[App]:
    """An app on SQLite and on PostgreSQL."""
    app = make(blank_url)

    with app.app.app_context():
        app.db.create_all()

    yield app
    dispose(app)


@pytest.mark.parametrize(
    ("owner_id", "stored"),
    [(7, "7"), (USER_ID, str(USER_ID)), ("auth0|7", "auth0|7"), ("Ünïcode/7", "Ünïcode/7")],
)
def test_ids_of_every_kind_find_their_customer_again(
    made: App, owner_id: object, stored: str
) -> None:
    with made.app.app_context():
        first = made.billing.customer_for(Account(owner_id, "a@example.com", "Ada"))
        again = made.billing.customer_for(Account(owner_id))

        assert first.id == again.id
        assert (first.owner_type, first.owner_id) == ("account", stored)
        assert (first.email, first.name) == ("a@example.com", "Ada")


def test_an_integer_and_its_text_are_one_owner(made: App) -> None:
    with made.app.app_context():
        assert (
            made.billing.customer_for(Account(7)).id == made.billing.customer_for(Account("7")).id
        )


def test_a_user_and_a_team_of_one_id_are_two_customers(made: App) -> None:
    with made.app.app_context():
        user = made.billing.customer_for(Owner("user", "1"))
        team = made.billing.customer_for(Owner("team", "1"))

        assert user.id != team.id


def test_a_mapped_class_is_named_by_its_table(made: App) -> None:
    class Team:
        __tablename__ = "teams"
        id = 3

    owner = as_owner(Team())
    assert owner is not None
    assert owner.type == "teams"


def test_a_worker_serves_one_owner_after_the_other(made: App) -> None:
    tasks = iter(["1", "2", "2"])
    task = ""
    made.billing.owner_loader(lambda: Owner("user", task))

    with made.app.app_context():
        served = []

        for task in tasks:  # noqa: B007  (the loader reads it)
            served.append(current_customer.owner_id)

    assert served == ["1", "2", "2"]


def test_flask_logins_user_pays(made: App) -> None:
    login = LoginManager(made.app)
    login.user_loader(lambda user_id: User(int(user_id)))
    made.billing.owner_loader(lambda: current_user)

    @made.app.get("/login/<int:user_id>")
    def log_in(user_id: int) -> str:
        login_user(User(user_id))
        return "in"

    @made.app.get("/me")
    def me() -> dict[str, object]:
        return {"owner": current_customer.owner_id, "email": current_customer.email}

    @made.app.errorhandler(NotSignedInError)
    def nobody(error: NotSignedInError) -> tuple[str, int]:
        return str(error), 401

    client = made.app.test_client()
    assert client.get("/me").status_code == 401
    client.get("/login/5")
    assert client.get("/me").json == {"owner": "5", "email": "user5@example.com"}


def test_the_loader_may_switch_between_user_and_team(made: App) -> None:
    @made.billing.owner_loader
    def load_owner() -> Account | Owner | None:
        if "team" in session:
            return Owner("team", session["team"], name="Team")

        return Account(session["user"]) if "user" in session else None

    @made.app.get("/me")
    def me() -> list[str]:
        return [current_customer.owner_type, current_customer.owner_id]

    client = made.app.test_client()

    with client.session_transaction() as kept:
        kept["user"] = 1

    assert client.get("/me").json == ["account", "1"]

    with client.session_transaction() as kept:
        kept["team"] = "1"

    assert client.get("/me").json == ["team", "1"]


def test_nobody_is_no_customer(made: App) -> None:
    made.billing.owner_loader(lambda: None)

    with made.app.test_request_context(), pytest.raises(NotSignedInError):
        assert current_customer.id


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        (object(), "which has no id"),
        (Account(None), "which has no id"),
        (Account(""), "1 to 255 characters"),
        (Account("x" * 256), "1 to 255 characters"),
    ],
)
def test_an_owner_without_a_usable_id_is_refused(made: App, owner: object, says: str) -> None:
    with made.app.app_context(), pytest.raises(ConfigError, match=says):
        made.billing.customer_for(owner)


def test_a_customer_outlives_the_requests_rollback(made: App) -> None:
    with made.app.app_context():
        made.billing.customer_for(Owner("user", "1"))
        made.db.session.rollback()

    assert customers(made) == 1


def test_eight_threads_make_one_customer(made: App) -> None:
    start = threading.Barrier(8)

    def first_request(_: int) -> int:
        with made.app.app_context():
            start.wait()
            return made.billing.customer_for(Owner("user", "1")).id

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(first_request, range(8)))

    assert len(ids) == 1
    assert customers(made) == 1
    assert announcements(made) == 1


def test_four_processes_make_one_customer(made: App, blank_url: str) -> None:
    context = multiprocessing.get_context("spawn")

    with context.Manager() as manager:
        start = manager.Barrier(4)

        with concurrent.futures.ProcessPoolExecutor(4, mp_context=context) as pool:
            ids = set(pool.map(first_request_of_a_process, [blank_url] * 4, [start] * 4))

    assert len(ids) == 1
    assert customers(made) == 1
    assert announcements(made) == 1


def first_request_of_a_process(database_url: str, start: threading.Barrier) -> int:
    made = make(database_url)

    with made.app.app_context():
        start.wait()
        found = made.billing.customer_for(Owner("user", "1")).id

    dispose(made)
    return found


def customers(made: App) -> int:
    return count(made, Customer)


def announcements(made: App) -> int:
    return count(made, Outbox)


def count(made: App, table: type[Customer | Outbox]) -> int:
    with made.app.app_context():
        found = made.db.session.scalar(sa.select(sa.func.count()).select_from(table))
        return int(found or 0)
