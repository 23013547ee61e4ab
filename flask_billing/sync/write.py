"""Writes what was fetched, unless something newer was written meanwhile.

The row as it was is read first, and replaced only while it still bears the ticket seen then:
optimistic, so that no lock is held and the transitions are exact. Whoever lost the race reads
again; whoever holds an older ticket than the row leaves it alone. PostgreSQL is first sent all of
it in one statement, and a transaction where that does not do.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import functools
import random
import time
import typing as t

import sqlalchemy as sa

from .. import clock, outbox, stripe_objects
from ..database import autocommit, transaction
from ..errors import BillingError, UnlinkedCustomerError
from ..models import ENDED, Checkout, Customer, Invoice, PaymentMethod, Subscription
from ..row_marks import is_foreign
from ..writes import LostError, TransactionNeededError, Writes, fit_one_statement
from . import changes, columns, given_back, rows, transitions, whose
from .fetch import Fetched
from .plans import terms_of
from .rows import Row, Synced
from .tickets import go_on_from

Tickets = c.Mapping[str, int]
#: What the caller adds to the writes; gets the customer's id and returns outbox rows.
Extra = c.Callable[[Writes, int | None], list[dict[str, object]]]

#: Races with other processes that one write may lose before it gives up.
MAX_RACES = 15


def write(fetched: Fetched, tickets: Tickets, extra: Extra | None = None) -> list[outbox.Written]:
    """Write fetched objects and their transitions in one transaction.

    :param tickets: by object id; what has no ticket is not written.
    :param extra: adds the caller's own records to the same writes.
    :returns: the outbox rows written; dispatch them after this returns.
    :raises UnlinkedCustomerError: where no customer here is linked to the Stripe customer.
    """
    if fit_one_statement():
        with contextlib.suppress(LostError, TransactionNeededError), autocommit() as connection:
            return _Write(Writes(connection, at_once=True), fetched, tickets).run(extra)

    for race in range(MAX_RACES):
        try:
            with transaction() as connection:
                return _Write(Writes(connection), fetched, tickets).run(extra)
        except LostError:
            # So that many duplicates at once do not keep meeting.
            time.sleep(random.uniform(0, 0.001 * 2 ** min(race, 5)))  # noqa: S311

    raise BillingError(
        "Other processes kept changing the same billing rows. Nothing was charged or lost; "
        "the event is tried again."
    )


class _Write:
    """One attempt to write."""

    def __init__(self, writes: Writes, fetched: Fetched, tickets: Tickets) -> None:
        self.writes = writes
        self.connection = writes.connection
        self.fetched = fetched
        self.tickets = tickets
        self.rows: list[dict[str, object]] = []

    def run(self, extra: Extra | None) -> list[outbox.Written]:
        """Write everything that was fetched."""
        before = self._hinted() or self._before(owner=self._known_owner())

        if before is None:
            if not whose.is_gone(self.fetched):
                raise UnlinkedCustomerError(whose.stripe_customer(self.fetched))

            return outbox.write_last(self.writes, extra(self.writes, None) if extra else [])

        customer_id: int = before["customer_id"]
        self._link(before, customer_id)

        if customer := self._ticketed("customer"):
            self._write_customer(customer, before, customer_id)

        if invoice := self._ticketed("invoice"):
            self._write_invoice(invoice, before, customer_id)

        if subscription := self._ticketed("subscription"):
            self._write_subscription(subscription, before, customer_id)

        self._write_payment_method(before, customer_id)

        if session := self.fetched.get("session"):
            self._close_checkout(session, customer_id)

        if extra is not None:
            self.rows += extra(self.writes, customer_id)

        return outbox.write_last(self.writes, self.rows)

    def _ticketed(
        self, kind: t.Literal["customer", "invoice", "subscription"]
    ) -> stripe_objects.StripeObject | None:
        found = self.fetched.get(kind)
        return found if found is not None and found["id"] in self.tickets else None

    def _hinted(self) -> Row | None:
        """The rows of the linked customer, else of the one that metadata points to."""
        before = self._before(hint=whose.customer_hint(self.fetched))

        if before is None or before["customer_stripe_id"] is not None:
            return before

        created_at = before["customer_created_at"]
        foreign = any(is_foreign(found, created_at) for found in whose.metadata(self.fetched))
        return None if foreign else before

    def _before(self, *, hint: int = 0, owner: int = 0) -> Row | None:
        """The rows as they are: of the linked customer, else of the one pointed to.

        :param hint: customer to take if it is not linked to another Stripe customer.
        :param owner: customer to take in any case.
        """
        parameters = {
            "stripe_customer": whose.stripe_customer(self.fetched),
            "hint": hint,
            "owner": owner,
            "subscription": stripe_objects.reference(self.fetched.get("subscription")),
            "invoice": stripe_objects.reference(self.fetched.get("invoice")),
            "payment_method": stripe_objects.reference(whose.payment_method(self.fetched)),
        }
        statement = rows.before_statement(self.connection.dialect)
        found = statement.rows(self.connection, parameters)
        # A row linked to the Stripe customer beats one that only something else points to.
        return max(found, key=lambda row: row["customer_stripe_id"] is not None, default=None)

    def _known_owner(self) -> int:
        """Whose the objects were when they were last written; 0 where they are new.

        Only asked where no customer is linked: after a deletion at Stripe, and for a card that
        was taken off its customer.
        """
        owners = [
            sa.select(model.customer_id).where(model.stripe_id == stripe_id)
            for model, stripe_id in self._synced()
            if stripe_id is not None
        ]
        return (owners and self.connection.scalar(sa.union_all(*owners))) or 0

    def _synced(self) -> list[tuple[Synced, str | None]]:
        """What was fetched that has rows of its own."""
        return [
            (Subscription, stripe_objects.reference(self.fetched.get("subscription"))),
            (Invoice, stripe_objects.reference(self.fetched.get("invoice"))),
            (PaymentMethod, stripe_objects.reference(whose.payment_method(self.fetched))),
        ]

    def _link(self, before: Row, customer_id: int) -> None:
        """Take note of the Stripe customer, once.

        What outlives its customer at Stripe must not bring the link back, so only a customer,
        a checkout or a subscription that is new here and live makes one.
        """
        stripe_customer = whose.stripe_customer(self.fetched)

        if stripe_customer is None or before["customer_stripe_id"] is not None:
            return

        if not self._is_new_to(before):
            return

        linked = self.writes.transaction.execute(
            sa.update(Customer)
            .where(Customer.id == customer_id, Customer.stripe_id.is_(None))
            .values(stripe_id=stripe_customer)
        )

        if linked.rowcount == 0:
            raise LostError

        if before["customer_ticket"]:
            go_on_from(self.writes.transaction, stripe_customer, before["customer_ticket"])

    def _is_new_to(self, before: Row) -> bool:
        customer = self.fetched.get("customer")

        if customer is not None:
            return not customer.get("deleted")

        subscription = self.fetched.get("subscription")

        if subscription is None:
            return "session" in self.fetched

        return rows.part(before, "subscription") is None and subscription["status"] not in ENDED

    def _write_customer(
        self, customer: stripe_objects.StripeObject, before: Row, customer_id: int
    ) -> None:
        ticket, seen = self.tickets[customer["id"]], before["customer_ticket"]

        # The ticket of a row that was not linked yet is of the customer that Stripe had before.
        if seen >= ticket and before["customer_stripe_id"] is not None:
            return

        values = {"applied_ticket": max(ticket, seen)}

        # Of a closed account nothing is learned again that was forgotten.
        if before["customer_closed_at"] is None or customer.get("deleted"):
            values.update(columns.customer_values(customer))

        if customer.get("deleted"):
            rows.let_go_of_cards(self.writes.transaction, customer_id)

        statement = rows.customer_statement(self.connection.dialect, tuple(values))
        self.writes.add(statement, {**values, "row": customer_id, "seen": seen})

    def _write_invoice(
        self, invoice: stripe_objects.StripeObject, before: Row, customer_id: int
    ) -> None:
        row = rows.part(before, "invoice")
        values = columns.invoice_values(invoice)

        if self._upsert(Invoice, values, row, customer_id):
            self.rows += transitions.of_invoice(row, values, customer_id=customer_id)

        if found := self.fetched.get("given_back"):
            ticket = self.tickets[invoice["id"]]
            given_back.write(self.writes.transaction, invoice["id"], found, ticket=ticket)

    def _write_subscription(
        self, subscription: stripe_objects.StripeObject, before: Row, customer_id: int
    ) -> None:
        row = rows.part(before, "subscription")
        terms = terms_of(self.connection, stripe_objects.price_of(subscription))
        values = columns.subscription_values(subscription, terms, row)

        if before["customer_closed_at"] is not None:
            values["snapshot"] = None

        if not self._upsert(Subscription, values, row, customer_id):
            return

        if names := transitions.subscription_names(row, values):
            self.rows += transitions.of_subscription(
                names,
                row,
                values,
                customer_id=customer_id,
                ticket=self.tickets[subscription["id"]],
                cancellation=functools.partial(changes.cancellation, self.connection),
            )
            changes.note(self.writes, row, values, names, customer_id)

        if row is not None and changes.waits(row):
            changes.settle(self.writes.transaction, values)

    def _upsert(
        self,
        model: Synced,
        values: columns.Values,
        before: Row | None,
        customer_id: int,
    ) -> bool:
        """Insert or replace a row. False where a newer one is already there."""
        ticket = self.tickets[values["stripe_id"]]
        seen = before["applied_ticket"] if before else -1

        if seen >= ticket:
            return False

        values = {
            **values,
            "customer_id": customer_id,
            "synced_at": clock.wall(),
            "applied_ticket": ticket,
            "seen_ticket": seen,
        }
        moves = before is None or any(before[key] != values[key] for key in rows.indexed(model))
        self.writes.add(rows.upsert_statement(model, self.connection.dialect, moves=moves), values)
        return True

    def _write_payment_method(self, before: Row, customer_id: int) -> None:
        method = whose.payment_method(self.fetched)

        if method is None or before["customer_closed_at"] is not None:
            return

        asked_for = method["id"] in self.tickets

        if not asked_for and before["payment_method_ticket"] is not None:
            return  # came along with a subscription, and is known

        ticket = self.tickets.get(method["id"], 0)
        seen = before["payment_method_ticket"]

        if seen is not None and seen >= ticket:
            return

        holder = stripe_objects.reference(method.get("customer"))
        # One whose customer was deleted at Stripe may still name that one.
        detached = asked_for and (holder is None or holder != before["customer_stripe_id"])
        self.writes.add(
            rows.upsert_statement(PaymentMethod, self.connection.dialect),
            {
                **columns.payment_method_values(method),
                "detached_at": clock.now() if detached else None,
                "customer_id": customer_id,
                "synced_at": clock.wall(),
                "applied_ticket": ticket,
                "seen_ticket": -1 if seen is None else seen,
            },
            lost=LostError if asked_for else None,
        )

    def _close_checkout(self, session: stripe_objects.StripeObject, customer_id: int) -> None:
        state = {"complete": "complete", "expired": "expired"}.get(session.get("status") or "")

        if state is None:
            return

        closed = self.writes.transaction.execute(
            sa.update(Checkout)
            .where(
                Checkout.session_id == session["id"],
                Checkout.customer_id == customer_id,
                Checkout.state == "open",
            )
            .values(state=state, finished_at=clock.now())
            .returning(Checkout.plan)
        ).scalar_one_or_none()

        if closed is not None:
            name = "checkout.completed" if state == "complete" else "checkout.expired"
            self.rows.append(
                outbox.signal_row(
                    name, customer_id=customer_id, key=session["id"], body={"plan": closed}
                )
            )
