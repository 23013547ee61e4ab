"""The JSON Schema of a catalog file, for editors that complete and check TOML.

It describes the file, not the models: meters and plans are tables named by their key, and a
feature may be a plain text. ``catalog.schema.json`` is what this prints.
"""

from __future__ import annotations

import inspect
import json
import re
import typing as t

from . import catalog

Node = dict[str, t.Any]

#: Models whose key is the name of their table.
_KEYED: t.Final = {"meters": "Meter", "plans": "Plan"}
_COMMENT: t.Final = re.compile(r"((?:^    #: .*\n)+)    (\w+):", flags=re.M)


def schema() -> Node:
    """The schema, as plain mappings."""
    found = catalog.Catalog.model_json_schema()
    parts: Node = found["$defs"]

    for table, name in _KEYED.items():
        part = parts[name]
        pattern = part["properties"].pop("key")["pattern"]
        part["required"].remove("key")
        found["properties"][table] = {
            "type": "object",
            "propertyNames": {"pattern": pattern},
            "additionalProperties": {"$ref": f"#/$defs/{name}"},
        }

    features = parts["Plan"]["properties"]["features"]
    features["items"] = {"anyOf": [{"type": "string"}, features["items"]]}

    for name, part in [*parts.items(), ("Catalog", found)]:
        _describe(part, getattr(catalog, name))

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "title": "Flask-Billing catalog",
        "description": "What is sold, at which price, with which limits.",
    }


def _describe(part: Node, model: type[object]) -> None:
    """Write a model's fields as a file has them, each with its comment."""
    part["description"] = part["description"].replace("``", "")
    properties: Node = part["properties"]

    for field, described in properties.items():
        properties[field] = _without_null(described)

    for comment, field in _COMMENT.findall(inspect.getsource(model)):
        if field in properties:
            lines = (line.strip().removeprefix("#: ") for line in comment.splitlines())
            properties[field]["description"] = " ".join(lines).replace("``", "")


def _without_null(described: Node) -> Node:
    """TOML knows no null: what has no value is left out."""
    described.pop("title", None)
    choices = [choice for choice in described.get("anyOf", ()) if choice != {"type": "null"}]

    if len(choices) != 1:
        return described

    del described["anyOf"], described["default"]
    return {**choices[0], **described}


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
