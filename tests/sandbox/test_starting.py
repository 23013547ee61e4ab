"""An app that runs on the sandbox starts, whatever the process before it left undelivered."""

from __future__ import annotations

import threading
import typing as t
from pathlib import Path

from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_billing import Billing
from flask_billing.sandbox import Sandbox

from ..host import CATALOGS
from ..jobs.test_processes import wait_until
from ..patience import patient


def start(folder: Path, **settings: object) -> Flask:
    """A process of an app begins, its modules not yet all imported."""
    app = Flask("host", instance_path=str(folder))
    url = f"sqlite:///{folder / 'app.db'}"
    app.config.update(
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI=url,
        BILLING_SANDBOX=True,
        BILLING_SANDBOX_STORE="stripe.sqlite",
        **{**patient(url), **settings},
    )
    db = SQLAlchemy(app)
    billing = Billing(app, db=db, catalog=CATALOGS / "single.toml")
    billing.owner_loader(lambda: None)

    with app.app_context():
        db.create_all()

    return app


def sandbox_of(app: Flask) -> Sandbox:
    return t.cast("Sandbox", app.extensions["billing"].sandbox)


def test_the_doctor_looks_for_no_endpoint_beside_the_apps_own(tmp_path: Path) -> None:
    app = start(tmp_path, TESTING=True, BILLING_BASE_URL="http://127.0.0.1:5000")
    told = app.test_cli_runner().invoke(args=["billing", "doctor", "endpoint"])
    assert told.exit_code == 0, told.output
    sandbox_of(app).close()


def test_what_waits_is_delivered_once_all_routes_are_there(tmp_path: Path) -> None:
    before = start(tmp_path, TESTING=True)
    pushed = before.test_cli_runner().invoke(args=["billing", "catalog", "push", "--yes"])
    assert pushed.exit_code == 0, pushed.output
    sandbox_of(before).close()

    app = start(tmp_path)
    assert "stripe-sandbox-webhooks" not in [thread.name for thread in threading.enumerate()]
    assert sandbox_of(app).webhooks.pending() > 0
    app.get("/late")(lambda: "late")

    assert app.test_client().get("/late").text == "late"
    wait_until(lambda: sandbox_of(app).webhooks.pending() == 0)
    assert {delivery.status for delivery in sandbox_of(app).webhooks.log()} == {200}
    sandbox_of(app).close()
