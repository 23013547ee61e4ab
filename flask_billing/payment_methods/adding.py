"""Adding a card: a setup intent for the browser, and the proof afterwards that it succeeded."""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

import sqlalchemy as sa

from .. import clock, lost_at_stripe, stripe_objects
from ..database import committed, insert, reread
from ..errors import (
    CardNotSavedError,
    PaymentMethodNotFoundError,
    StripeError,
    StripeRejectedError,
    TooManyCardsTriedError,
)
from ..models import Customer, PaymentMethod, PaymentMethodChange
from ..owners import id_of
from ..row_marks import customer_metadata, idempotency_key
from ..state import state
from ..stripe_customers import ensure_stripe_customer
from ..stripe_gateway import StripeObject, gateway
from . import intents, known, standard
from .wallet import wallet_of

ACTION: t.Final = "Adding a payment method"
_HOUR: t.Final = dt.timedelta(hours=1)


@dataclasses.dataclass(frozen=True)
class Added:
    """A payment method that was saved.

    :param is_default: whether new invoices are charged to it.
    :param first: True once, for the message that says so.
    """

    method: PaymentMethod
    is_default: bool
    first: bool


def add_setup_intent(customer: Customer, *, makes_default: bool = False) -> str:
    """Begin to add a card: the client secret by which a browser gives it to Stripe.

    :param makes_default: whether the customer wants to be charged on it from then on.
    :raises TooManyCardsTriedError: beyond ``BILLING_SETUP_INTENTS_PER_HOUR``.
    :raises StripeError: where Stripe refused or did not answer.
    """
    ensure_stripe_customer(customer, ACTION)
    row = _record(id_of(customer), makes_default=makes_default)

    try:
        intent = _made(row, customer)
    except StripeError:
        _give_up(row)
        raise

    with committed(ACTION) as connection:
        connection.execute(
            sa.update(PaymentMethodChange)
            .where(PaymentMethodChange.id == row.id)
            .values(intent_id=intent["id"])
        )

    secret: str = intent["client_secret"]
    return secret


def finish_adding(
    customer: Customer, intent_id: str, *, makes_default: bool | None = None
) -> Added:
    """Take over the card of a setup intent, after asking Stripe whether it succeeded.

    :param makes_default: what the customer chose last; None is what they chose at first.
    :raises PaymentMethodNotFoundError: for a setup intent that is not this customer's.
    :raises CardNotSavedError: where it has not succeeded.
    :raises StripeError: where Stripe could not be asked.
    """
    change = None

    if intent_id.isprintable():  # PostgreSQL fails at a NUL, where SQLite finds nothing
        change = _of_intent(intent_id)

    if change is None or change.customer_id != customer.id or change.kind != "add":
        raise PaymentMethodNotFoundError

    return _settle(change, customer, makes_default)


def settle_setup(intent_id: str) -> None:
    """Take over the card of a setup intent that Stripe says has succeeded, if it is one of ours.

    The customer may have closed the page before it could say so.
    """
    change = _of_intent(intent_id)

    if change is None or change.kind != "add" or change.state != "open":
        return

    customer = reread(sa.select(Customer).where(Customer.id == change.customer_id))
    assert customer is not None, "changes belong to customers"

    try:
        _settle(change, customer, None)
    except (CardNotSavedError, PaymentMethodNotFoundError):
        return  # a later attempt failed, or the card is gone again


def settle_session(session: stripe_objects.StripeObject) -> None:
    """Charge to the card of a checkout in setup mode from now on: Stripe only saves it."""
    intent_id = stripe_objects.reference(session.get("setup_intent"))
    stripe_customer = stripe_objects.reference(session.get("customer"))

    if session.get("mode") != "setup" or intent_id is None or stripe_customer is None:
        return

    customer = reread(sa.select(Customer).where(Customer.stripe_id == stripe_customer))

    if customer is None:
        return

    method = _saved_by(gateway().get(f"/v1/setup_intents/{intent_id}"))
    known.pull_method(method)
    intents.carry_out(customer, intents.Wish("default", method, intent_id=intent_id))


def _record(customer_id: int, *, makes_default: bool) -> PaymentMethodChange:
    limit: int = state().app.config["BILLING_SETUP_INTENTS_PER_HOUR"]
    now = clock.wall()

    with committed(ACTION) as connection:
        # Held, so that many tries at once are counted one after the other.
        connection.execute(
            sa.select(Customer.id).where(Customer.id == customer_id).with_for_update()
        )
        tried = connection.scalar(
            sa.select(sa.func.count()).where(
                PaymentMethodChange.customer_id == customer_id,
                PaymentMethodChange.kind == "add",
                PaymentMethodChange.state != "failed",
                PaymentMethodChange.created_at > now - _HOUR,
            )
        )

        if (tried or 0) >= limit:
            raise TooManyCardsTriedError(limit)

        row_id = connection.execute(
            insert(connection, PaymentMethodChange)
            .values(
                customer_id=customer_id,
                kind="add",
                state="open",
                attempt=1,
                makes_default=makes_default,
                created_at=now,
            )
            .returning(PaymentMethodChange.id)
        ).scalar_one()

    return intents.fresh(row_id)


def _made(row: PaymentMethodChange, customer: Customer) -> StripeObject:
    try:
        return _create(row, customer)
    except StripeRejectedError as error:
        if not lost_at_stripe.let_go(error, customer, "", ACTION):
            raise

    ensure_stripe_customer(customer, ACTION)
    return _create(row, customer)


def _give_up(row: PaymentMethodChange) -> None:
    """Count a try that nobody could try a card with as none."""
    with committed(ACTION) as connection:
        connection.execute(
            sa.update(PaymentMethodChange)
            .where(PaymentMethodChange.id == row.id)
            .values(state="failed", reason="no_intent", finished_at=clock.now())
        )


def _create(row: PaymentMethodChange, customer: Customer) -> StripeObject:
    return gateway().post(
        "/v1/setup_intents",
        {
            "customer": customer.stripe_id,
            "usage": "off_session",
            "automatic_payment_methods": {"enabled": True},
            "metadata": {
                **customer_metadata(customer),
                "billing_payment_method_change": str(row.id),
            },
        },
        # A customer who was made anew at Stripe makes another request of it.
        idempotency_key=idempotency_key(row, f"card-add-{customer.stripe_id}", row.attempt),
    )


def _of_intent(intent_id: str) -> PaymentMethodChange | None:
    return reread(sa.select(PaymentMethodChange).where(PaymentMethodChange.intent_id == intent_id))


def _settle(change: PaymentMethodChange, customer: Customer, makes_default: bool | None) -> Added:
    intent = gateway().get(f"/v1/setup_intents/{change.intent_id}")

    if stripe_objects.reference(intent.get("customer")) != customer.stripe_id:
        raise PaymentMethodNotFoundError

    stripe_id = _saved_by(intent)
    known.pull_method(stripe_id)
    wallet = wallet_of(customer)
    method = wallet.get(stripe_id)
    wanted = change.makes_default if makes_default is None else makes_default

    if change.state == "open" and (wanted or wallet.default is None):
        _try_to_make_default(customer, stripe_id)

    first = _close(change, stripe_id)
    return Added(method, wallet_of(customer).default == stripe_id, first)


def _saved_by(intent: StripeObject) -> str:
    """The payment method that a setup intent has saved.

    :raises CardNotSavedError: where it has not.
    """
    method = stripe_objects.reference(intent.get("payment_method"))

    if intent.get("status") != "succeeded" or method is None:
        raise CardNotSavedError(str(intent.get("status")))

    return method


def _try_to_make_default(customer: Customer, stripe_id: str) -> None:
    """Make a card the default; where that fails it is saved all the same, and can be made so."""
    try:
        standard.make_default(customer, stripe_id)
    except StripeError as error:
        intents.log.warning("A new card could not be made the default: %s", type(error).__name__)


def _close(change: PaymentMethodChange, method: str) -> bool:
    with committed(ACTION) as connection:
        closed = connection.execute(
            sa.update(PaymentMethodChange)
            .where(PaymentMethodChange.id == change.id, PaymentMethodChange.state == "open")
            .values(state="done", method=method, finished_at=clock.now())
        )
        return closed.rowcount == 1
