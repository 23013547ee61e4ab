"""An app and the sandbox put together: gateway, webhooks, clock, and the mounted pages."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, cast

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from flask_billing.sandbox.errors import SandboxError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from flask_billing.sandbox.sandbox import Sandbox


class Billing(Protocol):
    """What the sandbox asks of ``app.extensions["billing"]``."""

    webhook_path: str

    def use_stripe(
        self,
        *,
        http_client: Callable[[], object],
        api_key: str,
        webhook_secrets: tuple[str, ...],
        now: Callable[[], datetime],
        sandbox: object,
    ) -> None:
        """Talk to this Stripe from now on, and take the time from it."""


class App(Protocol):
    """What the sandbox asks of a Flask app."""

    extensions: dict[str, Any]
    config: Any
    url_map: Any

    def wsgi_app(self, environ: WSGIEnvironment, start_response: Any) -> Any:
        """The WSGI application, middleware included."""


def connect(
    sandbox: Sandbox,
    app: App,
    *,
    webhook_url: str | None = None,
    mount: str | None = None,
    allow_remote: bool = False,
) -> None:
    """Let an app's gateway talk to the sandbox, and its route receive the webhooks."""
    billing = cast(Billing | None, app.extensions.get("billing"))
    if billing is None:
        raise SandboxError(
            "The app has no billing extension. Call billing.init_app(app) before "
            "sandbox.connect(app)."
        )
    target = webhook_url or billing.webhook_path
    secret, thin_secret = _secret(sandbox, target), _secret(sandbox, f"{target}:thin")
    billing.use_stripe(
        http_client=sandbox.http_client,
        api_key=sandbox.api_key,
        webhook_secrets=(secret, thin_secret),
        now=sandbox.clock.now,
        sandbox=sandbox,
    )
    mark = hashlib.sha256((webhook_url or "in-process").encode()).hexdigest()[:24]
    receiver = webhook_url if webhook_url is not None else _unmounted(app)
    path = billing.webhook_path
    sandbox.webhooks.add_endpoint(receiver, secret, path=path, object_id=f"we_{mark}")
    sandbox.webhooks.add_endpoint(
        receiver, thin_secret, path=path, object_id=f"ed_test_{mark}", payload="thin"
    )
    if mount is not None:
        _mount(sandbox, app, mount.rstrip("/"), allow_remote)


def _mount(sandbox: Sandbox, app: App, prefix: str, allow_remote: bool) -> None:
    """Serve the sandbox under a path of the app, and learn from requests where that is."""
    guarded = LoopbackOnly(sandbox.wsgi_app, allow_remote=allow_remote)
    dispatcher = DispatcherMiddleware(app.wsgi_app, {prefix: guarded})

    def mounted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        sandbox.webhooks.begin()
        if "HTTP_HOST" in environ and not sandbox.has_fixed_public_url:
            scheme = environ.get("wsgi.url_scheme", "http")
            root = environ.get("SCRIPT_NAME", "").rstrip("/")
            sandbox.note_public_url(f"{scheme}://{environ['HTTP_HOST']}{root}{prefix}")
        return dispatcher(environ, start_response)

    app.wsgi_app = mounted  # type: ignore[method-assign]


def _unmounted(app: App) -> WSGIApplication:
    """The app as it is at delivery time, so that later middleware is part of it."""

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if name := app.config["SERVER_NAME"]:
            # An app that finds its views by subdomain or host is at no other.
            subdomain = app.url_map.default_subdomain
            host, _, port = name.partition(":")
            environ["SERVER_NAME"] = f"{subdomain}.{host}" if subdomain else host
            environ["SERVER_PORT"] = port or environ["SERVER_PORT"]
        result: Iterable[bytes] = app.wsgi_app(environ, start_response)
        return result

    return call


def _secret(sandbox: Sandbox, receiver: str) -> str:
    """The same secret for the same receiver, so that every process of an app agrees."""
    text = f"{sandbox.store_id}:{receiver}"
    return "whsec_" + hashlib.sha256(text.encode()).hexdigest()[:32]


class LoopbackOnly:
    """Refuses everybody who is not on this machine, however many proxies of it they came by."""

    def __init__(self, app: WSGIApplication, *, allow_remote: bool = False) -> None:
        self._app = app
        self._allow_remote = allow_remote

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._allow_remote or all(map(_is_loopback, _addresses(environ))):
            return self._app(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"The Stripe sandbox answers this machine only."]


def _addresses(environ: WSGIEnvironment) -> list[str]:
    """Every address that a request is said to come from.

    A proxy on this machine, as of a tunnel, is near itself and brings people who are not.
    """
    forwarded: str | None = environ.get("HTTP_X_FORWARDED_FOR")
    found = [
        environ.get("REMOTE_ADDR", ""),
        environ.get("werkzeug.proxy_fix.orig", {}).get("REMOTE_ADDR"),
        environ.get("HTTP_X_REAL_IP"),
        # The standard's own header has addresses in several forms, none of them a bare one.
        environ.get("HTTP_FORWARDED"),
        *(forwarded.split(",") if forwarded is not None else ()),
    ]
    return [address for address in found if address is not None]


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.strip()).is_loopback
    except ValueError:
        return False
