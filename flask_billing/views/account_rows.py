"""What the pages read of a customer: what they have and what waits to happen to it, and invoices.

One query for each function, and none to Stripe.
"""

from __future__ import annotations

import collections.abc as c
import typing as t

import sqlalchemy as sa
from sqlalchemy import orm

from ..access import NEWEST_FIRST
from ..customers import OF_OWNER, owner_key
from ..models import Customer, Invoice, PaymentMethod, Subscription, SubscriptionChange
from ..owners import Owner
from ..prepared import constant
from ..state import state


class Account(t.NamedTuple):
    """A customer with their subscriptions, newest first."""

    customer: Customer
    subscriptions: list[Subscription]
    rows: list[tuple[Subscription | None, SubscriptionChange | None, PaymentMethod | None]]

    def change_of(self, subscription: Subscription | None) -> SubscriptionChange | None:
        """The change of a subscription that waits for its date.

        A cancellation that Stripe could not be told yet goes before one that waits.
        """
        return next((change for own, change, _ in self.rows if own is subscription), None)

    def method_of(self, subscription: Subscription | None) -> PaymentMethod | None:
        """What a subscription's next invoice is charged to: its own, else the customer's.

        :param subscription: None is a customer's who has none.
        """
        return next((method for own, _, method in self.rows if own is subscription), None)


# By a short name, as psycopg reads statements of more than 4 kB anew at each execution.
_Waiting: t.Final = orm.aliased(SubscriptionChange, name="waiting")
_IS_PENDING: t.Final = _Waiting.state == constant("pending")

# Built once: that costs more than running them.
_ACCOUNT: t.Final = (
    OF_OWNER.add_columns(Subscription, _Waiting, PaymentMethod)
    .outerjoin(Subscription, Subscription.customer_id == Customer.id)
    .outerjoin(
        _Waiting,
        sa.and_(
            _Waiting.customer_id == Customer.id,  # which has an index
            _Waiting.subscription_id == Subscription.id,
            sa.or_(
                _IS_PENDING,
                # Recorded while Stripe could not be told.
                sa.and_(
                    _Waiting.state.in_([constant("open"), constant("waiting")]),
                    _Waiting.kind == constant("cancel"),
                ),
            ),
        ),
    )
    .outerjoin(
        PaymentMethod,
        sa.and_(
            PaymentMethod.customer_id == Customer.id,
            PaymentMethod.stripe_id
            == sa.func.coalesce(
                Subscription.default_payment_method, Customer.default_payment_method
            ),
            PaymentMethod.detached_at.is_(None),
        ),
    )
    # What was recorded goes before what is pending.
    .order_by(*NEWEST_FIRST, _IS_PENDING)
    # The audit copy is long, and nobody asks for it here.
    .options(orm.defer(Subscription.snapshot))
    # Rows change beside this session, by webhooks and by our own transactions.
    .execution_options(populate_existing=True)
)
_OPEN_INVOICE: t.Final = (
    sa.select(Invoice)
    .where(
        Invoice.subscription == sa.bindparam("subscription"),
        Invoice.status == "open",
        Invoice.amount_due > 0,
    )
    .order_by(Invoice.issued_at, Invoice.id)
    .limit(1)
)
_LAST_INVOICES: t.Final = (
    sa.select(Invoice)
    .where(Invoice.customer_id == sa.bindparam("customer"), Invoice.status != "draft")
    .order_by(Invoice.issued_at.desc(), Invoice.id.desc())
    .limit(sa.bindparam("count", type_=sa.Integer()))
)


def account_of(owner: Owner) -> Account | None:
    """The account of an owner; None where they are no customer yet."""
    rows = state().db.session.execute(_ACCOUNT, owner_key(owner)).all()

    if not rows:
        return None

    subscriptions = dict.fromkeys(row[1] for row in rows if row[1] is not None)
    return Account(rows[0][0], list(subscriptions), [(row[1], row[2], row[3]) for row in rows])


def open_invoice(subscription: Subscription) -> Invoice | None:
    """The oldest invoice of a subscription that is still to be paid."""
    found: Invoice | None = state().db.session.scalar(
        _OPEN_INVOICE, {"subscription": subscription.stripe_id}
    )
    return found


def last_invoices(customer: Customer, count: int = 3) -> c.Sequence[Invoice]:
    """The newest invoices that were sent; drafts are not."""
    found: c.Sequence[Invoice] = (
        state().db.session.scalars(_LAST_INVOICES, {"customer": customer.id, "count": count}).all()
    )
    return found
