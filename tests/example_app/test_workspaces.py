"""Each demo workspace shows the state it is there for."""

from __future__ import annotations

import pytest

from .demo import HTMX, Demo

STRICT = (
    "default-src 'self'; script-src 'self' https://js.stripe.com; style-src 'self'; "
    "frame-src https://js.stripe.com https://hooks.stripe.com; "
    "connect-src 'self' https://api.stripe.com; frame-ancestors 'none'"
)

STATES = [
    ("Paper Boat", ["Free", "42K of 100K", "One-time allowance", "Choose Pro"]),
    ("Tin Whistle", ["Starter", "Trial", "Your trial ends", "First charge $29.00"]),
    ("Night Heron", ["Pro", "Active", "1.7M of 2M 86%", "Near limit", "Visa ending in 4242"]),
    (
        "Full Sail",
        [
            "41.6K of 10K 416%",
            "Estimated usage charge $63.20 so far",
            "after 18.4K more $1.50 per 1,000 API calls",
            "$99.00 a month, plus usage",
        ],
    ),
    (
        "Copper Kettle",
        ["Payment failed", "We couldn't charge Visa 0341", "to keep Starter", "55K of 500K"],
    ),
    ("Sea Glass", ["Your plan ends on", "You won't be charged again", "185K of 500K 37%"]),
    ("Blue Hour", ["Enterprise", "Unlimited", "$4,970.04", "a year"]),
    ("Stone Bridge", ["Pro", "Changes", "Switching to Starter on", "Undo change"]),
    ("Slow Train", ["Pro", "Pauses", "Your plan pauses on", "Undo the pause"]),
    ("Winter Garden", ["Starter", "Paused", "You aren't being charged", "Resume now"]),
    ("Last Tram", ["Trial", "Your trial ends", "Add a card to keep Starter after it"]),
    ("Empty Jar", ["Suspended", "An invoice is unpaid, so Starter is suspended"]),
    ("Locked Gate", ["Action needed", "Your bank needs you to confirm this payment"]),
    ("Half Moon", ["That payment wasn't completed", "You weren't charged", "Try again"]),
    ("Old Harbour", ["Your Pro plan ended on", "Choose a plan", "Choose Pro"]),
]


@pytest.mark.parametrize(("workspace", "expected"), STATES, ids=[name for name, _ in STATES])
def test_overview_shows_the_state(demo: Demo, workspace: str, expected: list[str]) -> None:
    page = demo.visitor(workspace).page("/billing/")

    for words in expected:
        assert words in page


@pytest.mark.parametrize("workspace", [name for name, _ in STATES])
def test_desk_begins_with_the_token_meter(demo: Demo, workspace: str) -> None:
    page = demo.visitor(workspace).client.get("/write").text
    main = page[page.index("<main") :]

    assert main.index("fb-live-tokens") < main.index("What shall we write about?")
    assert "Latest drafts" in main


@pytest.mark.parametrize(
    "path", ["/", "/write", "/demo/", "/billing/", "/billing/plans", "/nothing"]
)
def test_every_page_has_the_strict_policy_and_keeps_it(demo: Demo, path: str) -> None:
    response = demo.visitor("Night Heron").client.get(path)

    assert response.headers["Content-Security-Policy"] == STRICT
    assert response.headers["X-Content-Type-Options"] == "nosniff"

    for banned in (" style=", " onclick=", "hx-on", "<script>", "javascript:"):
        assert banned not in response.text


def test_plans_show_what_a_year_costs_and_saves(demo: Demo) -> None:
    page = demo.visitor().page("/billing/plans?interval=year")

    for words in ("$82.17", "billed $986.04 yearly", "Save $201.96 a year", "Save 17%"):
        assert words in page

    assert "then $2 per 1,000 API calls, after 50K more $1.50" in page


def test_billing_pages_are_seen_inside_linnet(demo: Demo) -> None:
    page = demo.visitor("Paper Boat").client.get("/billing/").text

    assert "linnet.css" in page
    assert 'class="brand"' in page


def test_nobody_writes_before_signing_in(demo: Demo) -> None:
    visitor = demo.visitor()

    assert visitor.client.get("/write").location == "/?next=/write"
    assert visitor.client.get("/billing/").location == "/?next=/billing/"
    token = visitor.client.get("/").text.split('name="csrf_token" value="')[1].split('"')[0]
    refused = visitor.client.post("/generate", data={"csrf_token": token}, headers=HTMX)
    assert refused.status_code == 302


def test_signing_in_leads_back_to_the_page_that_was_wanted(demo: Demo) -> None:
    visitor = demo.visitor()
    visitor.client.get("/")

    response = visitor.submit("/?next=/billing/plans", "/sign-in", workspace="1")

    assert response.location == "/billing/plans"


@pytest.mark.parametrize(
    "path",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "evil"],
)
def test_signing_in_leads_nowhere_else(demo: Demo, path: str) -> None:
    response = demo.visitor().submit("/", "/sign-in", workspace="1", next=path)

    assert response.location == "/write"


def test_unknown_workspace_is_not_found(demo: Demo) -> None:
    assert demo.visitor().submit("/", "/sign-in", workspace="99").status_code == 404
    assert demo.visitor().submit("/", "/sign-in", workspace="x").status_code == 404
    assert demo.visitor().submit("/", "/sign-in", workspace="9" * 20).status_code == 404


@pytest.mark.parametrize("path", ["/drafts/99999999999999999999.txt", "/demo/mail/" + "9" * 20])
def test_numbers_that_no_database_holds_are_not_found(demo: Demo, path: str) -> None:
    assert demo.visitor("Night Heron").client.get(path).status_code == 404


@pytest.mark.parametrize("action", ["/generate", "/generate/live"])
def test_topics_that_cannot_be_read_are_refused(demo: Demo, action: str) -> None:
    answer = demo.visitor("Night Heron").submit("/write", action, topic="a\0b", length="note")
    assert answer.status_code == 422


def test_switching_leaves_the_workspace(demo: Demo) -> None:
    visitor = demo.visitor("Sea Glass")
    visitor.submit("/write", "/sign-out")

    assert "Choose who to be" in visitor.page("/")


@pytest.mark.parametrize("action", ["/sign-in", "/sign-out", "/generate", "/demo/reset"])
def test_forms_of_other_sites_are_refused(demo: Demo, action: str) -> None:
    visitor = demo.visitor("Night Heron")

    assert visitor.client.post(action, data={"workspace": "1"}).status_code == 400


def test_other_host_names_are_refused(demo: Demo) -> None:
    response = demo.app.test_client().get("/", headers={"Host": "evil.example"})

    assert response.status_code == 400
