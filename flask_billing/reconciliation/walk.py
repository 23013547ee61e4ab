"""Walking through a customer's objects, or everybody's, a page of Stripe's list at a time."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import itertools
import logging
import typing as t

import sqlalchemy as sa

from .. import clock, stripe_objects
from ..database import reading
from ..errors import InvalidUsageError
from ..models import ENDED, Customer, Invoice, PaymentMethod, Subscription
from ..stripe_gateway import gateway
from ..stripe_objects import StripeObject
from .comparing import MODELS, Compared
from .drift import Drift, Report
from .repairing import compare, look_for

log = logging.getLogger("flask_billing.reconciliation")

GoesOn = c.Callable[[], bool]

_PAGE: t.Final = 100
#: Rows that ought to be at Stripe still, so that one its lists lack is looked for.
_CURRENT: t.Final[dict[Compared, sa.ColumnElement[bool]]] = {
    "subscription": Subscription.status.not_in(ENDED),
    "invoice": Invoice.status.in_(("draft", "open")),
    "payment_method": PaymentMethod.detached_at.is_(None),
}


def reconcile_customer(customer: Customer | int) -> Report:
    """Compare one customer's rows with Stripe, and repair what differs.

    :raises InvalidUsageError: for a customer Stripe does not know of.
    :raises StripeError: where Stripe cannot be asked; what was repaired before stays.
    """
    customer_id = customer if isinstance(customer, int) else customer.id

    with reading() as connection:
        stripe_id = connection.scalar(
            sa.select(Customer.stripe_id).where(Customer.id == customer_id)
        )

    if stripe_id is None:
        raise InvalidUsageError(
            f"Customer {customer_id} has never been at Stripe, so there is nothing to compare. "
            "Nothing was changed."
        )

    report = Report()
    walk = _Walk(report, lambda: True)
    walk.look_for_all("customer", [stripe_id])
    of_customer = {"customer": stripe_id}
    walk.through("subscription", _subscriptions(of_customer), customer_id)
    walk.through("invoice", gateway().list("/v1/invoices", of_customer), customer_id)
    walk.through("payment_method", _payment_methods(stripe_id), customer_id)
    return report


def reconcile_all(
    *, invoices_since: dt.timedelta | None = None, goes_on: GoesOn = lambda: True
) -> Report:
    """Compare everybody's rows with Stripe, and repair what differs.

    :param invoices_since: how old invoices may be; None is any age.
    :param goes_on: asked between pages whether there is time for more.
    :raises StripeError: where Stripe cannot be asked; what was repaired before stays.
    """
    report = Report()
    walk = _Walk(report, goes_on)
    oldest = None if invoices_since is None else clock.now() - invoices_since
    created = {} if oldest is None else {"created": {"gte": int(oldest.timestamp())}}
    customers = gateway().list("/v1/customers", {"expand": ["data.tax_ids"]})
    walk.through("customer", customers)
    walk.through("subscription", _subscriptions({}))
    walk.through("invoice", gateway().list("/v1/invoices", created), since=oldest)

    for customer_id, stripe_id in _with_cards():
        if walk.is_stopped():
            break

        walk.through("payment_method", _payment_methods(stripe_id), customer_id)

    return report


def reconcile_changed(since: dt.timedelta, *, goes_on: GoesOn = lambda: True) -> Report:
    """Compare the customers that Stripe has events of since then.

    :param since: how long ago; Stripe tells of the last 30 days.
    :raises StripeError: where Stripe cannot be asked; what was repaired before stays.
    """
    report = Report()
    start = int((clock.now() - since).timestamp())
    events = gateway().list("/v1/events", {"created": {"gte": start}})

    for customer_id in _customers_of(events):
        if not goes_on():
            report.stopped = True
            break

        found = reconcile_customer(customer_id)
        report.compared += found.compared
        report.drifts += found.drifts

    return report


class _Walk:
    """One walk and its report."""

    def __init__(self, report: Report, goes_on: GoesOn) -> None:
        self._report = report
        self._goes_on = goes_on

    def is_stopped(self) -> bool:
        """Whether the walk has to end here."""
        self._report.stopped = self._report.stopped or not self._goes_on()
        return self._report.stopped

    def through(
        self,
        kind: Compared,
        objects: c.Iterator[StripeObject],
        customer_id: int | None = None,
        *,
        since: dt.datetime | None = None,
    ) -> None:
        """Compare what Stripe lists, then look for rows of ours that it did not list.

        :param customer_id: whose objects they are; None is everybody's.
        :param since: invoices before were not asked for.
        """
        seen: set[str] = set()

        while page := list(itertools.islice(objects, _PAGE)):
            if self.is_stopped():
                return

            seen.update(found["id"] for found in page)
            self._report.compared += len(page)
            self._tell(compare(kind, page))

        if not self.is_stopped():
            self.look_for_all(kind, _ours(kind, customer_id, since) - seen)

    def look_for_all(self, kind: Compared, stripe_ids: c.Iterable[str]) -> None:
        """Ask Stripe for objects one by one."""
        for stripe_id in sorted(stripe_ids):
            if self.is_stopped():
                return

            self._report.compared += 1
            self._tell(look_for(kind, stripe_id))

    def _tell(self, drifts: c.Iterable[Drift]) -> None:
        for drift in drifts:
            log.warning("Our rows differed from Stripe: %s", drift)
            self._report.drifts.append(drift)


def _subscriptions(params: dict[str, str]) -> c.Iterator[StripeObject]:
    # As the sync fetches them, but for payment methods, which are compared by themselves.
    query = {**params, "status": "all", "expand": ["data.discounts"]}
    return gateway().list("/v1/subscriptions", query)


def _payment_methods(stripe_customer: str) -> c.Iterator[StripeObject]:
    return gateway().list(f"/v1/customers/{stripe_customer}/payment_methods")


def _ours(kind: Compared, customer_id: int | None, since: dt.datetime | None) -> set[str]:
    """Stripe's ids of our rows that ought to have been listed."""
    model = MODELS[kind]
    query = sa.select(model.stripe_id).where(model.stripe_id.is_not(None))

    if kind == "customer":
        query = query.where(Customer.closed_at.is_(None))
    else:
        open_customers = sa.select(Customer.id).where(Customer.closed_at.is_(None))

        if kind != "subscription":  # which ends with its customer, though we may not have heard
            open_customers = open_customers.where(Customer.stripe_id.is_not(None))

        query = query.where(_CURRENT[kind], model.customer_id.in_(open_customers))

        if customer_id is not None:
            query = query.where(model.customer_id == customer_id)

    if since is not None:
        query = query.where(Invoice.issued_at >= since)

    with reading() as connection:
        return set(connection.scalars(query))


def _with_cards() -> c.Iterator[tuple[int, str]]:
    """Customers whose cards are worth a request: they are charged on one, or have one here."""
    last = 0
    with_rows = sa.union(
        sa.select(Subscription.customer_id).where(Subscription.status.not_in(ENDED)),
        sa.select(PaymentMethod.customer_id).where(PaymentMethod.detached_at.is_(None)),
    )

    while True:
        with reading() as connection:
            found = connection.execute(
                sa.select(Customer.id, Customer.stripe_id)
                .where(
                    Customer.id > last,
                    Customer.id.in_(with_rows),
                    Customer.stripe_id.is_not(None),
                    Customer.closed_at.is_(None),
                )
                .order_by(Customer.id)
                .limit(_PAGE)
            ).all()

        if not found:
            return

        for row in found:
            assert row.stripe_id is not None, "asked for above"
            yield row.id, row.stripe_id

        last = found[-1].id


def _customers_of(events: c.Iterator[StripeObject]) -> list[int]:
    """Our customers that events are about."""
    wanted = set()

    for event in events:
        found = event["data"]["object"]
        holder = found if found.get("object") == "customer" else found.get("customer")
        wanted.add(stripe_objects.reference(holder))

    ids: list[int] = []
    ordered = sorted(one for one in wanted if one is not None)

    for start in range(0, len(ordered), _PAGE):
        with reading() as connection:
            ids += connection.scalars(
                sa.select(Customer.id).where(
                    Customer.stripe_id.in_(ordered[start : start + _PAGE]),
                    Customer.closed_at.is_(None),
                )
            )

    return sorted(ids)
