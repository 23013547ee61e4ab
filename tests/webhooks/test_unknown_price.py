"""A price the catalog does not know: kept, reported, and never taken for the free plan."""

from __future__ import annotations

import pytest

from flask_billing.models import Subscription

from ..host import Host
from ..views.person import Person


def test_a_price_made_in_the_dashboard_is_reported_and_locks_nobody_out(
    host: Host, caplog: pytest.LogCaptureFixture
) -> None:
    Person(host).buy("starter")
    client = host.sandbox.client()
    [subscription] = client.v1.subscriptions.list().data
    special = client.v1.prices.create(
        {
            "currency": "usd",
            "unit_amount": 2100,
            "recurring": {"interval": "month"},
            "product_data": {"name": "A special deal"},
        }
    )
    item = subscription["items"].data[0].id
    client.v1.subscriptions.update(subscription.id, {"items": [{"id": item, "price": special.id}]})
    host.sandbox.webhooks.deliver()
    host.sandbox.webhooks.deliver()

    [row] = host.rows(Subscription)
    assert (row.price, row.plan, row.last_plan) == (special.id, None, "starter")
    told = [record.getMessage() for record in caplog.records if record.name == "flask_billing.sync"]
    assert len(told) == 1
    assert special.id in told[0]
    assert subscription.id in told[0]

    with host.app.app_context():
        access = host.billing.access(host.customer())
        assert (access.allowed, access.plan and access.plan.key) == (True, "starter")
