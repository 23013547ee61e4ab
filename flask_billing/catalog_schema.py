"""The JSON Schema of a catalog file, for editors that complete and check TOML.

It describes the file, not the models: meters and plans are tables named by their key, and a
feature may be a plain text. ``catalog.schema.json`` is what this prints.
"""

from __future__ import annotations

import inspect
import json
import re
import typing as t

from .catalog import Catalog
from .catalog_form import KEYED, Exact, Part, Text, Whole

Node = dict[str, t.Any]

_COMMENT: t.Final = re.compile(r"((?:^    #: .*\n)+)    (\w+):", flags=re.M)


def schema() -> Node:
    """The schema, as plain mappings."""
    parts: dict[str, Node] = {}
    found = _part(Catalog, parts)

    for table in KEYED:
        reference = found["properties"][table]["items"]
        part = parts[reference["$ref"].rpartition("/")[2]]
        pattern = part["properties"].pop("key")["pattern"]
        part["required"].remove("key")
        found["properties"][table] = {
            "type": "object",
            "propertyNames": {"pattern": pattern},
            "additionalProperties": reference,
            "description": found["properties"][table]["description"],
        }

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": dict(sorted(parts.items())),
        **found,
        "title": "Flask-Billing catalog",
        "description": "What is sold, at which price, with which limits.",
    }


def _part(model: type[Part], parts: dict[str, Node]) -> Node:
    """A part as a file has it, each field with its comment; parts within it go to ``parts``."""
    comments = dict(_comments(model))
    properties: Node = {}

    for name, form in model.fields.items():
        properties[name] = _value(form, parts)

        if (default := getattr(model, name, None)) is not None:
            properties[name]["default"] = list(default) if isinstance(default, tuple) else default

        if name in comments:
            properties[name]["description"] = comments[name]

    return {
        "title": model.__name__,
        "description": inspect.cleandoc(model.__doc__ or "").replace("``", ""),
        "type": "object",
        "properties": properties,
        "required": [name for name in model.fields if not hasattr(model, name)],
        "additionalProperties": False,
    }


def _comments(model: type[Part]) -> t.Iterator[tuple[str, str]]:
    for comment, field in _COMMENT.findall(inspect.getsource(model)):
        lines = (line.strip().removeprefix("#: ") for line in comment.splitlines())
        yield field, " ".join(lines).replace("``", "")


def _value(form: object, parts: dict[str, Node]) -> Node:
    """What an annotation says. TOML knows no null: what has no value is left out."""
    arguments = t.get_args(form)

    if isinstance(form, type) and issubclass(form, Part):
        parts[form.__name__] = _part(form, parts)
        reference = {"$ref": f"#/$defs/{form.__name__}"}
        return reference if form.shorthand is None else {"anyOf": [{"type": "string"}, reference]}

    if t.get_origin(form) is tuple:
        return {"type": "array", "items": _value(arguments[0], parts)}

    if t.get_origin(form) is t.Literal:
        return {"type": "string", "enum": list(arguments)}

    if t.get_origin(form) is t.Annotated:
        return _bounds(arguments[1])

    if arguments:
        return _value(arguments[0], parts)

    return {"type": "boolean" if form is bool else "string"}


def _bounds(form: Text | Whole | Exact) -> Node:
    if isinstance(form, Exact):
        exact = {"type": "string", "pattern": form.pattern}
        return {"anyOf": [{"type": "integer", "minimum": 0}, exact]}

    if isinstance(form, Whole):
        bounds = {"type": "integer", "minimum": form.least, "maximum": form.most}
    else:
        bounds = {
            "type": "string",
            "minLength": form.least or None,
            "maxLength": form.most,
            "pattern": form.pattern,
        }

    return {name: bound for name, bound in bounds.items() if bound is not None}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
