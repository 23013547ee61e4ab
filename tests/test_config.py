"""Settings: the documented defaults, and errors that name the key and the fix."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase

from flask_billing import Billing, Owner, current_customer
from flask_billing.config import DEFAULTS, ENVIRONMENT
from flask_billing.errors import ConfigError, NotInitialisedError
from flask_billing.sandbox import Sandbox
from flask_billing.state import state
from flask_billing.stripe_gateway import gateway

DOCS = Path(__file__).parent.parent / "docs" / "configuration.md"
CATALOG = {"plans": {"free": {"name": "Free"}}}


def configured(billing: Billing | None = None, /, **settings: object) -> Flask:
    """An app with billing under these settings."""
    app = Flask("configured")
    app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://", **settings)
    (billing or Billing()).init_app(app, db=SQLAlchemy(app), catalog=CATALOG)
    return app


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*ENVIRONMENT.values(), "BILLING_METERING_ENABLED"):
        monkeypatch.delenv(variable, raising=False)


def test_the_documented_table_is_the_table_in_force() -> None:
    rows = re.findall(r"^\| `(BILLING_\w+)` \| (.+?) \| .+\|$", DOCS.read_text(), flags=re.M)

    assert dict(rows) == {key: written(value) for key, value in DEFAULTS.items()}
    assert len(rows) == len(DEFAULTS)


def written(default: object) -> str:
    """A default as the documentation writes it."""
    if not isinstance(default, timedelta):
        return f"`{default!r}`"

    seconds = int(default.total_seconds())
    unit, size = next(
        (unit, size)
        for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
        if seconds % size == 0
    )
    count = seconds // size
    return f"{count} {unit}{'s' * (count != 1)}"


def test_environment_variables_are_documented() -> None:
    text = DOCS.read_text()

    for key, variable in ENVIRONMENT.items():
        line = next(line for line in text.splitlines() if line.startswith(f"| `{key}`"))
        assert f"`{variable}`" in line


def test_unset_settings_get_their_defaults() -> None:
    app = configured()

    assert {key: app.config[key] for key in DEFAULTS} == DEFAULTS


@pytest.mark.parametrize(
    ("key", "value", "fix"),
    [
        ("BILLING_PAST_DUE_GRACE", 7, "timedelta"),
        ("BILLING_METER_POLL", timedelta(seconds=-1), "timedelta"),
        ("BILLING_SANDBOX", "yes", "True or False"),
        ("BILLING_STRIPE_RETRIES", "2", "whole number"),
        ("BILLING_WEBHOOK_MAX_BYTES", True, "whole number"),
        ("BILLING_HTMX", "cdn", "'bundled' or 'host'"),
        ("BILLING_QUOTA_STATUS", 403, "429 or 402"),
        ("BILLING_WEBHOOK_PROCESSING", "later", "'inline' or 'deferred'"),
        ("BILLING_METERING_CONNECTION", "mine", "'own' or 'session'"),
        ("BILLING_STRIPE_SECRET_KEY", "pk_test_1", "Stripe secret key"),
        ("BILLING_STRIPE_SECRET_KEY", "sk_test_…", "Stripe secret key"),
        ("BILLING_STRIPE_SECRET_KEY", "sk_test_1 # mine", "Stripe secret key"),
        ("BILLING_STRIPE_PUBLISHABLE_KEY", "sk_test_1", "publishable key (pk_…)"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "sk_test_1", "signing secret (whsec_…)"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", 5, "signing secret (whsec_…)"),
        ("BILLING_STRIPE_TIMEOUT", timedelta(0), "above zero"),
        ("BILLING_STRIPE_RETRIES", -1, "0 or more"),
        ("BILLING_SANDBOX_STORE", 5, "path of a file"),
        ("BILLING_SANDBOX_PREFIX", "stripe", "'/sandbox/stripe'"),
        ("BILLING_BASE_URL", "app.example.com", "'https://app.example.com'"),
        ("BILLING_BASE_URL", "https://[app", "'https://app.example.com'"),
        ("BILLING_BASE_URL", "javascript:alert(1)", "'https://app.example.com'"),
        ("BILLING_BASE_URL", "https://app example.com", "'https://app.example.com'"),
        ("BILLING_URL_PREFIX", "billing", "'/billing'"),
        ("BILLING_URL_PREFIX", "/billing/", "'/billing'"),
        ("BILLING_URL_PREFIX", None, "'/billing'"),
        ("BILLING_BASE_TEMPLATE", None, "name of a template"),
        ("BILLING_LOGIN_ENDPOINT", 5, "'auth.login'"),
        ("BILLING_REDIRECT_HOSTS", "pay.example.com", "('pay.example.com',)"),
        ("BILLING_REDIRECT_HOSTS", ["https://pay.example.com/"], "('pay.example.com',)"),
        ("BILLING_CONTACT_URL", "javascript:alert(1)", "mailto:"),
        ("BILLING_PORTAL_FEATURES", "invoices", "payment_methods, invoices, address"),
        ("BILLING_PORTAL_FEATURES", ["usage"], "payment_methods, invoices, address"),
        ("BILLING_PORTAL_CONFIGURATION", "default", "bpc_"),
        ("BILLING_STRIPE_TAX", "yes", "True or False"),
        ("BILLING_METER_POLL", timedelta(0), "above zero"),
        ("BILLING_METER_WARN_PERCENT", 0, "from 1 to 100"),
        ("BILLING_METER_WARN_PERCENT", 95, "BILLING_METER_CRITICAL_PERCENT"),
        ("BILLING_WEBHOOK_MAX_BYTES", 0, "1 or more"),
        ("BILLING_COLOUR_SCHEME", "dark", "See docs/configuration.md"),
        ("BILLING_PASTDUE_GRACE", timedelta(1), "Did you mean BILLING_PAST_DUE_GRACE?"),
    ],
)
def test_a_wrong_setting_names_key_and_fix(key: str, value: object, fix: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured(None, **{key: value})

    assert key in str(error.value)
    assert fix in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("BILLING_STRIPE_SECRET_KEY", "whsec_do_not_tell"),
        ("BILLING_STRIPE_PUBLISHABLE_KEY", "sk_live_do_not_tell"),
        ("BILLING_STRIPE_WEBHOOK_SECRETS", "sk_live_do_not_tell"),
    ],
)
def test_a_secret_key_never_appears_in_an_error(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured(None, **{key: value})

    assert "do_not_tell" not in str(error.value)


def test_a_live_key_needs_a_base_url() -> None:
    with pytest.raises(ConfigError, match=r"BILLING_BASE_URL.*https://app\.example\.com"):
        configured(BILLING_STRIPE_SECRET_KEY="sk_live_1")

    configured(BILLING_STRIPE_SECRET_KEY="sk_live_1", BILLING_BASE_URL="https://app.example.com")


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1"])
def test_a_live_key_and_the_sandbox_are_refused_together(key: str) -> None:
    with pytest.raises(ConfigError, match=r"BILLING_SANDBOX is on.* is a live key"):
        configured(
            BILLING_SANDBOX=True,
            BILLING_STRIPE_SECRET_KEY=key,
            BILLING_BASE_URL="https://app.example.com",
        )


def test_a_sandbox_is_not_connected_to_an_app_with_a_live_key() -> None:
    app = configured(
        BILLING_STRIPE_SECRET_KEY="sk_live_1", BILLING_BASE_URL="https://app.example.com"
    )
    sandbox = Sandbox()

    with pytest.raises(ConfigError, match=r"a sandbox is connected.* is a live key"):
        sandbox.connect(app)

    assert app.extensions["billing"].stripe.api_key == "sk_live_1"
    sandbox.close()


def test_a_live_key_of_the_environment_and_the_sandbox_are_refused_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_live_1")

    with pytest.raises(ConfigError, match=r"BILLING_SANDBOX is on.* is a live key"):
        configured(BILLING_SANDBOX=True, BILLING_BASE_URL="https://app.example.com")


def test_without_webhook_secrets_none_are_trusted() -> None:
    for nothing in (None, "", ["", None]):
        app = configured(BILLING_STRIPE_WEBHOOK_SECRETS=nothing)
        assert app.config["BILLING_STRIPE_WEBHOOK_SECRETS"] == ()


def test_keys_fall_back_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_environment")
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old")

    app = configured()
    assert app.config["BILLING_STRIPE_SECRET_KEY"] == "sk_test_environment"
    assert app.config["BILLING_STRIPE_WEBHOOK_SECRETS"] == ("whsec_new", "whsec_old")

    own = configured(BILLING_STRIPE_SECRET_KEY="sk_test_own")
    assert own.config["BILLING_STRIPE_SECRET_KEY"] == "sk_test_own"


def test_keys_that_were_read_from_a_file_may_end_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_environment\n")
    monkeypatch.setenv("STRIPE_PUBLISHABLE_KEY", " pk_test_environment\n")

    app = configured(BILLING_STRIPE_WEBHOOK_SECRETS=["whsec_new\n", " whsec_old", "\n"])

    assert app.config["BILLING_STRIPE_SECRET_KEY"] == "sk_test_environment"
    assert app.config["BILLING_STRIPE_PUBLISHABLE_KEY"] == "pk_test_environment"
    assert app.config["BILLING_STRIPE_WEBHOOK_SECRETS"] == ("whsec_new", "whsec_old")


def test_the_environment_can_switch_metering_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_METERING_ENABLED", "0")
    assert configured().config["BILLING_METERING_ENABLED"] is False

    monkeypatch.setenv("BILLING_METERING_ENABLED", "no")

    with pytest.raises(ConfigError, match=r"BILLING_METERING_ENABLED.*0 or 1"):
        configured()


def test_a_missing_secret_key_is_told_at_the_first_call() -> None:
    with configured().app_context(), pytest.raises(ConfigError, match="BILLING_STRIPE_SECRET_KEY"):
        gateway().get("/v1/account")


def test_a_missing_catalog_is_told_at_start() -> None:
    app = Flask("without")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"

    with pytest.raises(ConfigError, match="BILLING_CATALOG"):
        Billing(app, db=SQLAlchemy(app))


@pytest.mark.parametrize("catalog", [5, ["billing.toml"], b"billing.toml", ""])
def test_what_is_no_catalog_is_told_at_start(catalog: object) -> None:
    app = Flask("without")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", BILLING_CATALOG=catalog)

    with pytest.raises(ConfigError, match=r"init_app.* BILLING_CATALOG"):
        Billing(app, db=SQLAlchemy(app))


def test_a_missing_database_is_told_at_start() -> None:
    with pytest.raises(ConfigError, match=r"Billing\(db=db\)"):
        Billing(Flask("without"), catalog=CATALOG)


def test_the_hosts_database_is_found_without_naming_it() -> None:
    app = Flask("host")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db = SQLAlchemy(app)
    Billing(app, catalog=CATALOG)

    assert "billing_customer" in db.metadata.tables


def test_billing_is_added_once() -> None:
    app = configured()

    with pytest.raises(ConfigError, match="already has billing"):
        Billing().init_app(app, catalog=CATALOG)


def test_a_schema_for_all_tables_is_refused() -> None:
    class Base(DeclarativeBase):
        metadata = sa.MetaData(schema="tenant")

    app = Flask("schema")
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"

    with pytest.raises(ConfigError, match=r"schema='tenant'.*__table_args__"):
        Billing(app, db=SQLAlchemy(app, model_class=Base), catalog=CATALOG)


def test_an_app_without_billing_says_so() -> None:
    with Flask("bare").app_context(), pytest.raises(NotInitialisedError, match="init_app"):
        state()


def test_a_missing_owner_loader_is_told_at_first_use() -> None:
    with (
        configured().test_request_context(),
        pytest.raises(ConfigError, match=r"@billing\.owner_loader"),
    ):
        assert current_customer.id


def test_one_instance_serves_two_apps_with_two_configs() -> None:
    billing = Billing()

    @billing.owner_loader
    def load_owner() -> Owner:
        return Owner("user", "1")

    first = configured(
        billing, BILLING_URL_PREFIX="/billing", BILLING_STRIPE_SECRET_KEY="sk_test_1"
    )
    second = Flask("second")
    second.config.update(
        SECRET_KEY="x",
        SQLALCHEMY_DATABASE_URI="sqlite://",
        BILLING_URL_PREFIX="/abo",
        BILLING_STRIPE_SECRET_KEY="sk_test_2",
        BILLING_PAST_DUE_GRACE=timedelta(days=1),
    )
    catalog = {"currency": "eur", "plans": {"solo": {"name": "Solo"}}}
    billing.init_app(second, db=SQLAlchemy(second), catalog=catalog)

    seen = []

    for app in (first, second, first):
        with app.test_request_context():
            app.extensions["sqlalchemy"].create_all()
            current = state()
            seen.append(
                (
                    current.webhook_path,
                    current.stripe.api_key,
                    [plan.key for plan in current.catalog.plans],
                    current.app.config["BILLING_PAST_DUE_GRACE"].days,
                )
            )
            access = billing.access()
            assert access.plan is current.catalog.free_plan

    assert seen[0] == ("/billing/webhooks/stripe", "sk_test_1", ["free"], 7)
    assert seen[1] == ("/abo/webhooks/stripe", "sk_test_2", ["solo"], 1)
    assert seen[2] == seen[0]
    assert not any(isinstance(value, Flask) for value in vars(billing).values())
