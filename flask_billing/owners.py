"""Who pays, as the host app knows them: a user, a team, a workspace."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .errors import ConfigError, NotACustomerError
from .models import Customer

#: Characters that Stripe takes at most.
LONGEST_NAME: t.Final = 256
LONGEST_EMAIL: t.Final = 512
#: NUL, line breaks and the like. What joins letters, as in Persian, is none.
_CONTROL: t.Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """The host's payer. ``type`` tells users from teams where both can pay.

    :param id: the host's primary key as text; integers and UUIDs are turned into it.
    :param email: left out where no mail could be sent to it.
    :param name: cut to what stands on an invoice.
    """

    type: str
    id: str
    email: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", str(self.id))
        object.__setattr__(self, "email", _deliverable(self.email))
        object.__setattr__(self, "name", _on_invoices(self.name))

        if not self.type or len(self.type) > 64:
            raise ConfigError(f"The owner type {self.type!r} must have 1 to 64 characters.")

        if not self.id or self.id == "None" or len(self.id) > 255:
            raise ConfigError(
                f"The owner id {self.id!r} must have 1 to 255 characters. "
                "Flush a new object before billing it, so that it has an id."
            )


def _deliverable(email: str | None) -> str | None:
    fits = email is not None and len(email) <= LONGEST_EMAIL and not _CONTROL.search(email)
    return email if fits else None


def _on_invoices(name: str | None) -> str | None:
    """A name as Stripe and every database take it, whatever people call themselves or a team."""
    return name and _CONTROL.sub(" ", name[:LONGEST_NAME]).strip()


def as_owner(value: object) -> Owner | None:
    """Turn what an owner loader returned into an :class:`Owner`.

    Understands an Owner, None, Flask-Login's ``current_user``, and any object with an ``id``
    and optionally ``email`` and ``name``. The type is the table's name, or the class's. A
    customer stands for their owner.

    :raises ConfigError: where no id can be found.
    """
    value = _unwrapped(value)

    if value is None or isinstance(value, Owner):
        return value

    if isinstance(value, Customer):
        return Owner(value.owner_type, value.owner_id, value.email, value.name)

    if getattr(value, "is_authenticated", True) is False:
        return None

    owner_id = getattr(value, "id", None)

    if owner_id is None and callable(get_id := getattr(value, "get_id", None)):
        owner_id = get_id()

    if owner_id is None:
        raise ConfigError(
            f"The owner loader returned {type(value).__name__}, which has no id. Return "
            "flask_billing.Owner(type, id, email, name), an object with an id, or None."
        )

    return Owner(
        type=str(getattr(value, "__tablename__", type(value).__name__.lower())),
        id=str(owner_id),
        email=_text(value, "email"),
        name=_text(value, "name"),
    )


def id_of(customer: object) -> int:
    """The id of a customer that the host passed.

    :raises NotACustomerError: for anything else. A user of the host's has an id too, and it may
        be that of somebody else's customer.
    """
    if not isinstance(customer, Customer):
        raise NotACustomerError(type(customer).__name__)

    return customer.id


def _unwrapped(value: object) -> object:
    get_current: t.Callable[[], object] | None = getattr(value, "_get_current_object", None)
    return get_current() if get_current is not None else value


def _text(value: object, attribute: str) -> str | None:
    text = getattr(value, attribute, None)
    return str(text) if text else None
