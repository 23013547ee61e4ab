"""Whose usage it is: the signed-in owner's customer, looked up once per process."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa
from flask import has_request_context

from ..errors import ConfigError, InvalidUsageError, NotSignedInError
from ..models import Customer
from ..owners import Owner, as_owner
from ..state import BillingState
from .store import StoreDownError, joins_session

#: Owners one process remembers. Their customer never changes.
_MOST_OWNERS: t.Final = 50_000


def current_customer_id(current: BillingState) -> int:
    """The id of the signed-in owner's customer, created if new.

    :raises NotSignedInError: when nobody is signed in.
    :raises StoreDownError: where the database cannot be reached.
    """
    loader = current.hooks.owner

    if loader is None:
        raise ConfigError(
            "No owner loader is registered, so nobody's usage can be booked. Decorate a function "
            "that returns the signed-in user or team with '@billing.owner_loader', or pass "
            "customer=."
        )

    owner = as_owner(loader())

    if owner is None:
        raise NotSignedInError

    known: dict[tuple[str, str], int] = current.caches.setdefault("metering.owners", {})
    found = known.get((owner.type, owner.id))

    if found is None:
        from ..customers import customer_for

        if len(known) >= _MOST_OWNERS:
            known.clear()

        try:
            found = customer_for(owner).id
        except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
            raise StoreDownError(type(error).__name__) from error

        if not joins_session(current):  # else the host may roll the customer back
            known[owner.type, owner.id] = found

    return found


def current_owner_key(current: BillingState) -> tuple[str, str] | None:
    """Type and id of the signed-in owner, without a look at the database."""
    owner = as_owner(current.hooks.owner()) if current.hooks.owner is not None else None
    return None if owner is None else (owner.type, owner.id)


def current_member(current: BillingState, customer: Customer | None = None) -> str | None:
    """Who acts inside the owner, by the host's member loader; None where there is none.

    :param customer: whose usage it is, where that is told: nobody acts as a member of another
        owner's than the signed-in one.
    """
    loader = current.hooks.member

    if loader is None or not has_request_context() or not _is_signed_in(current, customer):
        return None

    member = loader()

    if isinstance(member, str | int):
        return str(member)

    found = as_owner(member)
    return None if found is None else found.id


def check_member(current: BillingState, member: object, customer: Customer | None = None) -> None:
    """Refuse usage of a member that the host does not know as the owner's.

    Without the host's ``is_member``, and for whoever acts by its member loader, there is nothing
    to check.

    :param member: who was named; None names nobody.
    :param customer: whose usage it is; None is the signed-in owner's.
    :raises InvalidUsageError: for a member of somebody else.
    """
    hook, loader = current.hooks.is_member, current.hooks.owner

    if hook is None or not isinstance(member, str):
        return

    if customer is not None:
        owner: Owner | None = Owner(customer.owner_type, customer.owner_id)
    else:
        owner = as_owner(loader()) if loader is not None else None

    if owner is not None and not hook(owner, member):
        raise InvalidUsageError(
            f"{member!r} is no member of {owner.type} {owner.id}. Nothing was booked. Name one of "
            "its members, or none."
        )


def _is_signed_in(current: BillingState, customer: Customer | None) -> bool:
    loader = current.hooks.owner

    if customer is None or loader is None:
        return True

    owner = as_owner(loader())
    return owner is not None and (owner.type, owner.id) == (
        customer.owner_type,
        customer.owner_id,
    )
