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

from . import clock, outbox, sync
from .access import access_for
from .catalog import Plan
from .customers import currency_of
from .database import committed, insert, transaction
from .errors import (
    AlreadySubscribedError,
    BillingError,
    StripeError,
    StripeNotFoundError,
    StripeRejectedError,
    UnknownPlanError,
)
from .models import ENDED, Checkout, Customer, Invoice, Subscription
from .state import state
from .stripe_customers import ensure_stripe_customer
from .stripe_gateway import StripeObject, gateway
from .stripe_prices import stripe_price_of

#: How long a session can be paid. Stripe allows 24 hours, and idempotency keys last as long.
LIFETIME: t.Final = dt.timedelta(hours=23)
ACTION: t.Final = "Starting a checkout"

#: "open" was not paid yet, "updating" is paid but not known here yet, "processing" waits for a
#: bank debit.
ResultState = t.Literal["active", "trialing", "processing", "updating", "unpaid", "open", "expired"]


class CheckoutNotFoundError(BillingError):
    """The session is not one of this customer's. Nothing was charged to them."""


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
    trial_days: int
    success_url: str
    cancel_url: str

    def matches(self, row: Checkout) -> bool:
        """Whether an open checkout is for the same."""
        return (row.plan, row.interval, row.quantity, row.price) == (
            self.plan,
            self.interval,
            self.quantity,
            self.price,
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
    refuse_second_subscription(customer.id)
    wish = _wish(customer, plan, interval, quantity, success_url, cancel_url)
    stripe_customer = ensure_stripe_customer(customer, ACTION)

    while True:
        row = _reserve(customer.id, wish)

        if wish.matches(row):
            return row if row.url else _create_session(row, stripe_customer)

        _give_up(row, stripe_customer)


def complete(customer: Customer, session_id: str) -> Result:
    """What became of the checkout someone comes back from.

    Asks Stripe unless the webhook was faster, so the page need not wait for it.

    :raises CheckoutNotFoundError: for an unknown session and for another customer's.
    """
    row = _find(customer.id, session_id)

    if row.state == "open":
        try:
            session = _pull_session(session_id)
        except StripeError:
            return Result("updating", _plan(row), row)

        if session.get("status") == "open":
            return Result("open", _plan(row), row)

        row = _find(customer.id, session_id)

    if row.state != "complete":
        return Result("expired", _plan(row), row)

    return _completed(customer, row)


def refuse_second_subscription(customer_id: int) -> None:
    """Make sure that buying would not charge for a second plan.

    :raises AlreadySubscribedError: where a subscription is live, in any status but ended.
    """
    status = state().db.session.scalar(
        sa.select(Subscription.status).where(
            Subscription.customer_id == customer_id, Subscription.status.not_in(ENDED)
        )
    )

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
        quantity=_seats(plan, quantity),
        price=stripe_price_of(plan, price),
        trial_days=0 if has_used_trial(customer.id) else plan.trial_days,
        success_url=success_url,
        cancel_url=cancel_url,
    )


def _seats(plan: Plan, quantity: int) -> int:
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
        with committed(ACTION) as connection:
            _expire_old(connection, customer_id)
            row_id = _insert_or_find(connection, customer_id, wish)

    return _fresh(row_id)


def _expire_old(connection: sa.Connection, customer_id: int) -> None:
    now = clock.now()
    connection.execute(
        sa.update(Checkout)
        .where(
            Checkout.customer_id == customer_id,
            Checkout.state == "open",
            Checkout.expires_at <= now,
        )
        .values(state="expired", finished_at=now)
    )


def _insert_or_find(connection: sa.Connection, customer_id: int, wish: _Wish) -> int | None:
    now = clock.now()
    connection.execute(
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
    return connection.execute(
        sa.select(Checkout.id).where(Checkout.customer_id == customer_id, Checkout.state == "open")
    ).scalar_one_or_none()


def _create_session(row: Checkout, stripe_customer: str) -> Checkout:
    """Ask Stripe for the session. The request is made of the row alone, so a repeat is equal."""
    try:
        session = gateway().post(
            "/v1/checkout/sessions",
            _session_params(row, stripe_customer),
            idempotency_key=f"fb:checkout:{row.id}:{row.attempt}",
        )
    except StripeRejectedError:
        _close(row.id, "failed")
        raise

    with committed(ACTION) as connection:
        connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row.id)
            .values(session_id=session["id"], url=session["url"])
        )

    return _fresh(row.id)


def _session_params(row: Checkout, stripe_customer: str) -> dict[str, object]:
    metadata = {"billing_customer": str(row.customer_id), "billing_checkout": str(row.id)}
    subscription: dict[str, object] = {"metadata": metadata}

    if row.trial_days:
        subscription["trial_period_days"] = row.trial_days

    params: dict[str, object] = {
        "mode": "subscription",
        "customer": stripe_customer,
        "client_reference_id": str(row.customer_id),
        "line_items": [{"price": row.price, "quantity": row.quantity}],
        "success_url": row.success_url,
        "cancel_url": row.cancel_url,
        "expires_at": int(row.expires_at.timestamp()),
        "metadata": metadata,
        "subscription_data": subscription,
    }

    if state().app.config["BILLING_CHECKOUT_PROMOTION_CODES"]:
        params["allow_promotion_codes"] = True

    return params


def _give_up(row: Checkout, stripe_customer: str) -> None:
    """Expire another plan's open session at Stripe, so that it can no longer be paid."""
    if row.session_id is None:
        # A crash may have left a session that we do not know; the same key finds it.
        row = _create_session(row, stripe_customer)

    assert row.session_id is not None

    try:
        gateway().post(f"/v1/checkout/sessions/{row.session_id}/expire")
    except StripeNotFoundError:
        _close(row.id, "expired")
        return
    except StripeRejectedError:
        session = _pull_session(row.session_id)  # paid in the other tab, or ran out

        if session.get("status") == "complete":
            raise AlreadySubscribedError("active") from None

    _close(row.id, "expired")


def _pull_session(session_id: str) -> StripeObject:
    """Fetch a session and write what it brought about: the subscription, then its own end."""
    session = sync.fetch("session", session_id)["session"]
    subscription = session.get("subscription")

    if isinstance(subscription, dict):
        sync.pull("subscription", subscription["id"], action="Completing a checkout")

    outbox.dispatch(sync.write({"session": session}, {}))
    return session


def _completed(customer: Customer, row: Checkout) -> Result:
    access = access_for(customer)
    subscription = access.subscription
    status: ResultState = "updating"

    if subscription is not None and subscription.status == "incomplete":
        status = "processing"
    elif access.reason in ("active", "trialing", "ending"):
        status = "trialing" if access.trialing else "active"

        if subscription is not None and _payment_is_open(subscription):
            status = "processing"

    first = status in ("active", "trialing") and _announce(row.id)
    return Result(status, _plan(row), row, first)


def _payment_is_open(subscription: Subscription) -> bool:
    return (
        state().db.session.scalar(
            sa.select(Invoice.id).where(
                Invoice.stripe_id == subscription.latest_invoice, Invoice.status == "open"
            )
        )
        is not None
    )


def _announce(row_id: int) -> bool:
    with transaction() as connection:
        announced = connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row_id, Checkout.announced_at.is_(None))
            .values(announced_at=clock.now())
        )
        return announced.rowcount == 1


def _close(row_id: int, outcome: str) -> None:
    with committed(ACTION) as connection:
        connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row_id, Checkout.state == "open")
            .values(state=outcome, finished_at=clock.now())
        )


def _find(customer_id: int, session_id: str) -> Checkout:
    found = state().db.session.scalar(
        sa.select(Checkout)
        .where(Checkout.session_id == session_id, Checkout.customer_id == customer_id)
        .execution_options(populate_existing=True)
    )

    if found is None:
        raise CheckoutNotFoundError("There is no such checkout of yours. Nothing was charged.")

    return found


def _fresh(row_id: int) -> Checkout:
    found = state().db.session.get(Checkout, row_id, populate_existing=True)
    assert found is not None, "the row was committed a moment ago"
    return found


def _plan(row: Checkout) -> Plan | None:
    return state().catalog.plan(row.plan)
