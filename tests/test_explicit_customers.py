"""Calls for a customer are for that customer, and for nobody who happens to have the same id."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import date
from types import SimpleNamespace

import pytest

from flask_billing import Billing, Owner, invoices, payment_methods, subscriptions
from flask_billing.errors import NotACustomerError
from flask_billing.metering.overrides import set_override
from flask_billing.owners import as_owner

from .host import Host

DAY: t.Final = date(2026, 11, 1)

#: Calls for an explicit customer, of the module or object they are on.
CALLS: t.Final[dict[str, c.Callable[[Billing, t.Any], object]]] = {
    "access": lambda billing, who: billing.access(who),
    "check": lambda billing, who: billing.check("tokens", customer=who),
    "consume": lambda billing, who: billing.consume("tokens", customer=who),
    "record": lambda billing, who: billing.record("tokens", customer=who),
    "reserve": lambda billing, who: billing.reserve("tokens", 1, customer=who),
    "usage": lambda billing, who: billing.usage("tokens", customer=who),
    "history": lambda billing, who: billing.history(who, "tokens", DAY, DAY),
    "cycle_totals": lambda billing, who: billing.cycle_totals(who),
    "run_summary": lambda billing, who: billing.run_summary("run", customer=who),
    "correct": lambda billing, who: billing.correct(
        "call-1", reason="Twice", actor="ada", customer=who
    ),
    "grant_credits": lambda billing, who: billing.grant_credits(
        who, "tokens", 5, kind="promo", source_key="p", actor="ada", reason="Sorry"
    ),
    "reset_quota": lambda billing, who: billing.reset_quota(
        who, "tokens", "lifetime", actor="ada", reason="Sorry"
    ),
    "set_override": lambda billing, who: set_override(
        who, "tokens", 5, actor="ada", reason="Sorry"
    ),
    "quote_change": lambda billing, who: subscriptions.quote_change(who, "pro", "month"),
    "change_plan": lambda billing, who: subscriptions.change_plan(who, "token"),
    "downgrade": lambda billing, who: subscriptions.downgrade(who, "starter", "month"),
    "undo_change": lambda billing, who: subscriptions.undo_change(who),
    "cancel": lambda billing, who: subscriptions.cancel(who),
    "cancellation": lambda billing, who: subscriptions.cancellation(who),
    "explain": lambda billing, who: subscriptions.explain(who, reason="unused", comment=None),
    "resume": lambda billing, who: subscriptions.resume(who),
    "pause": lambda billing, who: subscriptions.pause(who, 1),
    "undo_pause": lambda billing, who: subscriptions.undo_pause(who),
    "unpause": lambda billing, who: subscriptions.unpause(who, amount=1),
    "last_change": lambda billing, who: subscriptions.last_change(who),
    "changes": lambda billing, who: list(subscriptions.history(who)),
    "wallet_of": lambda billing, who: payment_methods.wallet_of(who),
    "make_default": lambda billing, who: payment_methods.make_default(who, "pm_1"),
    "remove": lambda billing, who: payment_methods.remove(who, "pm_1"),
    "invoices": lambda billing, who: invoices.page(who),
    "pay": lambda billing, who: invoices.pay(who, "in_1"),
}


@pytest.mark.parametrize("name", CALLS)
def test_who_has_an_id_is_not_taken_for_the_customer_of_that_id(host: Host, name: str) -> None:
    with host.app.app_context():
        stranger = host.customer("2")

        for passed in (SimpleNamespace(id=stranger.id), Owner("user", str(stranger.id))):
            with pytest.raises(NotACustomerError, match="was passed as the customer"):
                CALLS[name](host.billing, passed)


def test_a_customer_stands_for_their_owner(host: Host) -> None:
    with host.app.app_context():
        customer = host.customer("2")
        assert host.billing.customer_for(customer).id == customer.id
        assert as_owner(customer) == Owner("user", "2", customer.email, customer.name)
        summed = host.billing.summary(Owner("user", "2")).customer.id
        assert host.billing.summary(customer).customer.id == summed == customer.id
