"""The plugin in hosts of every kind, and where nobody asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import Run, edit_app

pytest_plugins = ["pytester"]

#: Tests inside one transaction that is rolled back, as the makers of Flask-SQLAlchemy recommend it.
ROLLED_BACK = """
import pytest
import sqlalchemy as sa
from app import app as flask_app, db
from flask_billing import Owner
from flask_billing.models import Customer, StripePrice, WebhookEvent


if flask_app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):

    @sa.event.listens_for(sa.Engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None

    @sa.event.listens_for(sa.Engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")


@pytest.fixture(scope="session")
def tables():
    with flask_app.app_context():
        db.create_all()
    yield
    with flask_app.app_context():
        assert [
            db.session.scalar(sa.select(sa.func.count()).select_from(table))
            for table in (Customer, StripePrice, WebhookEvent)
        ] == [0, 0, 0]


@pytest.fixture
def app(tables):
    with flask_app.app_context():
        engines = db.engines

    engine = engines[None]
    connection = engines[None] = engine.connect()
    transaction = connection.begin()
    yield flask_app
    transaction.rollback()
    connection.close()
    engines[None] = engine


@pytest.fixture
def ada():
    return Owner("user", 1)


@pytest.fixture
def client(app, ada):
    client = app.test_client()
    with client.session_transaction() as session:
        session["user_id"] = 1
    return client
"""

BUYS_TWICE = """
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_buying(stripe_sandbox, client, ada, time):
    customer = stripe_sandbox.customer(ada)
    assert customer.plan == "free"
    assert "Pro" in stripe_sandbox.buy(client, "pro").text
    assert customer.use("reports", left=1).plan == "pro"
    assert [client.post("/reports").status_code for _ in range(2)] == [200, 429]
"""


def test_a_host_that_rolls_back_its_tests_keeps_nothing(
    host: pytest.Pytester, run: Run, blank_url: str
) -> None:
    edit_app(host, "sqlite:///app.db", blank_url)
    host.makeconftest(ROLLED_BACK)

    run(BUYS_TWICE).assert_outcomes(passed=2)


def test_a_context_that_is_open_all_along_does_no_harm(host: pytest.Pytester, run: Run) -> None:
    conftest = host.path / "conftest.py"
    conftest.write_text(conftest.read_text() + ALWAYS_OPEN)

    run(BUYS_TWICE + COMES_LATER).assert_outcomes(passed=4)


#: The same owner has another number in each test.
COMES_LATER = """

@pytest.mark.parametrize("earlier", [["2", "3"], []])
def test_usage_is_that_of_who_is_signed_in(stripe_sandbox, client, ada, earlier):
    from flask_billing import Owner

    for name in earlier:
        stripe_sandbox.customer(Owner("user", name))

    customer = stripe_sandbox.customer(ada)
    assert client.post("/reports").status_code == 200
    assert customer.usage("reports").used == 1
    assert "1 of 3" in client.get("/billing/").text
    customer.subscribe("pro")
    assert "Renews" in client.get("/billing/").text
"""

#: One application context for the whole run, which hosts have without a second thought.
ALWAYS_OPEN = """

@pytest.fixture(scope="session", autouse=True)
def context():
    with flask_app.app_context():
        yield
"""


def test_an_app_of_one_process_is_given_back(run: Run) -> None:
    run("""
import flask_billing
import pytest

@pytest.fixture(autouse=True)
def unchanged(app):
    state = app.extensions["billing"]
    before = state.stripe, state.sandbox, app.extensions.get("billing_clock"), app.wsgi_app
    limit_cache = app.config["BILLING_LIMIT_CACHE"]
    yield
    after = state.stripe, state.sandbox, app.extensions.get("billing_clock"), app.wsgi_app
    assert after == before
    assert app.config["BILLING_LIMIT_CACHE"] == limit_cache

def test_one(app, stripe_sandbox, ada):
    assert app.extensions["billing"].sandbox is stripe_sandbox
    customer = stripe_sandbox.subscribe(ada, "pro")
    assert len(stripe_sandbox.events("customer.subscription.created")) == 1

def test_another(stripe_sandbox, ada):
    assert stripe_sandbox.events() == []
    assert stripe_sandbox.subscribe(ada, "pro").plan == "pro"
""").assert_outcomes(passed=2)


def test_a_database_that_is_kept_does_no_harm(host: pytest.Pytester, run: Run) -> None:
    conftest = host.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace("        db.drop_all()\n", ""))

    run("""
import pytest

@pytest.mark.parametrize("time", [1, 2])
def test_paying(stripe_sandbox, ada, time):
    assert stripe_sandbox.subscribe(ada, "pro").cancel(now=True).plan == "free"

def test_buying(stripe_sandbox, client, ada):
    customer = stripe_sandbox.customer(ada)
    stripe_sandbox.buy(client, "pro")
    assert customer.plan == "pro"
""").assert_outcomes(passed=3)


def test_fixtures_can_be_overridden(run: Run) -> None:
    run("""
from datetime import UTC, datetime
import pytest
from app import app as flask_app
from flask_billing.sandbox import Settings

START = datetime(2026, 1, 31, 12, tzinfo=UTC)

@pytest.fixture
def application(app):
    return app

@pytest.fixture
def stripe_sandbox_app(application):
    return application

@pytest.fixture
def stripe_sandbox_now():
    return START

@pytest.fixture
def stripe_sandbox_settings():
    return Settings(after_retries="unpaid", retry_days=(1,))

def test_them(stripe_sandbox, ada):
    assert stripe_sandbox.clock.now() == START
    customer = stripe_sandbox.subscribe(ada, "pro", status="past_due")
    assert stripe_sandbox.clock.now().date().isoformat() == "2026-02-28"
    stripe_sandbox.advance(days=2)
    assert customer.status == "unpaid"
""").assert_outcomes(passed=1)


def test_it_may_be_named_as_a_plugin_too(host: pytest.Pytester, run: Run) -> None:
    conftest = host.path / "conftest.py"
    conftest.write_text(f'pytest_plugins = ["flask_billing.testing"]\n{conftest.read_text()}')

    run("def test_it(stripe_sandbox): pass", "-pflask_billing.testing").assert_outcomes(passed=1)


def test_it_can_be_switched_off(run: Run) -> None:
    result = run("def test_it(stripe_sandbox): pass", "-pno:flask_billing.testing")

    result.stdout.fnmatch_lines(["*fixture 'stripe_sandbox' not found*"])


def test_it_costs_nothing_until_it_is_used(run: Run) -> None:
    run(
        """
import sys

def test_nothing_of_billing(request):
    heavy = {"flask_billing.extension", "flask_billing.sandbox", "pydantic", "sqlalchemy", "stripe"}
    assert "flask_billing.testing" in sys.modules
    assert heavy & set(sys.modules) == set()
""",
        "--noconftest",
    ).assert_outcomes(passed=1)


def test_it_is_importable_without_pytest() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_PYTEST],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
from flask_billing.testing import StripeSandbox, cards
assert cards.PAYS
try:
    from flask_billing.testing import stripe_sandbox
except ImportError as error:
    assert "needs pytest" in str(error)
else:
    raise SystemExit("there is a fixture without pytest")
"""
