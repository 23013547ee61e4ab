"""A reserved checkout's session at Stripe: made, expired, and read back."""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from . import clock, outbox, sync
from .database import committed, reread
from .errors import StripeNotFoundError, StripeRejectedError, StripeUnreachableError
from .models import Checkout, Customer
from .row_marks import customer_metadata, idempotency_key
from .state import state
from .stripe_gateway import StripeObject, gateway

log = logging.getLogger("flask_billing.checkout")

#: A server error may be replayed to our key for a day. From this age on it is taken for that.
REPLAYED_FROM: t.Final = dt.timedelta(minutes=10)
ACTION: t.Final = "Starting a checkout"


def create(row: Checkout, customer: Customer) -> Checkout:
    """Ask Stripe for the session. The request is made of rows alone, so a repeat is equal."""
    try:
        session = gateway().post(
            "/v1/checkout/sessions",
            _session_params(row, customer),
            idempotency_key=idempotency_key(row, "checkout", row.attempt),
        )
    except StripeRejectedError:
        close(row.id, "failed")
        raise
    except StripeUnreachableError as error:
        _leave_replayed_answer(row, error)
        raise

    with committed(ACTION) as connection:
        connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row.id)
            .values(session_id=session["id"], url=session["url"])
        )

    return fresh(row.id)


def is_open(row: Checkout, customer: Customer) -> bool:
    """Whether a session made before can still be paid, as the Stripe customer we know now."""
    try:
        session = gateway().get(f"/v1/checkout/sessions/{row.session_id}")
    except StripeNotFoundError:
        return False

    return (session.get("status"), session.get("customer")) == ("open", customer.stripe_id)


def expire(row: Checkout, customer: Customer) -> None:
    """Expire an open session at Stripe, so that it can no longer be paid.

    One that was paid in another tab is written, with the subscription it brought.
    """
    if row.session_id is None:
        # A crash may have left a session that we do not know; the same key finds it.
        try:
            row = create(row, customer)
        except StripeRejectedError:
            return  # there is none, and the row is closed

    assert row.session_id is not None

    try:
        gateway().post(f"/v1/checkout/sessions/{row.session_id}/expire")
    except StripeNotFoundError:
        pass
    except StripeRejectedError:
        if pull(row.session_id).get("status") == "open":
            raise

    close(row.id, "expired")


def pull(session_id: str) -> StripeObject:
    """Fetch a session and write what it brought about: the subscription, then its own end."""
    session = sync.fetch("session", session_id)["session"]
    subscription = session.get("subscription")

    if isinstance(subscription, dict):
        sync.pull("subscription", subscription["id"], action="Completing a checkout")

    outbox.dispatch(sync.write({"session": session}, {}))
    return session


def close(row_id: int, outcome: str) -> None:
    """Close the reservation, if it is still open."""
    with committed(ACTION) as connection:
        connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row_id, Checkout.state == "open")
            .values(state=outcome, finished_at=clock.now())
        )


def fresh(row_id: int) -> Checkout:
    """The reservation as it is committed."""
    found = reread(sa.select(Checkout).where(Checkout.id == row_id))
    assert found is not None, "the row was committed a moment ago"
    return found


def _leave_replayed_answer(row: Checkout, error: StripeUnreachableError) -> None:
    """Take another key where ours is stuck with a server error.

    A session that was made all the same is known to nobody, so it cannot be paid.
    """
    answered = error.status is not None and error.status >= 500

    if not answered or clock.now() - row.created_at < REPLAYED_FROM:
        return

    with committed(ACTION) as connection:
        connection.execute(
            sa.update(Checkout)
            .where(Checkout.id == row.id, Checkout.session_id.is_(None))
            .values(attempt=row.attempt + 1)
        )


def _session_params(row: Checkout, customer: Customer) -> dict[str, object]:
    metadata = {**customer_metadata(customer), "billing_checkout": str(row.id)}
    subscription: dict[str, object] = {"metadata": metadata}

    if row.trial_days:
        subscription["trial_period_days"] = row.trial_days

    params: dict[str, object] = {
        "mode": "subscription",
        "customer": customer.stripe_id,
        "client_reference_id": str(row.customer_id),
        "line_items": [
            {"price": row.price, "quantity": row.quantity},
            *({"price": metered} for metered in row.metered),
        ],
        "success_url": row.success_url,
        "cancel_url": row.cancel_url,
        "expires_at": int(row.expires_at.timestamp()),
        "metadata": metadata,
        "subscription_data": subscription,
    }

    if state().app.config["BILLING_CHECKOUT_PROMOTION_CODES"]:
        params["allow_promotion_codes"] = True

    return {**params, **_tax_params()}


def _tax_params() -> dict[str, object]:
    """What Checkout needs to calculate tax, and keeps on the customer for the next invoices."""
    current = state()
    taxed = current.app.config["BILLING_STRIPE_TAX"]
    params: dict[str, object] = {}

    if taxed and current.stripe.sandbox:
        log.warning(
            "BILLING_STRIPE_TAX is on, and the sandbox calculates no tax: this checkout, and what "
            "comes of it, is without."
        )
    elif taxed:
        params["automatic_tax"] = {"enabled": True}

    if taxed:
        params["billing_address_collection"] = "required"

    if current.app.config["BILLING_CHECKOUT_TAX_IDS"]:
        params["tax_id_collection"] = {"enabled": True}

    if params:
        params["customer_update"] = {"address": "auto", "name": "auto"}

    return params
