"""How long tests wait for what must happen, on however busy a machine."""

from __future__ import annotations

import datetime as dt
import typing as t

#: In seconds. It ends the threads and processes of a test that failed; pytest gives up by then.
PATIENCE: t.Final = 300
#: In seconds. Of many writers on SQLite, which is fair to nobody, one may wait for long.
_WRITERS_WAIT: t.Final = 120


def patient(database_url: str) -> dict[str, object]:
    """Settings of a host whose writers never give up while others are at work."""
    settings: dict[str, object] = {
        "BILLING_SQLITE_BUSY_TIMEOUT": dt.timedelta(seconds=_WRITERS_WAIT)
    }

    if database_url.startswith("sqlite"):
        settings["SQLALCHEMY_ENGINE_OPTIONS"] = {"connect_args": {"timeout": _WRITERS_WAIT}}

    return settings
