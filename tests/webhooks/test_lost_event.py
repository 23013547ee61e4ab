"""PostgreSQL may lose the first commit of a delivery in a crash; the second must notice."""

from __future__ import annotations

import collections.abc as c

import sqlalchemy as sa

from flask_billing.models import Subscription, WebhookEvent

from ..stripe_double import CannedHost, event
from .stories import announced, inbox, made, rows, sign_up

Make = c.Callable[..., CannedHost]


def test_an_event_lost_meanwhile_changes_nothing_and_comes_again(
    make_canned: Make, database_url: str
) -> None:
    host = make_canned(made("subscription"), database_url=database_url)
    sign_up(host)
    sent = event("customer.subscription.created", made("subscription"))

    def lose(request: object) -> None:
        with host.app.app_context():
            host.db.session.execute(sa.delete(WebhookEvent))
            host.db.session.commit()

    host.app.testing = False
    host.stripe.before_answer = lose
    assert host.deliver(sent).status_code == 500
    assert rows(host, Subscription) == []
    assert announced(host) == []

    host.stripe.before_answer = None
    assert host.deliver(sent).status_code == 200
    assert inbox(host) == {sent["id"]: "handled"}
    assert [row.status for row in rows(host, Subscription)] == ["active"]
