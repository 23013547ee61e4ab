"""The database is restored from a backup: what happened since is still at Stripe."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from flask_billing.models import Base, Customer, Invoice, Outbox, Subscription

from .doctor.test_doctor import run
from .host import Host
from .views.person import Person

Rows = list[tuple[sa.Table, list[dict[str, t.Any]]]]


def test_a_backup_of_yesterday_is_brought_up_to_date(any_host: Host) -> None:
    leaving, upgrading, arriving = (Person(any_host, owner_id) for owner_id in ("1", "2", "3"))
    leaving.buy("starter")
    upgrading.buy("starter")
    any_host.sandbox.webhooks.deliver()
    backup = _back_up(any_host)

    any_host.sandbox.clock.advance(days=1)
    arriving.buy("pro")
    stripe = any_host.sandbox.client()
    before = {row.customer_id: row.stripe_id for row in any_host.rows(Subscription)}
    stripe.v1.subscriptions.cancel(before[1])
    stripe.v1.refunds.create({"charge": stripe.v1.charges.list().data[0].id, "amount": 100})
    any_host.sandbox.webhooks.deliver()
    known = _known(any_host)
    _restore(any_host, backup)
    assert _known(any_host) != known

    assert run(any_host, "sync", "--all").exit_code == 0
    [unknown] = [name for owner_id, name in known["customers"] if owner_id == "3"]
    told = run(any_host, "doctor", "orphans")
    assert told.exit_code == 1
    assert f"\n        flask billing sync user 3 --link {unknown}\n" in told.output
    assert run(any_host, "sync", "user", "2", "--link", unknown).exit_code == 1, "not theirs"
    assert run(any_host, "sync", "user", "3", "--link", unknown).exit_code == 0
    assert run(any_host, "sync", "--events").exit_code == 0
    assert _known(any_host) == known
    assert run(any_host, "doctor", "subscriptions", "orphans", "inbox").exit_code == 0
    assert "Pro" in Person(any_host, "3").open("/billing/").text


def _known(host: Host) -> dict[str, list[t.Any]]:
    """Who has what, and what was paid."""
    return {
        "customers": sorted((row.owner_id, row.stripe_id) for row in host.rows(Customer)),
        "subscriptions": sorted(
            (row.stripe_id, row.status, row.plan) for row in host.rows(Subscription)
        ),
        "invoices": sorted(
            (row.stripe_id, row.status, row.amount_refunded) for row in host.rows(Invoice)
        ),
        "mails": sorted(row.name for row in host.rows(Outbox, kind="mail")),
    }


def _back_up(host: Host) -> Rows:
    with host.app.app_context(), host.db.engine.connect() as connection:
        return [
            (table, [dict(row) for row in connection.execute(sa.select(table)).mappings()])
            for table in Base.metadata.sorted_tables
        ]


def _restore(host: Host, rows: Rows) -> None:
    with host.app.app_context(), host.db.engine.begin() as connection:
        for table, _ in reversed(rows):
            connection.execute(sa.delete(table))

        for table, found in rows:
            if found:
                connection.execute(sa.insert(table), found)
