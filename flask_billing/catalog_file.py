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

from . import catalog_rules
from .catalog_form import KEYED, below, fields_of, indexed
from .errors import CatalogError

if t.TYPE_CHECKING:
    from .catalog import Catalog

_VARIABLE = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")


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

    for table in KEYED:
        prepared[table] = _with_keys(content.get(table, {}), table, problems)

    resolved = t.cast("dict[str, object]", _resolve_variables(prepared, "", problems))
    fields = fields_of(model, resolved, "", problems)

    # What is sound is held to the rules too, so that one reading tells all there is to mend.
    catalog = model.of({"plans": (), **fields})
    names = {table: _keys(resolved[table]) for table in KEYED}
    problems += catalog_rules.problems(catalog, names)

    if problems:
        raise CatalogError(source, problems)

    return catalog


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
            key: _resolve_variables(value, below(path, str(key)), problems)
            for key, value in node.items()
        }

    if isinstance(node, list | tuple):
        return [
            _resolve_variables(value, indexed(path, index, value), problems)
            for index, value in enumerate(node)
        ]

    if isinstance(node, str) and (match := _VARIABLE.match(node)):
        value = os.environ.get(match[1], "").strip()

        if not value:
            problems.append(f"{path}: the environment variable {match[1]} is not set")

        return value or node

    return node
