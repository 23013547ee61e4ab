"""The customer that a command is about."""

from __future__ import annotations

import click
import sqlalchemy as sa

from ..models import Customer
from ..state import state


def find_customer(owner_type: str, owner_id: str) -> Customer:
    """The customer of an owner, as OWNER_TYPE user OWNER_ID 7.

    :raises click.ClickException: where there is none.
    """
    found: Customer | None = state().db.session.scalar(
        sa.select(Customer).where(Customer.owner_type == owner_type, Customer.owner_id == owner_id)
    )

    if found is None:
        raise click.ClickException(
            f"There is no customer {owner_type} {owner_id}. One is created when the owner first "
            "opens a billing page or uses something metered."
        )

    return found
