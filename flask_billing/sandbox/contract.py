"""Requests held against stripe-python's own parameter types.

The SDK ships a TypedDict for the parameters of every endpoint, generated from Stripe's OpenAPI
description. They are compiled here, once per type and on first use, into readers that check a
decoded form and turn its strings into integers, booleans and so on.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid, missing_param, unknown_param

Reader = Callable[[Any, str], Any]


class _MismatchError(ApiError):
    """A value that is not of the type; a union may try its next member."""

    def __init__(self, message: str, param: str, code: str | None = None) -> None:
        super().__init__(400, message, code=code, param=param)


def read_params(type_name: str, params: Body) -> Body:
    """Check and convert the decoded parameters of a request.

    ``type_name`` names the TypedDict below ``stripe.params``, such as
    ``checkout.SessionCreateParams``. Errors are Stripe's own: ``parameter_unknown``,
    ``parameter_missing``, ``parameter_invalid_integer`` and so on.
    """
    result: Body = _params_reader(type_name)(params, "")
    return result


@cache
def _params_reader(type_name: str) -> Reader:
    import stripe.params

    found: Any = stripe.params
    for part in type_name.split("."):
        found = getattr(found, part)
    return _typed_dict_reader(found)


@cache
def _typed_dict_reader(cls: Any) -> Reader:
    """Read a hash with the fields of a TypedDict, compiled when first met (types may recurse)."""
    fields: dict[str, Reader] = {}
    required: list[str] = []

    def compile_fields() -> None:
        from stripe._request_options import RequestOptions

        options = set(RequestOptions.__annotations__)
        for name, hint in _hints(cls).items():
            if name not in options:
                fields[name] = _reader(hint)
                if name in cls.__required_keys__:
                    required.append(name)

    def read(value: Any, path: str) -> Body:
        if not fields:
            compile_fields()
        if not isinstance(value, dict):
            raise _MismatchError("Invalid object", path)
        result: Body = {}
        for name, item in value.items():
            where = f"{path}[{name}]" if path else name
            reader = fields.get(name)
            if reader is None:
                raise unknown_param(where)
            result[name] = reader(item, where)
        for name in required:
            if name not in value:
                raise missing_param(f"{path}[{name}]" if path else name)
        return result

    return read


def _hints(cls: Any) -> dict[str, Any]:
    from stripe._stripe_context import StripeContext

    namespace = {
        **vars(typing),
        **vars(sys.modules[cls.__module__]),
        "StripeContext": StripeContext,
        "Mapping": Mapping,
    }
    bare = type(cls.__name__, (), {"__annotations__": dict(cls.__annotations__)})
    return typing.get_type_hints(bare, globalns=namespace, localns={})


def _reader(hint: Any) -> Reader:
    origin = typing.get_origin(hint)
    if origin is not None and getattr(origin, "__name__", "") in {"NotRequired", "Required"}:
        return _reader(typing.get_args(hint)[0])
    if origin is typing.Union or origin is types.UnionType:
        return _union_reader(typing.get_args(hint))
    if origin is Literal or getattr(origin, "__name__", "") == "Literal":
        return _literal_reader(tuple(typing.get_args(hint)))
    if origin is list:
        return _list_reader(_reader(typing.get_args(hint)[0]))
    if origin is dict or "UntypedStripeObject" in str(hint):
        return _mapping_reader(_reader(typing.get_args(hint)[-1]))
    if hint in _SCALARS:
        return _SCALARS[hint]
    if isinstance(hint, type) and hasattr(hint, "__required_keys__"):
        return _typed_dict_reader(hint)
    return _anything


def _anything(value: Any, path: str) -> Any:
    return value


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _MismatchError(f"Invalid string: {value}", path)
    if value == "":
        raise _MismatchError(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{path}' cannot be unset. You should remove '{path}' "
            "from your request or supply a non-empty value.",
            path,
            "parameter_invalid_empty",
        )
    return value


def _integer(value: Any, path: str) -> int:
    try:
        if isinstance(value, str) and value.isascii() and value.strip() == value:
            number = int(value)
            if -(2**63) <= number < 2**63:
                return number
    except ValueError:
        pass
    raise _MismatchError(f"Invalid integer: {value}", path, "parameter_invalid_integer")


def _boolean(value: Any, path: str) -> bool:
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise _MismatchError(f"Invalid boolean: {value}", path)


def _decimal(value: Any, path: str) -> str:
    try:
        if isinstance(value, str) and Decimal(value).is_finite():
            return value
    except InvalidOperation:
        pass
    raise _MismatchError(f"Invalid decimal: {value}", path)


def _number(value: Any, path: str) -> float:
    return float(_decimal(value, path))


_SCALARS: dict[Any, Reader] = {
    str: _string,
    int: _integer,
    bool: _boolean,
    float: _number,
    Decimal: _decimal,
    Any: _anything,
    object: _anything,
}


def _literal_reader(allowed: tuple[str, ...]) -> Reader:
    names = list(allowed)
    listing = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, or {names[-1]}"

    def read(value: Any, path: str) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        name = path.rsplit("[", 1)[-1].rstrip("]") if "[" in path else path
        raise _MismatchError(f"Invalid {name}: must be one of {listing}", path)

    return read


def _list_reader(item: Reader) -> Reader:
    def read(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _MismatchError("Invalid array", path)
        return [item(entry, f"{path}[{index}]") for index, entry in enumerate(value)]

    return read


def _mapping_reader(item: Reader) -> Reader:
    def read(value: Any, path: str) -> Body:
        if isinstance(value, list):  # metadata[0]=... is a key like any other
            value = {str(index): entry for index, entry in enumerate(value)}
        if not isinstance(value, dict):
            raise _MismatchError("Invalid hash", path)
        return {
            name: "" if entry == "" else item(entry, f"{path}[{name}]")
            for name, entry in value.items()
        }

    return read


def _union_reader(members: tuple[Any, ...]) -> Reader:
    """Read a union: '' unsets, enumerations are closed although typed ``Literal[...] | str``."""
    emptyable = False
    literals: list[str] = []
    others: list[Any] = []
    for member in members:
        if getattr(typing.get_origin(member), "__name__", "") == "Literal" or (
            typing.get_origin(member) is Literal
        ):
            values = typing.get_args(member)
            emptyable = emptyable or "" in values
            literals.extend(value for value in values if value != "")
        elif member is not type(None):
            others.append(member)
    readers = [_reader(member) for member in others if not (literals and member is str)]
    if literals:
        readers.append(_literal_reader(tuple(literals)))

    def read(value: Any, path: str) -> Any:
        if value == "" and emptyable:
            return ""
        error: _MismatchError | None = None
        for reader in readers:
            try:
                return reader(value, path)
            except _MismatchError as mismatch:
                error = error or mismatch
        raise error or invalid("Invalid value", path)

    return read
