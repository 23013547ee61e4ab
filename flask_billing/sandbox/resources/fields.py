"""How parameters change an object's fields: unset, merged, or set."""

from collections.abc import Iterable
from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid

_MAX_KEYS, _MAX_KEY, _MAX_VALUE = 50, 40, 500


def assign(body: Body, params: Body, names: Iterable[str]) -> None:
    """Take these parameters over; an empty string unsets."""
    for name in names:
        if name in params:
            body[name] = None if params[name] == "" else params[name]


def merge_metadata(body: Body, params: Body) -> None:
    """Merge ``metadata``: an empty value deletes a key, an empty string all of them."""
    if "metadata" not in params:
        return
    changes = params["metadata"]
    if changes == "":
        body["metadata"] = {}
        return
    merged = {**body["metadata"], **changes}
    body["metadata"] = checked_metadata({k: v for k, v in merged.items() if v != ""})


def checked_metadata(metadata: Body, param: str = "metadata") -> Body:
    """Metadata within Stripe's limits: 50 keys of 40 characters with 500 each."""
    if len(metadata) > _MAX_KEYS:
        raise invalid(
            f"Metadata can only have up to {_MAX_KEYS} keys, you provided {len(metadata)}.",
            param,
        )
    for key, value in metadata.items():
        if len(key) > _MAX_KEY:
            raise invalid(
                f"Metadata keys can only be {_MAX_KEY} characters long, you provided a key of "
                f"{len(key)} characters.",
                f"{param}[{key}]",
            )
        if len(str(value)) > _MAX_VALUE:
            raise invalid(
                f"Metadata values can have up to {_MAX_VALUE} characters, but you passed in a "
                f"value that is {len(str(value))} characters.",
                f"{param}[{key}]",
            )
    return metadata


def new_metadata(params: Body) -> Body:
    """The metadata of a new object."""
    metadata = params.get("metadata") or {}
    return checked_metadata({k: v for k, v in metadata.items() if v != ""})


def address(given: Body | str | None) -> Body | None:
    """An address with all its fields, or None."""
    if not given or isinstance(given, str):
        return None
    names = ("city", "country", "line1", "line2", "postal_code", "state")
    return {name: given.get(name) or None for name in names}


def shipping(given: Body | str | None) -> Body | None:
    """Where a payment's goods go, with all its fields, or None."""
    if not given or isinstance(given, str):
        return None
    names = ("carrier", "name", "phone", "tracking_number")
    return {"address": address(given.get("address")), **{n: given.get(n) or None for n in names}}


def deleted(body: Body) -> Body:
    """What remains of a deleted object."""
    return {"id": body["id"], "object": body["object"], "deleted": True}


def at_least(params: Body, name: str, least: int, *, inside: str = "") -> None:
    """Refuse a number that is too small; ``inside`` names the hash it is in."""
    value = params.get(name)
    if isinstance(value, int) and value < least:
        raise invalid(
            f"This value must be greater than or equal to {least}.",
            f"{inside}[{name}]" if inside else name,
            "parameter_invalid_integer",
        )


def not_longer(params: Body, name: str, longest: int) -> None:
    """Refuse a text that is too long."""
    value = params.get(name)
    if isinstance(value, str) and len(value) > longest:
        shown = f"{value[:10]}...{value[-10:]}"
        raise invalid(f"Invalid string: {shown}; must be at most {longest} characters", name)


def in_the_future(account: Account, params: Body, name: str) -> None:
    """Refuse a time that has passed."""
    value = params.get(name)
    if isinstance(value, int) and value <= account.now:
        raise invalid("Invalid timestamp: must be an integer Unix timestamp in the future.", name)


def unset(value: Any) -> Any:
    """What was sent with every empty string in it as null."""
    if isinstance(value, dict):
        return {name: unset(entry) for name, entry in value.items()}
    return None if value == "" else value
