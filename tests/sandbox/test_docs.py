"""docs/sandbox.md tells of what the sandbox has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_billing.sandbox import Sandbox, resources, router
from flask_billing.sandbox.cards import by_number, by_token

TEXT = (Path(__file__).parent.parent.parent / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_every_kind_of_endpoint_is_named() -> None:
    resources.register()
    found = set()

    for endpoints in router._ENDPOINTS.values():
        for endpoint in endpoints:
            parts = endpoint.parts[1:]
            named = parts[: parts.index("{id}")] if "{id}" in parts else parts
            found.add("/".join(named))

    spoken = set(re.findall(r"`([\w/]+)`", TEXT))
    assert {path for path in found if path not in spoken and path.split("/")[-1] not in spoken} == (
        set()
    )


def test_the_cards_are_test_cards() -> None:
    rows = re.findall(r"^\| (\d{4} \d{4} \d{4} \d{4}) \| `(pm_card_\w+)`", TEXT, re.MULTILINE)

    assert len(rows) == 8
    assert [number for number, token in rows if by_number(number) != by_token(token)] == []


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"(?<![\w./])sandbox\.((?:\w+\.)?\w+)", TEXT)))
)
def test_the_handle_has_what_is_shown(name: str) -> None:
    with Sandbox() as sandbox:
        found: object = sandbox

        for part in name.split("."):
            assert hasattr(found, part), name
            found = getattr(found, part)
