"""A call that failed is free, whatever its view had written."""

from __future__ import annotations

import collections.abc as c

import pytest
import sqlalchemy as sa
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadGateway

from flask_billing.models import Customer, UsageCounter, UsageEvent

from ..host import Host

SESSION = {"BILLING_METERING_CONNECTION": "session"}


def write(host: Host) -> None:
    """Write something of the host's, and leave it to others to commit it."""
    host.customer().timezone = "Europe/Berlin"
    host.db.session.flush()


def raises(host: Host) -> str:
    write(host)
    raise RuntimeError("The model is gone.")


def answers(host: Host) -> str:
    write(host)
    raise BadGateway


def keeps_its_own(host: Host) -> tuple[str, int]:
    write(host)
    host.db.session.commit()
    write(host)
    return "The model is gone.", 502


def breaks_its_transaction(host: Host) -> str:
    write(host)
    host.db.session.execute(sa.text("SELECT nothing FROM nowhere"))
    return "never"


@pytest.mark.parametrize("config", [{}, SESSION], ids=["own", "session"])
@pytest.mark.parametrize("fails", [raises, answers, keeps_its_own, breaks_its_transaction])
def test_it_is_taken_back(
    make_app: c.Callable[..., Host],
    database_url: str,
    fails: c.Callable[[Host], ResponseReturnValue],
    config: dict[str, str],
) -> None:
    host = make_app(database_url, PROPAGATE_EXCEPTIONS=False, **config)
    host.app.post("/fails")(host.billing.metered("tokens")(lambda: fails(host)))

    assert host.client().post("/fails").status_code >= 500
    assert sum(row.used for row in host.rows(UsageCounter)) == 0
    assert [row.status for row in host.rows(UsageEvent) if row.quantity > 0] in ([], [500], [502])
    kept = [row.timezone for row in host.rows(Customer)]
    assert kept == (["Europe/Berlin"] if fails is keeps_its_own else [None])
