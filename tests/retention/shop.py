"""A shop whose customers may want to leave, and what they are offered then."""

from __future__ import annotations

import tomllib
import typing as t

from flask_billing import retention
from flask_billing.models import Cancellation, Customer, Subscription
from flask_billing.retention import Offered, survey
from flask_billing.retention.survey import Source
from flask_billing.subscriptions.current import live_subscription

from ..host import CATALOGS, Host
from ..views.person import Person

OFFERS: t.Final[list[dict[str, t.Any]]] = [
    {
        "key": "stay-20",
        "kind": "discount",
        "percent_off": 20,
        "months": 3,
        "reasons": ["too_expensive"],
    },
    {"key": "longer", "kind": "trial_extension", "days": 7},
    {
        "key": "talk",
        "kind": "contact",
        "url": "mailto:help@example.com",
        "reasons": ["missing_features", "low_quality"],
    },
]


def catalog(offers: list[dict[str, t.Any]] | None = None, **further: object) -> dict[str, t.Any]:
    """The ladder of plans, with offers."""
    plans = tomllib.loads((CATALOGS / "ladder.toml").read_text(encoding="utf-8"))
    return {**plans, "offers": OFFERS if offers is None else offers, **further}


def settle(
    host: Host,
    plan: str = "starter",
    interval: str = "month",
    *,
    days: int = 20,
    mode: str | None = "inline",
) -> Person:
    """User 1 after so many days on a plan, on a host that shows offers beside the way out.

    :param mode: None leaves it to what the host tells of the customer.
    """
    if mode is not None:
        host.billing.retention_mode(lambda customer: mode)

    person = Person(host)
    person.buy(plan, interval)
    pass_days(host, days)
    return person


def pass_days(host: Host, days: int) -> None:
    """Let time pass, with all that Stripe has to tell of it."""
    host.sandbox.clock.advance(days=days)
    host.sandbox.webhooks.deliver()


def visit(
    customer: Customer, reason: str | None = None, source: Source = "cancel"
) -> tuple[Cancellation, list[Offered]]:
    """Look at the cancel page, choose a reason, and be shown what there is."""
    subscription = live_subscription(customer)
    found = survey.answer(survey.begin(customer, subscription, source), reason)
    shown = retention.offers_for(customer, subscription, found)
    survey.show(found, [(each.offer, said(each), each.terms.facts()) for each in shown])
    return survey.fresh(found.id), shown


def said(offered: Offered) -> str:
    """Words for an offer; the pages say it better."""
    return f"{offered.offer.key}: {offered.terms.reduced} {offered.terms.currency}"


def keys(shown: list[Offered]) -> list[str]:
    return [each.offer.key for each in shown]


def subscription_row(host: Host) -> Subscription:
    (row,) = host.rows(Subscription)
    assert isinstance(row, Subscription)
    return row
