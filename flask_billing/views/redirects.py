"""Where a redirect may lead: one rule against open redirects."""

from __future__ import annotations

import typing as t
from urllib.parse import SplitResult, urlsplit

from flask import current_app, request, url_for
from werkzeug.routing import BuildError

from ..errors import ConfigError
from ..state import state

STRIPE_HOSTS: t.Final = frozenset(
    ["checkout.stripe.com", "billing.stripe.com", "invoice.stripe.com", "pay.stripe.com"]
)


_LOOPBACK: t.Final = ("localhost", "127.0.0.1", "::1")


class UnsafeRedirectError(ValueError):
    """An address that none of our redirects may lead to."""


def checked(url: str | None) -> str:
    """The address, if redirects may lead there.

    Allowed are paths of this site, this app's own address, Stripe's hosted pages, the hosts
    in ``BILLING_REDIRECT_HOSTS`` and the sandbox's pages.

    :raises UnsafeRedirectError: for everything else.
    """
    if url is None or not is_allowed(url):
        raise UnsafeRedirectError(
            f"A redirect to {_origin(url)!r} was refused. If Stripe's pages are on a domain of "
            "your own, add that host to BILLING_REDIRECT_HOSTS."
        )

    return url


def is_allowed(url: str) -> bool:
    """Whether a redirect may lead to this address. See :func:`checked`."""
    if is_local_path(url):
        return True

    parts = _split(url)

    if parts is None or parts.username is not None or parts.password is not None:
        return False

    if _is_own(parts):
        return True

    further: t.Collection[str] = current_app.config["BILLING_REDIRECT_HOSTS"]
    known = parts.hostname in STRIPE_HOSTS or parts.hostname in further
    return parts.scheme == "https" and parts.port in (None, 443) and known


def is_local_path(url: str) -> bool:
    """Whether this is a path on this site and can be read as nothing else."""
    parts = _split(url)
    return (
        parts is not None
        and url.startswith("/")
        and not url.startswith("//")
        and not parts.scheme
        and not parts.netloc
    )


def external_url(endpoint: str, **values: object) -> str:
    """The absolute address of one of our pages, for Stripe to send people back to.

    It follows ``BILLING_BASE_URL`` where that is set, because the Host header can be forged.
    """
    path = url_for(endpoint, **values)  # type: ignore[arg-type]
    base: str | None = current_app.config["BILLING_BASE_URL"]

    if base is None:
        return f"{request.scheme}://{request.host}{path}"

    base = base.rstrip("/")
    mounted = urlsplit(base).path
    return base + (path.removeprefix(mounted) if mounted else path)


def configured_url(key: str, **values: object) -> str | None:
    """The path of the host's endpoint that a setting names; None where it names none.

    :raises ConfigError: for an endpoint the app does not have, or that needs more arguments.
    """
    endpoint: str | None = current_app.config[key]

    if endpoint is None:
        return None

    try:
        return url_for(endpoint, **values)  # type: ignore[arg-type]
    except BuildError as error:
        raise ConfigError(
            f"{key} is {endpoint!r}, and no address could be made of it: {error}. Set it to the "
            "endpoint of a view that needs no arguments, with its blueprint, as 'auth.login'."
        ) from error


def _split(url: str) -> SplitResult | None:
    # Browsers read a backslash as a slash and drop control characters, urlsplit does not.
    if "\\" in url or any(character <= " " or character == "\x7f" for character in url):
        return None

    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None

    return parts


def _is_own(parts: SplitResult) -> bool:
    if parts.scheme not in ("http", "https"):
        return False

    base: str | None = current_app.config["BILLING_BASE_URL"]

    if base is not None:
        own = urlsplit(base)

        if (parts.scheme, parts.netloc) == (own.scheme, own.netloc):
            return True
    elif parts.netloc == request.host:
        return True

    return state().stripe.sandbox and _is_sandbox(parts)


def _is_sandbox(parts: SplitResult) -> bool:
    prefix: str = current_app.config["BILLING_SANDBOX_PREFIX"]
    near = parts.netloc == request.host or parts.hostname in _LOOPBACK
    return near and parts.path.startswith(f"{request.root_path}{prefix}/")


def _origin(url: str | None) -> str:
    # Session ids and tokens in the rest of an address do not belong in logs.
    parts = _split(url or "")
    return "(unreadable)" if parts is None else f"{parts.scheme}://{parts.netloc}"
