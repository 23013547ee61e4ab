"""dj-stripe as a contender: its own webhook view, in its own environment.

Runs without this project installed. It gets what a careful host would set: persistent
connections, and on SQLite the same WAL mode, synchronous level and immediate transactions.
"""

from __future__ import annotations

import sys
import typing as t
import warnings
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parent))

from memory_stripe import MemoryStripe
from stream import SECRET
from worker import serve

KEY: t.Final = "sk_test_benchmark0123456789abcdef"
ENDPOINT: t.Final = "8a4c0f4e-8e60-4b64-9d5a-0d5f6a1d2c3b"

#: What ``startproject`` gives a host, without its admin pages, and dj-stripe.
APPS: t.Final = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "djstripe",
]
MIDDLEWARE: t.Final = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]


class DjStripeContender:
    """A Django project with dj-stripe, otherwise as ``startproject`` makes it."""

    path = f"/stripe/webhook/{ENDPOINT}/"

    def __init__(self, database_url: str, memory: MemoryStripe) -> None:
        import django
        import stripe
        from django.conf import settings

        settings.configure(
            SECRET_KEY="benchmark",
            ALLOWED_HOSTS=["*"],
            ROOT_URLCONF=__name__,
            INSTALLED_APPS=APPS,
            MIDDLEWARE=MIDDLEWARE,
            DATABASES={"default": _database(database_url)},
            USE_TZ=True,
            STRIPE_LIVE_MODE=False,
            STRIPE_TEST_SECRET_KEY=KEY,
            DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
            LOGGING_CONFIG=None,
            # The tables at once instead of a history of migrations: seconds, not minutes.
            MIGRATION_MODULES={app.rsplit(".", 1)[-1]: None for app in APPS},
        )
        warnings.simplefilter("ignore")
        django.setup()
        stripe.default_http_client = memory

        from django.core.management import call_command
        from django.core.wsgi import get_wsgi_application
        from djstripe.models import WebhookEndpoint

        call_command("migrate", run_syncdb=True, verbosity=0)
        WebhookEndpoint.objects.create(
            id="we_benchmark",
            djstripe_uuid=ENDPOINT,
            secret=SECRET,
            livemode=False,
            enabled_events=["*"],
            url=f"https://example.com{self.path}",
            status="enabled",
        )
        self.wsgi = get_wsgi_application()
        self.sent = 0

    def link(self, customers: list[dict[str, t.Any]]) -> None:
        """Sync the customers, as dj-stripe does when it creates them."""
        from djstripe.models import Customer
        from stripe import Customer as StripeCustomer

        for customer in customers:
            found = StripeCustomer.retrieve(customer["id"], api_key=KEY)
            Customer.sync_from_stripe_data(found, api_key=KEY)

    def count_statements(self) -> None:
        """Count from now on."""
        from django.db import connection

        connection.execute_wrappers.append(self._count)

    def statements(self) -> int:
        """Statements sent since, savepoints included."""
        return self.sent

    def _count(self, execute: t.Any, sql: str, *arguments: t.Any) -> t.Any:
        self.sent += 1
        return execute(sql, *arguments)


def _database(url: str) -> dict[str, t.Any]:
    parts = urlsplit(url)

    if parts.scheme == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": parts.path[1:],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
                "transaction_mode": "IMMEDIATE",
            },
        }

    query = dict(pair.split("=", 1) for pair in parts.query.split("&") if pair)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username,
        "PASSWORD": parts.password or "",
        "HOST": unquote(query.get("host", parts.hostname or "")),
        "PORT": parts.port or "",
        "CONN_MAX_AGE": None,
    }


def _urlpatterns() -> list[t.Any]:
    from django.urls import include, path

    return [path("stripe/", include("djstripe.urls", namespace="djstripe"))]


def __getattr__(name: str) -> t.Any:
    # Django reads this module as its URLconf, once the settings stand.
    if name == "urlpatterns":
        return _urlpatterns()

    raise AttributeError(name)


if __name__ == "__main__":
    stripe_in_memory = MemoryStripe()
    serve(DjStripeContender(sys.argv[1], stripe_in_memory), stripe_in_memory)
