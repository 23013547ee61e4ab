"""Starting an app is cheap: what a request may never need is not loaded."""

from __future__ import annotations

import subprocess
import sys

from .host import CATALOGS

APP = f"""
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_billing import Billing

app = Flask("started")
app.config.update(SECRET_KEY="x", SQLALCHEMY_DATABASE_URI="sqlite://")
billing = Billing(db=SQLAlchemy(app), catalog={str(CATALOGS / "ladder.toml")!r})

@billing.owner_loader
def nobody():
    return None

billing.init_app(app)
print(*sorted(sys.modules))
"""

LATE = {
    "stripe", "requests", "apscheduler", "alembic", "flask_migrate", "babel", "redis", "wtforms",
    "pydantic", "pydantic_core",
    "sqlalchemy.dialects.postgresql",
}  # fmt: skip

#: Parts of ours that the first request for them loads.
LATE_PARTS = {
    "checkout", "customers", "database", "jobs", "metering", "sandbox", "sync", "webhooks",
}  # fmt: skip


def test_heavy_libraries_are_not_loaded_by_init_app() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", APP], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "flask_billing.extension" in loaded
    assert loaded & LATE == set()
    assert loaded & {f"flask_billing.{part}" for part in LATE_PARTS} == set()
