"""Requests held against stripe-python's own parameter types.

The SDK ships a TypedDict for the parameters of every endpoint, generated from Stripe's OpenAPI
description. They are compiled here, once per type and on first use, into readers that check a
decoded form and turn its strings into integers, booleans and so on.

Readers of our own and not a validator library's, because the form is Stripe's dialect: every leaf
is a string, an empty one unsets, a list is a hash of indexes, ``Literal[...] | str`` is closed, and
the first mistake has to come out with Stripe's own code, parameter (``items[0][price]``) and words.
"""

from __future__ import annotations

import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module
from typing import Any, Literal

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid, missing_param, unknown_param
from flask_billing.sandbox.resources.fields import checked_metadata
from flask_billing.sandbox.unsettable import UNSETTABLE
from flask_billing.sandbox.wire import entries

Reader = Callable[[Any, str], Any]

_INTEGER = re.compile(r"^-?[0-9]{1,19}$")
_DECIMAL = re.compile(r"^-?[0-9]{1,18}(\.[0-9]{1,18})?$")


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


def params_type(type_name: str) -> Any:
    """The TypedDict of this name below ``stripe.params``."""
    package, _, name = type_name.rpartition(".")
    # Those of the v2 API are in packages that nobody else imports.
    return getattr(import_module(f"stripe.params.{package}".rstrip(".")), name)


@cache
def _params_reader(type_name: str) -> Reader:
    return _typed_dict_reader(params_type(type_name))


@cache
def _typed_dict_reader(cls: Any) -> Reader:
    """Read a hash with the fields of a TypedDict."""

    def read(value: Any, path: str) -> Body:
        fields, required = _fields(cls)
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


@cache
def _fields(cls: Any) -> tuple[dict[str, Reader], list[str]]:
    """The readers of a TypedDict's fields, and which are required.

    Compiled when first met, as types may recurse, and handed out whole, as threads meet them at
    once.
    """
    from stripe._request_options import RequestOptions

    options = set(RequestOptions.__annotations__)
    unsettable = UNSETTABLE.get(cls.__name__, frozenset())
    fields = {
        name: _unsetting if name in unsettable else _reader(hint)
        for name, hint in _hints(cls).items()
        if name not in options
    }
    return fields, [name for name in fields if name in cls.__required_keys__]


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
        raise _MismatchError(f"Invalid string: {json.dumps(value)}", path)
    if value == "":
        raise _empty(path)
    return value


def _unsetting(value: Any, path: str) -> str:
    return "" if value == "" else _string(value, path)


def _empty(path: str) -> _MismatchError:
    return _MismatchError(
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{path}' cannot be unset. You should remove '{path}' "
        "from your request or supply a non-empty value.",
        path,
        "parameter_invalid_empty",
    )


def _integer(value: Any, path: str) -> int:
    if value == "":
        raise _empty(path)
    if isinstance(value, str) and _INTEGER.match(value):
        number = int(value)
        if -(2**63) <= number < 2**63:
            return number
    raise _MismatchError(f"Invalid integer: {_quoted(value)}", path, "parameter_invalid_integer")


def _boolean(value: Any, path: str) -> bool:
    if value == "":
        raise _empty(path)
    if value in ("true", "1"):
        return True
    if value in ("false", "0"):
        return False
    raise _MismatchError(f"Invalid boolean: {_quoted(value)}", path)


def _decimal(value: Any, path: str) -> str:
    if value == "":
        raise _empty(path)
    if isinstance(value, str) and _DECIMAL.match(value):
        return value
    raise _MismatchError(f"Invalid decimal: {_quoted(value)}", path)


def _number(value: Any, path: str) -> float:
    return float(_decimal(value, path))


def _quoted(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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
        if value == "":
            raise _empty(path)
        name = path.rsplit("[", 1)[-1].rstrip("]") if "[" in path else path
        raise _MismatchError(f"Invalid {name}: must be one of {listing}", path)

    return read


def _list_reader(item: Reader) -> Reader:
    def read(value: Any, path: str) -> list[Any]:
        found = entries(value)
        if found is None:
            raise _MismatchError("Invalid array", path)
        return [item(entry, f"{path}[{index}]") for index, entry in found]

    return read


def _mapping_reader(item: Reader) -> Reader:
    def read(value: Any, path: str) -> Body:
        if not isinstance(value, dict):
            raise _MismatchError("Invalid hash", path)
        found = {
            name: "" if entry == "" else item(entry, f"{path}[{name}]")
            for name, entry in value.items()
        }
        if path.endswith(("metadata", "metadata]")):
            checked_metadata(found, path)
        return found

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
    compound = [_is_compound(member) for member in others if not (literals and member is str)]
    compound += [False] * bool(literals)

    def read(value: Any, path: str) -> Any:
        if value == "" and emptyable:
            return ""
        # The member of the value's own sort says best what is wrong with it.
        errors: list[tuple[bool, _MismatchError]] = []
        for reader, takes_hash in zip(readers, compound, strict=True):
            try:
                return reader(value, path)
            except _MismatchError as mismatch:
                errors.append((takes_hash != isinstance(value, dict), mismatch))
        if not errors:
            raise invalid("Invalid value", path)
        raise min(errors, key=lambda error: error[0])[1]

    return read


def _is_compound(member: Any) -> bool:
    return typing.get_origin(member) in (list, dict) or hasattr(member, "__required_keys__")
