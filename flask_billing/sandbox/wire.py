"""Form encoding as Stripe reads it: ``items[0][price]=...`` becomes nested hashes.

Lists stay hashes with their indexes as keys (``items[0]``, and ``items[]`` counted on): only the
type of a parameter says whether ``metadata[0]`` is a list's first entry or a key named 0.
"""

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
_MAX_DEPTH = 12
_MAX_FIELDS = 2_000


def decode_form(text: str) -> Body:
    """Decode a query string or form body; leaves stay strings, as on the wire."""
    root: Body = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise invalid("Invalid request: the form could not be read.") from None

    for key, value in pairs:
        _insert(root, key, value)

    return root


def decode_json(text: str) -> Body:
    """Decode the JSON body of the v2 API to what its form would have been."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid("Invalid request: the JSON could not be read.") from None

    if not isinstance(body, dict):
        raise invalid("Invalid request: the JSON is no object.")

    decoded: Body = _as_form(body, _MAX_DEPTH)
    return decoded


def _as_form(value: Any, depth: int) -> Any:
    if depth == 0:
        raise invalid("Invalid request: parameters are nested too deeply.")

    if isinstance(value, dict):
        return {name: _as_form(entry, depth - 1) for name, entry in value.items()}

    if isinstance(value, list):
        return {str(index): _as_form(entry, depth - 1) for index, entry in enumerate(value)}

    if value is None:
        return ""

    return str(value).lower() if isinstance(value, bool) else str(value)


def entries(value: object) -> list[tuple[str, Any]] | None:
    """The entries of a list with the indexes they came with, in order; None if it is no list."""
    if not isinstance(value, dict) or not all(map(_is_index, value)):
        return None

    return sorted(value.items(), key=lambda entry: int(entry[0]))


def readable(value: Any) -> Any:
    """Decoded parameters as a reader would write them, with lists for what counts from 0."""
    if not isinstance(value, dict):
        return value

    shown = {name: readable(entry) for name, entry in value.items()}

    if shown and list(shown) == [str(index) for index in range(len(shown))]:
        return list(shown.values())

    return shown


def _insert(root: Body, key: str, value: str) -> None:
    match = _KEY.match(key)

    if match is None:
        raise invalid(f"Invalid request: unable to parse parameter name '{key[:100]}'.")

    path = [match[1], *_PART.findall(match[2])]

    if len(path) > _MAX_DEPTH:
        raise invalid("Invalid request: parameters are nested too deeply.")

    node = root

    for position, part in enumerate(path[:-1]):
        name = part or _place(node, path[position + 1])
        child = node.setdefault(name, {})

        if not isinstance(child, dict):
            if child != "":  # "items=" and then "items[0]": the list wins
                raise invalid("Invalid hash", _written(path[: position + 1]))

            child = node[name] = {}

        node = child

    node[path[-1] or str(len(node))] = value


def _place(node: Body, field: str) -> str:
    """Where ``a[][field]`` belongs: to the last hash of the list until that has the field."""
    last = str(len(node) - 1)
    open_hash = node.get(last)

    if field and isinstance(open_hash, dict) and field not in open_hash:
        return last

    return str(len(node))


def _is_index(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 10


def _written(path: list[str]) -> str:
    return path[0] + "".join(f"[{part}]" for part in path[1:])
