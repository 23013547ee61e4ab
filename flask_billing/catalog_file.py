"""Reading a catalog from a file or plain mappings, and saying where each problem is.

The file names plans and meters by table, ``[plans.pro]``; the models hold lists that know
their keys. Paths in messages are those of the file: ``plans.pro.prices[0].amount``.
"""

from __future__ import annotations

import collections.abc as c
import os
import re
import tomllib
import typing as t
from pathlib import Path

import pydantic as p

from .errors import CatalogError

if t.TYPE_CHECKING:
    from pydantic_core import ErrorDetails

    from .catalog import Catalog

_VARIABLE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")

#: Lists written as tables named by key.
_KEYED: t.Final = ("meters", "plans")


def read(path: str | os.PathLike[str]) -> dict[str, object]:
    """The content of a TOML file.

    :raises CatalogError: where it cannot be read or is not TOML.
    """
    file = Path(path)

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogError(str(file), [f"cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogError(str(file), [f"is not TOML: {error}"]) from error


def build(model: type[Catalog], content: c.Mapping[str, object], source: str) -> Catalog:
    """A catalog from the mappings of a file.

    :raises CatalogError: listing every problem of form and of sense, with its path.
    """
    problems: list[str] = []
    prepared = {**content}

    for table in _KEYED:
        prepared[table] = _with_keys(content.get(table, {}), table, problems)

    resolved = t.cast("dict[str, t.Any]", _resolve_variables(prepared, "", problems))
    names = {table: _keys(resolved[table]) for table in _KEYED}

    try:
        catalog = model.model_validate(resolved, context=names)
    except p.ValidationError as error:
        problems += [_line(detail, resolved) for detail in error.errors()]
        problems += _problems_of_the_rest(model, resolved, names, error)
    except CatalogError as error:
        problems += error.problems
    else:
        if not problems:
            return catalog

    raise CatalogError(source, problems)


def _problems_of_the_rest(
    model: type[Catalog],
    content: dict[str, t.Any],
    names: dict[str, set[str]],
    error: p.ValidationError,
) -> c.Sequence[str]:
    """What else does not hold together, leaving out the parts that are malformed."""
    bad = {detail["loc"][:2] for detail in error.errors()}
    rest = {
        name: [part for index, part in enumerate(value) if (name, index) not in bad]
        if isinstance(value, list)
        else value
        for name, value in content.items()
        if not any(location[0] == name and not _is_item(location) for location in bad)
    }

    try:
        model.model_validate({"plans": [], **rest}, context=names)
    except CatalogError as inconsistent:
        return inconsistent.problems
    except p.ValidationError:  # pragma: no cover  (what is left was valid before)
        pass

    return ()


def _is_item(location: tuple[int | str, ...]) -> bool:
    return len(location) > 1 and isinstance(location[1], int)


def _with_keys(tables: object, path: str, problems: list[str]) -> object:
    """``[plans.pro]`` as a list of tables that know their key; lists are left alone."""
    if not isinstance(tables, c.Mapping):
        return tables

    parts = []

    for key, table in tables.items():
        if not isinstance(table, c.Mapping):
            problems.append(f"{path}.{key}: must be a table, as [{path}.{key}]")
            continue

        if "key" in table:
            problems.append(f"{path}.{key}.key: the table's name is the key; leave this out")

        parts.append({**table, "key": key})

    return parts


def _keys(parts: object) -> set[str]:
    if not isinstance(parts, list | tuple):
        return set()

    return {str(part["key"]) for part in parts if isinstance(part, c.Mapping) and "key" in part} | {
        str(part.key) for part in parts if hasattr(part, "key")
    }


def _resolve_variables(node: object, path: str, problems: list[str]) -> object:
    """Replace ``"${NAME}"`` by the environment, noting what is missing."""
    if isinstance(node, c.Mapping):
        return {
            key: _resolve_variables(value, f"{path}.{key}" if path else str(key), problems)
            for key, value in node.items()
        }

    if isinstance(node, list | tuple):
        return [
            _resolve_variables(value, _indexed(path, index, value), problems)
            for index, value in enumerate(node)
        ]

    if isinstance(node, str) and (match := _VARIABLE.match(node)):
        value = os.environ.get(match[1], "").strip()

        if not value:
            problems.append(f"{path}: the environment variable {match[1]} is not set")

        return value or node

    return node


def _line(detail: ErrorDetails, content: object) -> str:
    return f"{_path(detail['loc'], content)}: {_sentence(detail)}"


def _path(location: tuple[int | str, ...], content: object) -> str:
    """``plans.1.prices.0.amount`` as ``plans.pro.prices[0].amount``."""
    path, node = "", content

    for part in location:
        if isinstance(part, int):
            value = node[part] if isinstance(node, list | tuple) and part < len(node) else None
            path = _indexed(path, part, value)
            node = value
        else:
            path = f"{path}.{part}" if path else part
            node = node.get(part) if isinstance(node, c.Mapping) else None

    return path or "(file)"


def _indexed(path: str, index: int, value: object) -> str:
    key = value.get("key") if isinstance(value, c.Mapping) and path in _KEYED else None
    return f"{path}[{index}]" if key is None else f"{path}.{key}"


def _sentence(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return "is not a key of the catalog"
        case "missing":
            return "is missing"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "string_pattern_mismatch" if detail["loc"][-1] == "currency":
            return f"{detail['input']!r} is not a currency; write three letters, as 'usd'"
        case "string_pattern_mismatch" if detail["loc"][-1] == "contact":
            return f"{detail['input']!r} is not a link; begin with https://, mailto: or /"
        case "string_pattern_mismatch":
            return (
                f"{detail['input']!r} is not a key; use up to 40 lower-case letters, digits, "
                "'-' and '_', and begin with a letter"
            )
        case "string_type":
            return f"{detail['input']!r} is not a text; put it in quotes"

    message = detail["msg"]
    return message[:1].lower() + message[1:]
