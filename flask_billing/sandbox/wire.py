"""Form encoding as Stripe reads it: ``items[0][price]=...`` becomes nested dicts and lists."""

import re
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
    except (ValueError, UnicodeDecodeError):
        raise invalid("Invalid request: the form could not be read.") from None
    for key, value in pairs:
        _insert(root, key, value)
    return {name: _listed(value) for name, value in root.items()}


def _insert(root: Body, key: str, value: str) -> None:
    match = _KEY.match(key)
    if match is None:
        raise invalid(f"Invalid request: unable to parse parameter name '{key[:100]}'.")
    path = [match[1], *_PART.findall(match[2])]
    if len(path) > _MAX_DEPTH:
        raise invalid("Invalid request: parameters are nested too deeply.")
    node = root
    for position, part in enumerate(path[:-1]):
        name = part or str(len(node))
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            if child == "":  # "items=" and then "items[0]": the list wins
                child = node[name] = {}
            else:
                raise invalid("Invalid hash", _written(path[: position + 1]))
        node = child
    last = path[-1]
    node[str(len(node)) if last == "" and len(path) > 1 else last] = value


def _written(path: list[str]) -> str:
    return path[0] + "".join(f"[{part}]" for part in path[1:])


def _listed(node: object) -> object:
    """Turn dicts whose keys are 0, 1, 2, ... into lists."""
    if not isinstance(node, dict):
        return node
    values = {name: _listed(value) for name, value in node.items()}
    if values and all(name.isdigit() for name in values):
        return [values[name] for name in sorted(values, key=int)]
    return values
