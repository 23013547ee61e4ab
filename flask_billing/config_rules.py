"""What settings may be, beyond their type, each rule with the fix to name."""

from __future__ import annotations

import collections.abc as c
import os
import re
import typing as t
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

from .errors import ConfigError

Check = c.Callable[[t.Any], bool]

_HOST: t.Final = re.compile(r"[a-z0-9.-]+")


def check(config: c.Mapping[str, t.Any]) -> None:
    """Refuse values that could only fail later, in front of a customer.

    Values are named but for secrets, which do not belong in a traceback.

    :raises ConfigError: naming the key and the fix.
    """
    for key, (holds, fix) in RULES.items():
        value = config[key]

        if not holds(value):
            shown = "not usable" if key in SECRET else repr(value)
            raise ConfigError(f"{key} is {shown}. Set it to {fix}.")

    if config["BILLING_METER_WARN_PERCENT"] > config["BILLING_METER_CRITICAL_PERCENT"]:
        raise ConfigError(
            "BILLING_METER_WARN_PERCENT is above BILLING_METER_CRITICAL_PERCENT, so no meter "
            "would ever be amber. Set it to at most that."
        )


def _is_origin(value: object) -> bool:
    # A line end would be left out of the parts, and not of what is made of the address.
    if not isinstance(value, str) or re.search(r"\s", value):
        return False

    try:
        parts = urlsplit(value)
    except ValueError:  # as "https://[app"
        return False

    return (
        parts.scheme in ("http", "https")
        and parts.hostname is not None
        and not (parts.query or parts.fragment or parts.username)
    )


def _is_prefix(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/") and not value.endswith("/")


def _are_hosts(value: object) -> bool:
    # A plain string is a collection of letters, and "in" would find any part of the name.
    return isinstance(value, (tuple, list, set, frozenset)) and all(
        isinstance(host, str) and _HOST.fullmatch(host) for host in value
    )


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("https://", "http://", "mailto:", "/"))


def _are_signing_secrets(value: c.Iterable[object]) -> bool:
    return all(isinstance(secret, str) and secret.startswith("whsec_") for secret in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _or_none(holds: Check) -> Check:
    return lambda value: value is None or holds(value)


def _from(least: int, most: int | None = None) -> Check:
    return lambda value: least <= value and (most is None or value <= most)


def _is_some_time(value: timedelta) -> bool:
    return value > timedelta(0)


def _are_meters(value: object) -> bool:
    return (
        isinstance(value, c.Mapping)
        and value != {}
        and all(isinstance(meter, str) and counted in _COUNTED for meter, counted in value.items())
    )


def _are_prices(value: object) -> bool:
    return isinstance(value, c.Mapping) and all(
        isinstance(name, str)
        and "/" in name
        and isinstance(parts, c.Mapping)
        and {"input", "output"} <= set(parts) <= {"input", "output", "cached"}
        and all(_is_price(price) for price in parts.values())
        for name, parts in value.items()
    )


def _is_price(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return False

    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return False

    return found.is_finite() and found >= 0


#: What an app may leave to Stripe's Billing Portal.
PORTAL_FEATURES: t.Final = ("payment_methods", "invoices", "address", "change", "cancel")
#: What of a call of a language model a meter can count.
_COUNTED: t.Final = (
    "total_tokens", "input_tokens", "output_tokens", "cached_tokens", "calls", "cost",
)  # fmt: skip
SECRET: t.Final = frozenset(["BILLING_STRIPE_PUBLISHABLE_KEY", "BILLING_STRIPE_WEBHOOK_SECRETS"])

_ENDPOINT: t.Final = (_or_none(_is_text), "the endpoint of one of your views, as 'auth.login'")
_SOME_TIME: t.Final = (_is_some_time, "a datetime.timedelta above zero")
_PERCENT: t.Final = (_from(1, 100), "a percentage from 1 to 100")

#: Runs after the types of :data:`flask_billing.config.DEFAULTS` were checked.
RULES: t.Final[dict[str, tuple[Check, str]]] = {
    "BILLING_STRIPE_PUBLISHABLE_KEY": (
        _or_none(lambda value: isinstance(value, str) and value.startswith("pk_")),
        "your publishable key (pk_…). It is shown to browsers, so it must not be the secret one",
    ),
    "BILLING_STRIPE_WEBHOOK_SECRETS": (
        _are_signing_secrets,
        "the endpoint's signing secret (whsec_…) from Stripe's dashboard, Developers, Webhooks",
    ),
    "BILLING_STRIPE_TIMEOUT": _SOME_TIME,
    "BILLING_STRIPE_RETRIES": (_from(0), "0 or more"),
    "BILLING_SANDBOX_STORE": (
        _or_none(lambda value: isinstance(value, (str, os.PathLike))),
        "the path of a file, or None",
    ),
    "BILLING_SANDBOX_PREFIX": (_is_prefix, "a path such as '/sandbox/stripe'"),
    "BILLING_BASE_URL": (_or_none(_is_origin), "an address such as 'https://app.example.com'"),
    "BILLING_URL_PREFIX": (
        lambda value: value == "" or _is_prefix(value),
        "a path such as '/billing'",
    ),
    "BILLING_BASE_TEMPLATE": (_is_text, "the name of a template, as 'billing/layout.html'"),
    "BILLING_LOGIN_ENDPOINT": _ENDPOINT,
    "BILLING_CHECKOUT_DONE_ENDPOINT": _ENDPOINT,
    "BILLING_REDIRECT_HOSTS": (_are_hosts, "a list of host names, as ('pay.example.com',)"),
    "BILLING_CONTACT_URL": (_or_none(_is_link), "a URL or a mailto: address"),
    "BILLING_SETUP_INTENTS_PER_HOUR": (_from(1), "1 or more"),
    "BILLING_PORTAL_FEATURES": (
        lambda value: (
            isinstance(value, (tuple, list, set, frozenset)) and set(value) <= set(PORTAL_FEATURES)
        ),
        f"a list of what Stripe's portal is to do, of: {', '.join(PORTAL_FEATURES)}",
    ),
    "BILLING_PORTAL_CONFIGURATION": (
        _or_none(lambda value: isinstance(value, str) and value.startswith("bpc_")),
        "the id of a portal configuration (bpc_…), or None",
    ),
    "BILLING_METER_POLL": _SOME_TIME,
    "BILLING_METER_WARN_PERCENT": _PERCENT,
    "BILLING_METER_CRITICAL_PERCENT": _PERCENT,
    "BILLING_SPOOL": (
        _or_none(lambda value: isinstance(value, (str, os.PathLike)) and os.fspath(value) != ""),
        "the path of a file, or None",
    ),
    "BILLING_SPOOL_MAX_BYTES": (_from(1), "1 or more"),
    "BILLING_LLM_METERS": (
        _are_meters,
        f"a mapping of your meters to what each counts: {', '.join(_COUNTED)}",
    ),
    "BILLING_LLM_PRICES": (
        _are_prices,
        "a mapping such as {'acme/large-2': {'input': 300, 'output': 1500, 'cached': 30}}, in "
        "minor units a million tokens",
    ),
    "BILLING_JOB_LEASE": _SOME_TIME,
    "BILLING_WEBHOOK_MAX_BYTES": (_from(1), "1 or more"),
    "BILLING_WEBHOOK_TOLERANCE": _SOME_TIME,
    "BILLING_WEBHOOK_MAX_ATTEMPTS": (_from(1), "1 or more"),
}
