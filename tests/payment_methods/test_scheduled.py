"""A plan that changes at its period's end is charged to the card that was chosen meanwhile."""

from __future__ import annotations

import pytest

from flask_billing import payment_methods
from flask_billing.models import Customer

from ..host import Host
from ..subscriptions.subscriber import Subscriber


@pytest.mark.parametrize("removes", [False, True])
def test_a_downgrade_does_not_bring_the_old_card_back(host: Host, removes: bool) -> None:
    customer = Subscriber(host, "pro")
    customer.pass_days(20)  # the trial is over, and the month is not
    old = str(customer.at_stripe.default_payment_method)
    customer.change("starter")
    [row] = host.rows(Customer)
    new = customer.stripe.v1.payment_methods.attach(
        "pm_card_mastercard", {"customer": str(row.stripe_id)}
    ).id
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        if removes:
            payment_methods.remove(host.customer(), old)
        else:
            payment_methods.make_default(host.customer(), new)

    customer.pass_days(30)
    assert customer.plan[0] == "starter"
    assert str(customer.at_stripe.default_payment_method) == new
    assert customer.paid[0] == 2900
