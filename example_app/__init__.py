"""Linnet, a small SaaS that sells generated text, billed with Flask-Billing.

``flask --app example_app run`` starts it. Nothing leaves this machine: Stripe is the
sandbox, and the first start fills ``instance/`` with 90 days of history.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from flask import Flask, Response

from . import auth, dashboard, demo_panel, generator, live_sandbox, seed, team
from . import live as live_writing
from .extensions import billing, csrf, db

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' https://js.stripe.com; style-src 'self'; "
    "frame-src https://js.stripe.com https://hooks.stripe.com; "
    "connect-src 'self' https://api.stripe.com; frame-ancestors 'none'"
)


def create_app(
    instance_path: str | os.PathLike[str] | None = None, *, live: bool = True, **settings: object
) -> Flask:
    """Build the app.

    :param instance_path: folder of its databases and its secret; None is Flask's own choice.
    :param live: False is the bare app that :mod:`example_app.history` lives through.
    :param settings: further config, as tests set it.
    """
    app = Flask(__name__, instance_path=os.path.abspath(instance_path) if instance_path else None)
    folder = Path(app.instance_path)
    folder.mkdir(parents=True, exist_ok=True)
    app.config.from_mapping(
        SECRET_KEY=_secret_key(folder / "secret_key"),
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'linnet.sqlite'}",
        SESSION_COOKIE_SAMESITE="Lax",
        # The demo has no passwords, so nobody but this machine may reach it.
        TRUSTED_HOSTS=["localhost", "127.0.0.1"],
        BILLING_CATALOG="billing.toml",
        BILLING_SANDBOX=True,
        BILLING_SANDBOX_STORE="stripe.sqlite",
        BILLING_BASE_TEMPLATE="layout.html",
        BILLING_LOGIN_ENDPOINT="auth.sign_in",
        BILLING_CONTACT_URL="mailto:help@linnet.example",
        BILLING_SCHEDULER="embedded" if live else None,
    )
    app.config.from_mapping(settings)

    if live:
        seed.seed_once(folder)

    db.init_app(app)
    csrf.init_app(app)
    billing.init_app(app)

    for blueprint in (auth.bp, dashboard.bp, generator.bp, live_writing.bp, team.bp, demo_panel.bp):
        app.register_blueprint(blueprint)

    app.after_request(_add_security_headers)

    if live:
        live_sandbox.post_webhooks(app)

    return app


def _add_security_headers(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _secret_key(file: Path) -> str:
    """The key that signs sessions: made at the first start and kept."""
    file.touch(mode=0o600)

    if not file.read_text():
        file.write_text(secrets.token_hex(32))

    return file.read_text()
