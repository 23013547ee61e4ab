"""The events a host can listen to, and their documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flask_billing.signals import NAMES, signal

DOCS = Path(__file__).parent.parent / "docs" / "events.md"


def test_the_documentation_lists_every_event() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", DOCS.read_text(encoding="utf-8"), re.M)

    assert dict(rows) == NAMES


def test_an_unknown_event_names_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"subscription\.activated"):
        signal("subscription.activatd")
