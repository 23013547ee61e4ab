"""The story a newcomer tries first, over HTTP: choose, pay, write, and come to a stop."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from example_app import writer
from example_app.extensions import billing, db
from example_app.models import Draft
from flask_billing.sandbox import CardDeclinedError

from .demo import HTMX, Demo, Visitor, words


def checkout(visitor: Visitor, plan: str = "pro", interval: str = "year") -> str:
    """Choose a plan; the id of the session on whose page that ends."""
    response = visitor.submit("/billing/plans", "/billing/checkout", plan=plan, interval=interval)
    assert response.status_code == 303, words(response.text)
    found = re.search(r"/sandbox/stripe/c/pay/(cs_test_\w+)", response.location)
    assert found is not None
    return found[1]


def test_choose_pay_and_see_the_meter(demo: Demo) -> None:
    visitor = demo.visitor("Paper Boat")
    session = checkout(visitor)
    assert "$986.04" in visitor.page(f"/sandbox/stripe/c/pay/{session}")

    with pytest.raises(CardDeclinedError):
        demo.sandbox.checkout(session).pay(card="4000000000000002")

    assert demo.sandbox.checkout(session).pay(card="4000002760003184").status == "challenge"
    paid = demo.sandbox.checkout(session).authenticate()
    assert paid.redirect is not None
    done = visitor.page(paid.redirect)
    assert "You're on Pro" in done
    assert "Receipt sent to hello@paperboat.example" in done
    assert "Receipt sent" not in visitor.page("/billing/checkout/done")

    overview = visitor.page("/billing/")
    assert overview.index("0 of 2M") < overview.index("$986.04 a year")


def test_webhooks_make_the_plan_active_without_the_visitor(demo: Demo) -> None:
    visitor = demo.visitor("Paper Boat")
    demo.sandbox.checkout(checkout(visitor)).pay()

    statuses = {status for _type, status in demo.sandbox.webhooks.deliver()}

    assert statuses == {200}
    assert "Pro" in visitor.page("/billing/")
    with demo.app.app_context():
        assert billing.access(demo.customer("Paper Boat")).reason == "active"


def test_held_webhooks_leave_the_page_updating_until_released(demo: Demo) -> None:
    visitor = demo.visitor("Paper Boat")
    assert "Held back" in visitor.lever("webhooks", news="hold")
    paid = demo.sandbox.checkout(checkout(visitor, interval="month")).pay()
    assert paid.redirect is not None

    assert "Updating your plan" in visitor.page(paid.redirect)

    assert "Arriving as they happen" in visitor.lever("webhooks", news="release")
    assert "You're on Pro" in words(
        visitor.client.get("/billing/checkout/status", headers=HTMX).text
    )


def test_writing_books_the_tokens_of_the_text(demo: Demo) -> None:
    visitor = demo.visitor("Tin Whistle")

    response = visitor.generate("article", topic="folk tunes", htmx=True)

    assert response.status_code == 200
    assert response.headers["HX-Trigger"] == "billing:usage"
    with demo.app.app_context():
        draft = db.session.scalars(sa.select(Draft).order_by(Draft.id.desc())).first()
        assert draft is not None
        download = visitor.client.get(f"/drafts/{draft.id}.txt")
        body = download.text.split("\n\n", 1)[1]
        assert draft.words == len(body.split())
        assert draft.tokens == writer.tokens_of(draft.words) + writer.tokens_of(2)
        assert f"{draft.words:,} words · {draft.tokens:,} tokens" in words(response.text)


def test_form_sent_twice_writes_and_counts_once(demo: Demo) -> None:
    visitor = demo.visitor("Tin Whistle")
    before = drafts_and_tokens(demo, "Tin Whistle")

    for _click in range(2):
        assert visitor.generate("note", key="a1b2c3").status_code == 200

    drafts, tokens = drafts_and_tokens(demo, "Tin Whistle")
    assert drafts == before[0] + 1
    assert 0 < tokens - before[1] < 400


def test_meter_turns_red_and_then_there_is_a_friendly_stop(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")
    levels = [level(visitor)]

    while (response := visitor.generate("book", htmx=True)).status_code == 200:
        levels.append(level(visitor))

    assert levels == ["warn", "crit"]
    assert response.status_code == 429
    assert "billing:quota-exceeded" in response.headers["HX-Trigger"]
    assert "This needs more than the" in words(response.text)
    assert "Upgrade to Enterprise" in words(response.text)
    assert visitor.generate("note", htmx=True).status_code == 200, "what fits is still written"


def test_without_javascript_a_draft_is_a_page(demo: Demo) -> None:
    visitor = demo.visitor("Paper Boat")

    assert "Download the whole text" in words(visitor.generate("note").text)
    stop = visitor.generate("book")
    assert stop.status_code == 429
    assert "Upgrade to Starter" in words(stop.text)


@pytest.mark.parametrize(("topic", "length"), [("", "note"), (" ", "note"), ("tea", "epic")])
def test_incomplete_form_counts_nothing(demo: Demo, topic: str, length: str) -> None:
    visitor = demo.visitor("Paper Boat")
    before = drafts_and_tokens(demo, "Paper Boat")

    assert visitor.generate(length, topic=topic).status_code == 422
    assert drafts_and_tokens(demo, "Paper Boat") == before


def test_topic_is_shown_as_text(demo: Demo) -> None:
    response = demo.visitor("Paper Boat").generate("note", topic="<b>{0.__class__}", htmx=True)

    assert "&lt;b&gt;{0.__class__}" in response.text


def test_drafts_of_others_are_not_found(demo: Demo) -> None:
    with demo.app.app_context():
        first = db.session.scalar(sa.select(sa.func.min(Draft.id)))

    assert demo.visitor("Paper Boat").client.get(f"/drafts/{first}.txt").status_code == 200
    assert demo.visitor("Sea Glass").client.get(f"/drafts/{first}.txt").status_code == 404


def level(visitor: Visitor) -> str:
    """The colour of the token meter."""
    found = re.search(
        r'data-fb-meter="tokens" data-fb-level="(\w+)"', visitor.client.get("/write").text
    )
    assert found is not None
    return found[1]


def drafts_and_tokens(demo: Demo, workspace: str) -> tuple[int, int]:
    """How many drafts there are in all, and the workspace's tokens."""
    with demo.app.app_context():
        count = db.session.scalar(sa.select(sa.func.count()).select_from(Draft)) or 0
        return count, billing.usage("tokens", customer=demo.customer(workspace)).used
