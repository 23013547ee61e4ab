"""Every ``BILLING_*`` setting with its default.

``init_app`` copies what the host has not set into ``app.config`` once; afterwards code
reads ``current_app.config[...]``, so a misspelt key is a ``KeyError`` and not a silent
default. docs/configuration.md shows this table and a test compares the two.
"""

from __future__ import annotations

import os
import re
import typing as t
from datetime import timedelta

from . import config_rules
from .errors import ConfigError

if t.TYPE_CHECKING:
    from flask import Flask

DEFAULTS: t.Final[dict[str, object]] = {
    # Plans as code: path of a TOML file, relative to the app's root. `init_app(catalog=...)` wins.
    "BILLING_CATALOG": None,
    # Stripe. Unset keys fall back to the environment: see ENVIRONMENT below.
    "BILLING_STRIPE_SECRET_KEY": None,
    "BILLING_STRIPE_PUBLISHABLE_KEY": None,
    # Signing secrets of the webhook endpoint, newest first. Two while one is being rolled.
    "BILLING_STRIPE_WEBHOOK_SECRETS": (),
    # How long one call to Stripe may take, and how often the client repeats a failed one.
    "BILLING_STRIPE_TIMEOUT": timedelta(seconds=20),
    "BILLING_STRIPE_RETRIES": 2,
    # True runs on the offline sandbox: no account, no key. Refused together with a live key.
    "BILLING_SANDBOX": False,
    # File that keeps the sandbox's state, relative to the instance folder. None: in memory.
    "BILLING_SANDBOX_STORE": None,
    # Where the sandbox's hosted pages are mounted in this app.
    "BILLING_SANDBOX_PREFIX": "/sandbox/stripe",
    # The sandbox's pages answer loopback addresses only, unless this is True.
    "BILLING_SANDBOX_ALLOW_REMOTE": False,
    # Absolute address of this app, for return URLs. Required with a live key, because the
    # Host header can be forged.
    "BILLING_BASE_URL": None,
    # Where the blueprints are mounted.
    "BILLING_URL_PREFIX": "/billing",
    # The layout that billing pages extend.
    "BILLING_BASE_TEMPLATE": "billing/layout.html",
    # "bundled" serves htmx 4 with our pages, "host" expects the host to load one.
    "BILLING_HTMX": "bundled",
    # Endpoint to send people to who are not signed in. None: answer 401.
    "BILLING_LOGIN_ENDPOINT": None,
    # Endpoint people land on after a completed checkout. None: a page that says so.
    "BILLING_CHECKOUT_DONE_ENDPOINT": None,
    # Further hosts that redirects may go to, beside Stripe's own and this app's.
    "BILLING_REDIRECT_HOSTS": (),
    # How long access lasts while a renewal payment keeps failing.
    "BILLING_PAST_DUE_GRACE": timedelta(days=7),
    # "plus tax" or "incl. VAT": said beside prices. None says nothing.
    "BILLING_TAX_PHRASE": None,
    # Where "Contact" and "Talk to us" lead: a URL or mailto address.
    "BILLING_CONTACT_URL": None,
    # How long a quoted change of plan can be confirmed.
    "BILLING_QUOTE_LIFETIME": timedelta(minutes=30),
    # Show a promotion code field at Checkout.
    "BILLING_CHECKOUT_PROMOTION_CODES": True,
    # How often a customer may begin to add a card within an hour, which slows down card testing.
    "BILLING_SETUP_INTENTS_PER_HOUR": 10,
    # Stripe Tax: Checkout calculates tax, and asks for the address it needs. Not on the sandbox.
    "BILLING_STRIPE_TAX": False,
    # Let businesses give their tax id at Checkout.
    "BILLING_CHECKOUT_TAX_IDS": False,
    # Pages of ours that are left to Stripe's Billing Portal, as ("invoices", "address").
    "BILLING_PORTAL_FEATURES": (),
    # Id of the portal's configuration (bpc_…). None: the account's default one.
    "BILLING_PORTAL_CONFIGURATION": None,
    # How often usage meters on open pages look for news.
    "BILLING_METER_POLL": timedelta(seconds=15),
    # Percent from which a meter looks amber and red. Looks only: see the limits' thresholds.
    "BILLING_METER_WARN_PERCENT": 70,
    "BILLING_METER_CRITICAL_PERCENT": 90,
    # "own": usage is booked in a short transaction of its own. "session": inside db.session.
    "BILLING_METERING_CONNECTION": "own",
    # False allows everything and records nothing. The environment variable of the same name wins.
    "BILLING_METERING_ENABLED": True,
    # Requests that count without a change to their views: a list of rules, as
    # {"meter": "api_calls", "blueprints": ["api"], "exclude": ["api.health"], "cost": 1}.
    "BILLING_TRACKING": (),
    # Write a mail into the outbox when usage passes a limit's thresholds, and when it is reset.
    "BILLING_USAGE_MAILS": True,
    # Sender of mails to customers. None is Flask-Mailman's MAIL_DEFAULT_SENDER.
    "BILLING_MAIL_SENDER": None,
    # Mails that could not leave for so long are dropped.
    "BILLING_MAIL_MAX_AGE": timedelta(days=3),
    # File for usage that could not be booked while the store was down, relative to the instance
    # folder. None: only the log has it.
    "BILLING_SPOOL": "billing-spool.jsonl",
    # Largest spool; what comes then is only in the log.
    "BILLING_SPOOL_MAX_BYTES": 16_777_216,
    # Put SQLite files into WAL mode (persistent in the file; needed for speed under writers).
    "BILLING_SQLITE_WAL": True,
    # How long a writer waits for SQLite's write lock before it gives up.
    "BILLING_SQLITE_BUSY_TIMEOUT": timedelta(seconds=10),
    # How long limits may be served from memory. A refusal always reads them again.
    "BILLING_LIMIT_CACHE": timedelta(seconds=2),
    # Meter -> what of a call record_llm() counts on it. The first keeps tokens, cost and run.
    "BILLING_LLM_METERS": {"tokens": "total_tokens"},
    # "provider/model" -> minor units of the currency a million tokens: input, output, cached.
    "BILLING_LLM_PRICES": {},
    # How long a reservation holds units that nobody settles.
    "BILLING_RESERVATION_TTL": timedelta(minutes=15),
    # Status of a refusal for lack of quota: 429 or 402.
    "BILLING_QUOTA_STATUS": 429,
    # "embedded" runs the jobs in the processes that serve the app. None leaves them to
    # `flask billing jobs worker` or cron.
    "BILLING_SCHEDULER": None,
    # After this without a sign of life, another process takes a running job over.
    "BILLING_JOB_LEASE": timedelta(minutes=5),
    # "inline" processes an event before answering Stripe, "deferred" leaves it to the job
    # webhook-retries.
    "BILLING_WEBHOOK_PROCESSING": "inline",
    # Largest webhook body accepted, in bytes.
    "BILLING_WEBHOOK_MAX_BYTES": 1_048_576,
    # Oldest signature accepted.
    "BILLING_WEBHOOK_TOLERANCE": timedelta(seconds=300),
    # Failed events are tried this often before they are dead letters.
    "BILLING_WEBHOOK_MAX_ATTEMPTS": 12,
}

#: Setting -> environment variable used when the host has not set it.
ENVIRONMENT: t.Final[dict[str, str]] = {
    "BILLING_STRIPE_SECRET_KEY": "STRIPE_SECRET_KEY",
    "BILLING_STRIPE_PUBLISHABLE_KEY": "STRIPE_PUBLISHABLE_KEY",
    "BILLING_STRIPE_WEBHOOK_SECRETS": "STRIPE_WEBHOOK_SECRET",
}

CHOICES: t.Final[dict[str, tuple[object, ...]]] = {
    "BILLING_HTMX": ("bundled", "host"),
    "BILLING_METERING_CONNECTION": ("own", "session"),
    "BILLING_QUOTA_STATUS": (429, 402),
    "BILLING_SCHEDULER": (None, "embedded"),
    "BILLING_WEBHOOK_PROCESSING": ("inline", "deferred"),
}

#: It goes into a header, which takes no blank and no letter beyond ASCII.
_SECRET_KEY: t.Final = re.compile(r"[sr]k_(test|live)_[!-~]*")


def apply_defaults(app: Flask) -> None:
    """Fill the app's config with the defaults, then refuse what cannot work.

    :raises ConfigError: naming the key and the fix.
    """
    for key in app.config:
        if key.startswith("BILLING_") and key not in DEFAULTS:
            raise ConfigError(_unknown_key(key))

    for key, variable in ENVIRONMENT.items():
        if not app.config.get(key) and os.environ.get(variable):
            app.config[key] = os.environ[variable]

    for key, default in DEFAULTS.items():
        app.config.setdefault(key, default)

    _read_switch(app)
    _strip_keys(app)
    _normalise_secrets(app)
    _check_types(app)
    _check_choices(app)
    config_rules.check(app.config)
    _check_keys(app)


def is_live(app: Flask) -> bool:
    """Whether the configured key moves real money."""
    key = app.config["BILLING_STRIPE_SECRET_KEY"] or ""
    return key.startswith(("sk_live_", "rk_live_"))


def refuse_live_sandbox(app: Flask) -> None:
    """Keep plans that nobody pays for out of an app that sells.

    :raises ConfigError: where the configured key is a live one.
    """
    if is_live(app):
        raise ConfigError(
            "BILLING_SANDBOX is on, or a sandbox is connected, while BILLING_STRIPE_SECRET_KEY is "
            "a live key. Leave the sandbox out in production, or use a test key."
        )


def _unknown_key(key: str) -> str:
    import difflib

    # Without the prefix, which makes any two keys look alike.
    names = [known.removeprefix("BILLING_") for known in DEFAULTS]
    close = difflib.get_close_matches(key.removeprefix("BILLING_"), names, n=1)
    hint = (
        f"Did you mean BILLING_{close[0]}?" if close else "See docs/configuration.md for the keys."
    )
    return f"{key} is not a setting of Flask-Billing. {hint}"


def _read_switch(app: Flask) -> None:
    switch = os.environ.get("BILLING_METERING_ENABLED")

    if switch is None:
        return

    if switch not in ("0", "1"):
        raise ConfigError(
            f"The environment variable BILLING_METERING_ENABLED is {switch!r}. Set it to 0 or 1."
        )

    app.config["BILLING_METERING_ENABLED"] = switch == "1"


def _strip_keys(app: Flask) -> None:
    """Leave out what surrounds a key that was read from a file: its end of line, for one."""
    for key in ENVIRONMENT:
        if isinstance(value := app.config[key], str):
            app.config[key] = value.strip()


def _normalise_secrets(app: Flask) -> None:
    secrets = app.config["BILLING_STRIPE_WEBHOOK_SECRETS"]

    if isinstance(secrets, str):
        secrets = secrets.split(",")

    if not isinstance(secrets, (tuple, list, type(None))):
        raise ConfigError(
            "BILLING_STRIPE_WEBHOOK_SECRETS is neither a text nor a list. Set it to the "
            "endpoint's signing secret (whsec_…), or to a list of them."
        )

    stripped = [part.strip() if isinstance(part, str) else part for part in secrets or ()]
    app.config["BILLING_STRIPE_WEBHOOK_SECRETS"] = tuple(part for part in stripped if part)


def _check_types(app: Flask) -> None:
    for key, default in DEFAULTS.items():
        value = app.config[key]

        if isinstance(default, timedelta):
            if not isinstance(value, timedelta) or value < timedelta(0):
                raise ConfigError(
                    f"{key} is {value!r}. Set it to a positive datetime.timedelta, "
                    f"for example {default!r}."
                )
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                raise ConfigError(f"{key} is {value!r}. Set it to True or False.")
        elif isinstance(default, int) and (not isinstance(value, int) or isinstance(value, bool)):
            raise ConfigError(f"{key} is {value!r}. Set it to a whole number.")


def _check_choices(app: Flask) -> None:
    for key, allowed in CHOICES.items():
        if app.config[key] not in allowed:
            listed = " or ".join(repr(choice) for choice in allowed)
            raise ConfigError(f"{key} is {app.config[key]!r}. Set it to {listed}.")


def _check_keys(app: Flask) -> None:
    key = app.config["BILLING_STRIPE_SECRET_KEY"]

    if key is not None and not _SECRET_KEY.fullmatch(str(key)):
        raise ConfigError(
            "BILLING_STRIPE_SECRET_KEY does not look like a Stripe secret key (sk_test_…, "
            "sk_live_…, rk_…). Copy it from Stripe's dashboard, Developers, API keys."
        )

    if not is_live(app):
        return

    if app.config["BILLING_SANDBOX"]:
        refuse_live_sandbox(app)

    if not app.config["BILLING_BASE_URL"]:
        raise ConfigError(
            "BILLING_BASE_URL is not set, and with a live key return URLs must not follow the "
            "Host header. Set it to your address, for example 'https://app.example.com'."
        )
