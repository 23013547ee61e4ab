"""Owners as customers: found, or created once however many requests arrive together."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import g
from werkzeug.local import LocalProxy

from . import clock, outbox
from .database import insert, reread, transaction, update
from .errors import ConfigError, NotSignedInError
from .models import Customer, Subscription
from .owners import Owner, as_owner
from .state import state

# Built once: that costs more than running them. The first takes an owner's :func:`owner_key`.
OF_OWNER: t.Final = sa.select(Customer).where(
    Customer.owner_type == sa.bindparam("owner_type"),
    Customer.owner_id == sa.bindparam("owner_id"),
)
_CURRENCY_PAID_IN: t.Final = (
    sa.select(Subscription.currency)
    .where(Subscription.customer_id == sa.bindparam("customer"))
    .order_by(Subscription.id.desc())
    .limit(1)
)


def current_owner() -> Owner | None:
    """Who is signed in, by the host's owner loader; None for nobody.

    :raises ConfigError: where no loader was registered.
    """
    loader = state().hooks.owner

    if loader is None:
        raise ConfigError(
            "No owner loader is registered, so nobody can be billed. Decorate a function that "
            "returns the signed-in user or team with '@billing.owner_loader'."
        )

    return as_owner(loader())


def customer_for(owner: object) -> Customer:
    """The customer of an owner, created in a committed transaction of its own if new.

    :param owner: an :class:`Owner`, or any object its adapter understands.
    """
    resolved = as_owner(owner)

    if resolved is None:
        raise NotSignedInError

    return _welcomed(resolved, _find(resolved))


def known_customer(owner: Owner) -> Customer | None:
    """The customer of an owner; None where there is none, and none is created."""
    return _find(owner)


def reopen(customer: Customer) -> None:
    """Let a customer whose account was closed be one again; named at the next sign-in."""
    if customer.closed_at is None:
        return

    with transaction() as connection:
        connection.execute(
            sa.update(Customer).where(Customer.id == customer.id).values(closed_at=None)
        )

    update(customer, "closed_at")


def find_current_customer() -> Customer | None:
    """The signed-in owner's customer, created if new; None when nobody is signed in."""
    owner = current_owner()

    if owner is None:
        return None

    # One application context may see several owners, as of a worker's tasks.
    known: tuple[Owner, Customer] | None = g.get("billing_customer")

    if known is None or known[0] != owner:
        known = g.billing_customer = owner, customer_for(owner)

    return known[1]


def sign_in(owner: Owner, found: Customer | None) -> Customer:
    """Take what was read of the signed-in owner as the current customer.

    :param found: None where there was none: then one is created.
    """
    customer = _welcomed(owner, found)
    g.billing_customer = owner, customer
    return customer


def require_current_customer() -> Customer:
    """The signed-in owner's customer.

    :raises NotSignedInError: when nobody is signed in.
    """
    found = find_current_customer()

    if found is None:
        raise NotSignedInError

    return found


def currency_of(customer: Customer | None) -> str:
    """The currency a customer pays in: settled by the first purchase, before it a choice.

    The host's ``currency_for`` hook chooses; without one it is the catalog's.
    """
    settled = None if customer is None else customer.currency or _currency_paid_in(customer)

    if settled is not None:
        return settled

    hook = state().hooks.currency_for
    chosen = hook(customer) if hook is not None else None
    return (chosen or state().catalog.currency).lower()


#: The signed-in owner's customer. Raises :class:`NotSignedInError` when used without one.
current_customer = t.cast("Customer", LocalProxy(require_current_customer))


def _currency_paid_in(customer: Customer) -> str | None:
    """The currency of the last subscription, where Stripe sends no news of customers."""
    if customer.stripe_id is None:
        return None

    found: str | None = state().db.session.scalar(_CURRENCY_PAID_IN, {"customer": customer.id})
    return found


def _created_rows(customer_id: int | None) -> list[dict[str, object]]:
    if customer_id is None:
        return []

    key = f"customer:{customer_id}"
    return [outbox.signal_row("customer.created", customer_id=customer_id, key=key)]


def owner_key(owner: Owner) -> dict[str, str]:
    """What :data:`OF_OWNER` is asked by."""
    return {"owner_type": owner.type, "owner_id": owner.id}


def _find(owner: Owner) -> Customer | None:
    found: Customer | None = state().db.session.scalar(OF_OWNER, owner_key(owner))
    return found


def _welcomed(owner: Owner, found: Customer | None) -> Customer:
    """The customer of an owner, created if new, and named as the host names them."""
    customer = found or _create(owner)

    if customer.email is None and owner.email and customer.closed_at is None:
        _name(customer, owner)

    return customer


def _name(customer: Customer, owner: Owner) -> None:
    """Take over who a customer without a name is, as the host says."""
    with transaction() as connection:
        connection.execute(
            sa.update(Customer)
            .where(Customer.id == customer.id, Customer.email.is_(None))
            .values(email=owner.email, name=customer.name or owner.name)
        )

    update(customer, "email", "name")


def _create(owner: Owner) -> Customer:
    with transaction() as connection:
        created = connection.execute(
            insert(connection, Customer)
            .values(
                owner_type=owner.type,
                owner_id=owner.id,
                email=owner.email,
                name=owner.name,
                created_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=["owner_type", "owner_id"])
            .returning(Customer.id)
        ).scalar_one_or_none()

        written = outbox.write(connection, _created_rows(created))

    outbox.dispatch(written)
    found = _find(owner) or reread(OF_OWNER.params(owner_key(owner)))
    assert found is not None, "the customer was committed a moment ago"
    return found
