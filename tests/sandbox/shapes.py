"""Answers held against stripe-python's resource classes: known fields, of the right types.

The classes are generated from Stripe's OpenAPI description, so their annotations say what an
answer may look like: nested hashes, lists, references that may be expanded, enumerations.
"""

from __future__ import annotations

import ast
import collections.abc as c
import functools
import importlib
import inspect
import typing as t
from decimal import Decimal, InvalidOperation

from stripe import ErrorObject, ListObject, StripeObject
from stripe._object_classes import OBJECT_CLASSES, V2_OBJECT_CLASSES
from stripe._stripe_object import UntypedStripeObject
from stripe.events._event_classes import get_v2_event_class

Check = c.Callable[[t.Any, str], c.Iterator[str]]

#: A class of the SDK. They define ``__eq__`` only, so that mypy takes them for no cache's key.
Resource: t.TypeAlias = t.Any

#: Fields that recordings of the real API show and the classes do not have.
RECORDED = {
    "charge": {"destination", "dispute", "order"},
    "list": {"total_count"},
    "subscription": {"plan", "quantity"},
    "subscription_item": {"plan"},
}


def wrong_in(body: t.Any) -> list[str]:
    """What in the JSON of an answer is not as the SDK's classes say, a sentence each."""
    if not isinstance(body, dict):
        return [f"the answer is {body!r}, not an object"]

    if "error" in body:
        return list(_fields_check(ErrorObject, partial=True)(body["error"], "error"))

    if "next_page_url" in body:  # a list of the v2 API
        return [line for one in body["data"] for line in _any_object(one, "data")]

    if "object" not in body:
        return [] if not body else ["the answer does not say what it is (no 'object')"]

    return list(_object(body, body["object"]))


def wrong_in_event(event: t.Any) -> list[str]:
    """The same for an event, its object and what the object was before."""
    found = wrong_in(event)
    data = event["data"]
    kind = data["object"].get("object", "")
    where = f"{event['type']} {kind}"

    if kind not in OBJECT_CLASSES:
        return [*found, f"{where} is no kind of object"]

    # The invoice of invoice.upcoming is the one object without an id (stripe-facts, section 3).
    wrong = list(_object(data["object"], where))
    found += [line for line in wrong if line != f"{where}.id is missing"]
    before = data.get("previous_attributes")

    if before is not None:
        found += _before_check(kind)(before, f"{where} before")

    return found


def _object(value: t.Any, where: str) -> c.Iterator[str]:
    """Check a hash by its ``object`` field."""
    kind = value.get("object")
    known = V2_OBJECT_CLASSES if str(kind).startswith("v2.") else OBJECT_CLASSES

    if kind not in known:
        yield f"{where} is a {kind!r}, which is no kind of object"

    elif kind == "list":
        yield from _list_check(_any_object)(value, where)

    elif value.get("deleted"):
        yield from _deleted(value, where)

    elif kind.startswith("v2.") and value.keys() == {"id", "object"}:
        pass  # what the v2 API says of a deleted object

    elif kind == "v2.core.event":
        yield from _fields_check(get_v2_event_class(value["type"]))(value, where)

    else:
        yield from _fields_check(_class_of(kind))(value, where)


def _class_of(kind: str) -> Resource:
    module, name = (V2_OBJECT_CLASSES if kind.startswith("v2.") else OBJECT_CLASSES)[kind]
    return getattr(importlib.import_module(module), name)


def _any_object(value: t.Any, where: str) -> c.Iterator[str]:
    if isinstance(value, dict) and "object" in value:
        yield from _object(value, where)
    else:
        yield f"{where} is no object"


def _deleted(value: t.Any, where: str) -> c.Iterator[str]:
    """What remains of a deleted object: what it was and that it is gone.

    A deleted discount, coupon or customer inside another object still has its fields.
    """
    cls = _class_of(value["object"])

    if "deleted" not in _annotations(cls):
        yield f"{where} cannot be deleted"

    yield from _fields_check(cls, partial=True)(value, where)


@functools.cache
def _before_check(kind: str) -> Check:
    """Check ``previous_attributes``: some fields of the object, null where there was nothing."""
    return _fields_check(_class_of(kind), partial=True, before=True)


@functools.cache
def _fields_check(cls: Resource, partial: bool = False, before: bool = False) -> Check:
    """Check a hash against a class, compiled when first met (classes may recurse)."""
    fields: dict[str, Check] = {}
    required: list[str] = []

    def compile_fields() -> None:
        for name, hint in _annotations(cls).items():
            fields[name] = _check(hint, before)

            if not partial and type(None) not in t.get_args(hint):
                required.append(name)

    recorded = RECORDED.get(getattr(cls, "OBJECT_NAME", ""), set())

    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not fields:
            compile_fields()

        if not isinstance(value, dict):
            yield f"{where} is {value!r}, not a hash ({cls.__qualname__})"
            return

        for name, item in value.items():
            if name in fields:
                if not (before and item is None):
                    yield from fields[name](item, f"{where}.{name}")
            elif name not in recorded:
                yield f"{where}.{name} is no field of {cls.__qualname__}"

        for name in required:
            if name not in value:
                yield f"{where}.{name} is missing"

    return check


def _check(hint: t.Any, before: bool = False) -> Check:
    """The check of one annotation."""
    origin, arguments = t.get_origin(hint), t.get_args(hint)

    if origin is t.Union:
        return _union_check(arguments, before)

    if origin is t.Literal:
        return _literal_check(arguments)

    if origin is list:
        return _array_check(_check(arguments[0]))

    if origin is ListObject:
        inner = _list_check(_check(arguments[0]))
        return _partial_list if before else inner

    if origin is UntypedStripeObject:
        return _mapping_check(_anything if before else _check(arguments[0]))

    if hint in _SCALARS:
        return _scalar_check(hint)

    if isinstance(hint, type) and issubclass(hint, StripeObject):
        if hint is StripeObject or hint is UntypedStripeObject:
            return _anything

        if getattr(hint, "OBJECT_NAME", None) and not before:
            return _class_check(hint)

        resource: Resource = hint
        return _fields_check(resource, partial=before, before=before)

    return _anything


def _class_check(cls: Resource) -> Check:
    """Check an object inside another: of this kind, perhaps deleted."""
    kind = cls.OBJECT_NAME

    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} is {value!r}, not a {kind}"

        elif value.get("object") != kind:
            yield f"{where} is a {value.get('object')!r}, not a {kind}"

        else:
            yield from _object(value, where)

    return check


def _anything(value: t.Any, where: str) -> c.Iterator[str]:
    yield from ()


def _decimal(value: t.Any) -> bool:
    try:
        return isinstance(value, str) and Decimal(value).is_finite()
    except InvalidOperation:
        return False


_SCALARS: dict[t.Any, c.Callable[[t.Any], bool]] = {
    str: lambda value: isinstance(value, str),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    bool: lambda value: isinstance(value, bool),
    float: lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    Decimal: _decimal,
    type(None): lambda value: value is None,
}


def _scalar_check(hint: t.Any) -> Check:
    fits = _SCALARS[hint]

    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not fits(value):
            yield f"{where} is {value!r}, not {hint.__name__}"

    return check


def _literal_check(allowed: tuple[t.Any, ...]) -> Check:
    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if value not in allowed:
            yield f"{where} is {value!r}, none of {', '.join(map(str, allowed))}"

    return check


def _union_check(members: tuple[t.Any, ...], before: bool) -> Check:
    """Check a union. An enumeration is typed ``Literal[...] | str``: its literals are meant."""
    literal = any(t.get_origin(member) is t.Literal for member in members)
    checks = [_check(member, before) for member in members if not (literal and member is str)]

    def check(value: t.Any, where: str) -> c.Iterator[str]:
        # Of the members that fail, the one that got furthest says best what is wrong.
        complaints = []

        for one in checks:
            found = list(one(value, where))

            if not found:
                return

            complaints.append(found)

        yield from max(complaints, key=lambda lines: max(line.find(" ") for line in lines))

    return check


def _array_check(item: Check) -> Check:
    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not isinstance(value, list):
            yield f"{where} is {value!r}, not an array"
            return

        for index, entry in enumerate(value):
            yield from item(entry, f"{where}[{index}]")

    return check


def _list_check(item: Check) -> Check:
    envelope = _fields_check(ListObject)

    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not isinstance(value, dict) or value.get("object") != "list":
            yield f"{where} is {value!r}, not a list object"
            return

        rest = {name: field for name, field in value.items() if name not in {"object", "data"}}
        yield from envelope({**rest, "data": []}, where)

        for index, entry in enumerate(value["data"]):
            yield from item(entry, f"{where}.data[{index}]")

    return check


def _partial_list(value: t.Any, where: str) -> c.Iterator[str]:
    """Check a list of which only the changed leaves are told: its arrays come whole."""
    for index, entry in enumerate(value.get("data", [])):
        yield from _any_object(entry, f"{where}.data[{index}]")


def _mapping_check(item: Check) -> Check:
    def check(value: t.Any, where: str) -> c.Iterator[str]:
        if not isinstance(value, dict):
            yield f"{where} is {value!r}, not a hash"
            return

        for name, entry in value.items():
            yield from item(entry, f"{where}[{name}]")

    return check


@functools.cache
def _annotations(cls: Resource) -> dict[str, t.Any]:
    """The fields of a class with their types, those of its bases included."""
    found: dict[str, t.Any] = {}

    for base in reversed(cls.__mro__):
        if base is StripeObject or not issubclass(base, StripeObject):
            continue

        hints = {
            name: hint
            for name, hint in vars(base).get("__annotations__", {}).items()
            if not name.startswith("_") and t.get_origin(hint) is not t.ClassVar
        }
        holder = type(base.__name__, (), {"__annotations__": hints})
        module = inspect.getmodule(base)
        assert module is not None
        namespace = {**vars(module), **_later_imports(module.__name__, frozenset(_names(hints)))}
        found.update(t.get_type_hints(holder, globalns=namespace, localns={}))

    return found


def _names(hint: t.Any) -> c.Iterator[str]:
    """The names of classes that annotations refer to in quotes."""
    if isinstance(hint, dict):
        for one in hint.values():
            yield from _names(one)

    elif isinstance(hint, str):
        yield from (node.id for node in ast.walk(ast.parse(hint)) if isinstance(node, ast.Name))

    elif isinstance(hint, t.ForwardRef):
        yield from _names(hint.__forward_arg__)

    else:
        for one in t.get_args(hint):
            if not isinstance(one, str) or t.get_origin(hint) is not t.Literal:
                yield from _names(one)


@functools.cache
def _later_imports(module: str, names: frozenset[str]) -> dict[str, t.Any]:
    """What the module imports for the type checker only, of these names."""
    source = inspect.getsource(importlib.import_module(module))
    found: dict[str, t.Any] = {}

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("stripe."):
            for alias in node.names:
                name = alias.asname or alias.name

                if name in names:
                    found[name] = getattr(importlib.import_module(node.module), alias.name)

    return found
