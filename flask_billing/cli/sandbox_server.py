"""The sandbox as a server of its own, for apps in any language."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import click

from . import sandbox_store

if t.TYPE_CHECKING:
    from ..sandbox import Sandbox


def serve(
    host: str,
    port: int,
    file: Path | None,
    *,
    webhook_url: str | None,
    webhook_secret: str | None,
    allow_remote: bool,
) -> None:
    """Serve until interrupted."""
    _check(host, webhook_url, webhook_secret, allow_remote=allow_remote)

    if file is not None:
        sandbox_store.check(file, must_exist=False)

    from werkzeug.serving import make_server

    from ..sandbox import Sandbox
    from ..sandbox.connect import LoopbackOnly

    with _listening(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}"

        with Sandbox(file, public_url=url) as sandbox:
            secret = _register(sandbox, webhook_url, webhook_secret)
            sandbox.webhooks.auto = True
            click.echo(_settings(sandbox, url, webhook_url, secret))
            app = LoopbackOnly(sandbox.wsgi_app, allow_remote=allow_remote)
            server = make_server(
                host, listening.getsockname()[1], app, threaded=True, fd=listening.fileno()
            )

            try:
                server.serve_forever()
            finally:
                server.server_close()


def _check(
    host: str, webhook_url: str | None, webhook_secret: str | None, *, allow_remote: bool
) -> None:
    if not allow_remote and not _is_loopback(host):
        raise click.ClickException(
            f"{host} can be reached from other machines, and the sandbox believes anybody. Leave "
            "--host out, or set BILLING_SANDBOX_ALLOW_REMOTE=1 in the environment."
        )

    if webhook_url is not None and not _is_address(webhook_url):
        raise click.ClickException(
            f"{webhook_url!r} is no address to post to, as http://127.0.0.1:8000/webhooks."
        )

    if webhook_secret is not None and webhook_url is None:
        raise click.UsageError("--webhook-secret is for --webhook-url.")

    if webhook_secret is not None and not webhook_secret.startswith("whsec_"):
        raise click.ClickException("A signing secret starts with whsec_.")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False

    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET

    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise click.ClickException(
            f"Nothing can listen at {host} port {port}: {error.strerror}. Choose another --port; "
            "0 takes a free one."
        ) from error


def _register(sandbox: Sandbox, url: str | None, secret: str | None) -> str | None:
    """Post webhooks to a URL; a store that is served again signs them with the same secret."""
    if url is None:
        return None

    mark = hashlib.sha256(f"{sandbox.store_id}:{url}".encode()).hexdigest()
    return sandbox.webhooks.add_endpoint(
        url, secret or f"whsec_{mark[:32]}", object_id=f"we_{mark[-24:]}"
    )


def _settings(sandbox: Sandbox, url: str, webhook_url: str | None, secret: str | None) -> str:
    """What an app has to know, as lines for its environment between comments."""
    lines = [
        f"# Stripe sandbox, state {f'in {sandbox.path}' if sandbox.path else 'in memory'}. "
        "Stop it with Ctrl+C.",
        f"STRIPE_API_BASE={url}",
        f"STRIPE_SECRET_KEY={sandbox.api_key}",
        f"STRIPE_PUBLISHABLE_KEY={sandbox.publishable_key}",
    ]

    if secret is not None:
        lines += [f"# Webhooks are posted to {webhook_url}.", f"STRIPE_WEBHOOK_SECRET={secret}"]
    else:
        lines += [
            "# Have webhooks posted with --webhook-url, or register an endpoint; it answers with "
            "its secret:",
            f"#   curl {url}/v1/webhook_endpoints -u {sandbox.api_key}: \\",
            "#     -d url=http://127.0.0.1:8000/webhooks -d 'enabled_events[]=*'",
        ]

    addresses = f'base_addresses={{"api": "{url}"}}'
    lines.append(f'# Python: stripe.StripeClient("{sandbox.api_key}", {addresses})')
    return "\n".join(lines)
