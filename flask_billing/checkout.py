"""Hosted checkouts: one open a customer, however many tabs and clicks.

A checkout is reserved as a row, committed, and only then asked of Stripe, with an idempotency
key made of the row. So a double click gets the same session, a crash leaves a row from which
the identical request is repeated, and a timeout never makes a second session.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from . import checkout_session, clock, lost_at_stripe, sync
from .access import access_for
from .catalog import Plan
from .customers import currency_of, reopen
from .database import committed, insert, refuse_busy_session, reread, transaction
from .errors import (
    AlreadySubscribedError,
    CheckoutNotFoundError,
    StripeError,
    StripeRejectedError,
    UnknownPlanError,
)
from .models import ENDED, Checkout, Customer, Invoice, Subscription
from .owners import id_of
from .state import state
from .stripe_customers import ensure_stripe_customer
from .stripe_metered import metered_prices_of
from .stripe_prices import stripe_price_of

#: How long a session can be paid. Stripe allows 24 hours, and idempotency keys last as long.
LIFETIME: t.Final = dt.timedelta(hours=23)
#: Nobody is sent to a session that is about to close, and Stripe opens none for less than half
#: an hour.
MARGIN: t.Final = dt.timedelta(minutes=35)

#: "open" was not paid yet, "updating" is paid but not known here yet, "processing" waits for a
#: bank debit.
ResultState = t.Literal["active", "trialing", "processing", "updating", "unpaid", "open", "expired"]


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of a checkout.

    :param first: True exactly once for each completed checkout, for the message that says so.
    """

    state: ResultState
    plan: Plan | None
    checkout: Checkout
    first: bool = False


@dataclasses.dataclass(frozen=True)
class _Wish:
    """What the customer wants to buy, settled by the catalog."""

    plan: str
    interval: str
    currency: str
    quantity: int
    price: str
    metered: list[str]
    trial_days: int
    success_url: str
    cancel_url: str

    def matches(self, row: Checkout) -> bool:
        """Whether an open checkout is for the same."""
        return (row.plan, row.interval, row.quantity, row.price, row.metered) == (
            self.plan,
            self.interval,
            self.quantity,
            self.price,
            self.metered,
        )


def start(
    customer: Customer,
    *,
    plan: str | None,
    interval: str | None,
    quantity: int = 1,
    success_url: str,
    cancel_url: str,
) -> Checkout:
    """Open a hosted checkout, or find the one that is open for the same plan.

    :param quantity: seats, for a plan sold per seat.
    :param success_url: absolute; ``{CHECKOUT_SESSION_ID}`` in it becomes the session's id.
    :returns: the checkout; send the customer to its ``url``.
    :raises UnknownPlanError: where there is no such plan to buy.
    :raises AlreadySubscribedError: where the customer has a live subscription.
    :raises StripeError: where Stripe refused or did not answer. Nothing was charged.
    """
    refuse_busy_session(checkout_session.ACTION)
    refuse_second_subscription(id_of(customer))
    reopen(customer)
    lost: set[str | None] = set()

    while True:
        wish = _wish(customer, plan, interval, quantity, success_url, cancel_url)

        try:
            return _open(customer, wish)
        except StripeRejectedError as error:
            if error.param in lost or not lost_at_stripe.let_go(
                error, customer, wish.price, checkout_session.ACTION
            ):
                raise

            lost.add(error.param)


def _open(customer: Customer, wish: _Wish) -> Checkout:
    ensure_stripe_customer(customer, checkout_session.ACTION)

    while True:
        row = _reserve(customer.id, wish)

        if not wish.matches(row) or row.expires_at - clock.now() < MARGIN:
            checkout_session.expire(row, customer)
            continue

        if row.url is None:
            row = checkout_session.create(row, customer)
        elif not checkout_session.is_open(row, customer):
            checkout_session.expire(row, customer)
            continue

        if row.state == "open":  # and not given up by another tab meanwhile
            return row


def complete(customer: Customer, session_id: str) -> Result:
    """What became of the checkout someone comes back from.

    Asks Stripe unless the webhook was faster, so the page need not wait for it.

    :raises CheckoutNotFoundError: for an unknown session and for another customer's.
    """
    row = _find(id_of(customer), session_id)

    try:
        if row.state == "open":
            session = checkout_session.pull(session_id)

            if session.get("status") == "open":
                return Result("open", _plan(row), row)

            row = _find(id_of(customer), session_id)

        if row.state != "complete":
            return Result("expired", _plan(row), row)

        return _completed(customer, row)
    except StripeError:
        return Result("updating", _plan(row), row)


def refuse_second_subscription(customer_id: int) -> None:
    """Make sure that buying would not charge for a second plan.

    :raises AlreadySubscribedError: where a subscription is live, in any status but ended.
    """
    _refuse_second(state().db.session.scalar(_live_status(customer_id)))


def _live_status(customer_id: int) -> sa.Select[t.Any]:
    return (
        sa.select(Subscription.status)
        .where(Subscription.customer_id == customer_id, Subscription.status.not_in(ENDED))
        .limit(1)
    )


def _refuse_second(status: str | None) -> None:
    if status is not None:
        raise AlreadySubscribedError(status)


def has_used_trial(customer_id: int) -> bool:
    """Whether the customer's one trial began, whatever became of it."""
    found: int | None = state().db.session.scalar(
        sa.select(Subscription.id)
        .where(Subscription.customer_id == customer_id, Subscription.trial_start.is_not(None))
        .limit(1)
    )
    return found is not None


def _wish(
    customer: Customer,
    plan_key: str | None,
    interval: str | None,
    quantity: int,
    success_url: str,
    cancel_url: str,
) -> _Wish:
    catalog = state().catalog
    price = catalog.purchasable(plan_key, interval, currency_of(customer))
    plan = catalog.plan(plan_key)
    assert plan is not None
    assert price.currency is not None
    return _Wish(
        plan=plan.key,
        interval=price.interval,
        currency=price.currency,
        quantity=seats(plan, quantity),
        price=stripe_price_of(plan, price),
        metered=list(metered_prices_of(plan, price)),
        trial_days=0 if has_used_trial(customer.id) else plan.trial_days,
        success_url=success_url,
        cancel_url=cancel_url,
    )


def seats(plan: Plan, quantity: int) -> int:
    """The seats that were asked for; one where a plan is not sold per seat.

    :raises UnknownPlanError: where the plan is not sold for so many.
    """
    if plan.seats is None:
        return 1

    most = plan.seats.max

    if quantity < plan.seats.min or (most is not None and quantity > most):
        bounds = f"{plan.seats.min} or more" if most is None else f"{plan.seats.min} to {most}"
        raise UnknownPlanError(
            f"{plan.name} is sold for {bounds} seats, not {quantity}. Nothing was charged."
        )

    return quantity


def _reserve(customer_id: int, wish: _Wish) -> Checkout:
    """The customer's open checkout: a new row for this wish, or the one already there."""
    row_id = None

    while row_id is None:  # the open one may be closed between our insert and our look
        with committed(checkout_session.ACTION) as connection:
            row_id = _insert_or_find(connection, customer_id, wish)

    return checkout_session.fresh(row_id)


def _insert_or_find(connection: sa.Connection, customer_id: int, wish: _Wish) -> int | None:
    now = clock.now()
    inserted = connection.execute(
        insert(connection, Checkout)
        .values(
            customer_id=customer_id,
            state="open",
            attempt=1,
            created_at=now,
            expires_at=now + LIFETIME,
            **dataclasses.asdict(wish),
        )
        .on_conflict_do_nothing(
            index_elements=["customer_id"], index_where=sa.text("state = 'open'")
        )
    )

    if inserted.rowcount:
        # The open one may just have been paid and closed, by a webhook since we looked.
        _refuse_second(connection.scalar(_live_status(customer_id)))

    return connection.execute(
        sa.select(Checkout.id).where(Checkout.customer_id == customer_id, Checkout.state == "open")
    ).scalar_one_or_none()


def _completed(customer: Customer, row: Checkout) -> Result:
    access = access_for(customer)
    subscription = access.subscription

    if subscription is None:
        return Result("updating", _plan(row), row)

    if access.reason not in ("active", "trialing", "ending", "pausing"):
        return Result(_not_started(subscription, row), _plan(row), row)

    if row.announced_at is None and not _is_paid(subscription, row):
        return Result("processing", _plan(row), row)

    return Result("trialing" if access.trialing else "active", _plan(row), row, _announce(row.id))


def _not_started(subscription: Subscription, row: Checkout) -> ResultState:
    """What became of a plan that does not run.

    :raises CheckoutNotFoundError: where it ran once, so there is nothing to tell of a checkout.
    """
    if row.announced_at is not None:
        raise CheckoutNotFoundError("That checkout is over. Nothing was charged.")

    return "processing" if subscription.status == "incomplete" else "unpaid"


def _is_paid(subscription: Subscription, row: Checkout) -> bool:
    """Whether the first payment arrived. A bank debit takes days, while the plan runs."""
    invoice = state().db.session.scalar(
        sa.select(Invoice.status).where(Invoice.stripe_id == subscription.latest_invoice)
    )

    if invoice is not None:
        return invoice not in ("draft", "open")

    assert row.session_id is not None
    return bool(sync.fetch("session", row.session_id)["session"]["payment_status"] != "unpaid")


def _announce(row_id: int) -> bool:
    with transaction() as connection:
        announced = connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row_id, Checkout.announced_at.is_(None))
            .values(announced_at=clock.now())
        )
        return announced.rowcount == 1


def _find(customer_id: int, session_id: str) -> Checkout:
    found = None

    if session_id.isprintable():  # PostgreSQL fails at a NUL, where SQLite finds nothing
        found = reread(
            sa.select(Checkout).where(
                Checkout.session_id == session_id, Checkout.customer_id == customer_id
            )
        )

    if found is None:
        raise CheckoutNotFoundError("There is no such checkout of yours. Nothing was charged.")

    return found


def _plan(row: Checkout) -> Plan | None:
    return state().catalog.plan(row.plan)
