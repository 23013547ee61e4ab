"""The files we ship: small, unchanged, cached by version, and templates in the htmx subset."""

from __future__ import annotations

import collections.abc as c
import gzip
import hashlib
import re
from pathlib import Path

import pytest

import flask_billing

from ..host import Host
from .person import Person

PACKAGE = Path(flask_billing.__file__).parent
STATIC = PACKAGE / "static"
#: Of pages; mails are seen by programs that know no stylesheets.
TEMPLATES = sorted((PACKAGE / "templates" / "billing").glob("*.html"))

#: The release of htmx 4.0.1 as npm carries it (dist/htmx.min.js).
HTMX = "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"

ALLOWED = {
    "hx-get",
    "hx-post",
    "hx-target",
    "hx-swap",
    "hx-trigger",
    "hx-sync",
    "hx-indicator",
    "hx-include",
    "hx-vals",
    "hx-confirm",
    "hx-replace-url",
    "hx-swap-oob",
}
BANNED = (
    (r"\shx-on", "runs code from an attribute"),
    (r"\bjs:", "runs code from an attribute"),
    (r"\sstyle=", "is blocked by a strict policy"),
    (r"\son[a-z]+=", "is blocked by a strict policy"),
    (r"<script(?![^>]*\ssrc=)", "is blocked by a strict policy"),
    (r"<style\b", "is blocked by a strict policy"),
    (r"\|\s*safe\b", "lets markup through"),
)


def test_htmx_is_the_release_unchanged() -> None:
    assert hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest() == HTMX


@pytest.mark.parametrize(
    ("name", "limit"),
    [("billing.css", 10_240), ("billing.js", 4_096), ("billing-stripe.js", 4_096)],
)
def test_files_stay_small(name: str, limit: int) -> None:
    assert len(gzip.compress((STATIC / name).read_bytes())) <= limit


def test_no_rule_of_ours_reaches_outside() -> None:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "billing.css").read_text(), flags=re.DOTALL)
    assert "!important" not in css

    for selector in re.findall(r"(?:^|[{}])\s*([^{}@;]+)\{", css):
        for part in re.split(r",(?![^(]*\))", selector):
            part = part.strip()
            known = part.startswith((":where(.fb-root", ".fb-body")) or part in ("from", "to")
            assert known, part


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_the_subset_that_both_versions_of_htmx_know(template: Path) -> None:
    text = template.read_text()

    assert set(re.findall(r"\s(hx-[a-z-]+)", text)) <= ALLOWED
    assert set(re.findall(r'hx-swap="(\w+)', text)) <= {
        "innerHTML",
        "outerHTML",
        "beforeend",
        "none",
    }
    assert set(re.findall(r'hx-swap-oob="([^"]+)"', text)) <= {
        "true",
        "beforeend:#fb-toasts",
        "beforeend:#fb-alerts",
    }

    for trigger in re.findall(r'hx-trigger="([^"]+)"', text):
        assert "[" not in trigger

    for pattern, why in BANNED:
        assert not re.search(pattern, text), f"{pattern} {why}"


def test_every_form_that_changes_something_works_without_scripts_and_sends_once() -> None:
    for template in TEMPLATES:
        for form in re.findall(r"<form[^>]+>", template.read_text(), flags=re.DOTALL):
            if 'method="post"' in form:
                assert "action=" in form
                assert 'hx-sync="this:drop"' in form


def test_files_are_cached_for_good_under_their_version(host: Host) -> None:
    person = Person(host, None)
    page = person.open("/billing/plans").text
    address = re.search(r'href="(/billing/static/billing.css\?v=\w+)"', page)
    assert address is not None

    for path, caching in (
        (address[1], "public, max-age=31536000, immutable"),
        ("/billing/static/billing.css?v=old", "no-cache"),
        ("/billing/static/billing.css", "no-cache"),
    ):
        with person.client.get(path) as answer:
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == caching

    assert person.client.get("/billing/static/nothing.css?v=1").status_code == 404


def test_pages_at_the_root_leave_the_hosts_static_files_alone(
    make_app: c.Callable[..., Host],
) -> None:
    client = make_app(BILLING_URL_PREFIX="").client(None)
    files = re.findall(r'(?:href|src)="([^"]+\.(?:css|js)\?[^"]+)"', client.get("/plans").text)
    assert files

    for file in files:
        with client.get(file) as answer:
            assert answer.status_code == 200, file

    with client.get("/static/billing.css") as answer:
        assert answer.status_code == 404


def test_every_icon_a_template_names_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (STATIC / "icons.svg").read_text()))
    code = "".join(path.read_text() for path in TEMPLATES)

    assert set(re.findall(r'icon\("(\w+)"', code)) <= drawn
