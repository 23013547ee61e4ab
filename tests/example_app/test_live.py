"""Writing live in the demo: an estimate is held, what went out is settled, and by whom."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from example_app.extensions import billing, db
from example_app.models import Draft
from flask_billing.models import UsageEvent, UsageReservation

from .demo import BROWSER, Demo, Visitor


def write_live(visitor: Visitor, length: str = "article", **fields: str) -> tuple[int, str]:
    answer = visitor.submit(
        "/write", "/generate/live", BROWSER, topic="folk tunes", length=length, **fields
    )
    return answer.status_code, answer.text


def test_what_was_streamed_is_what_was_paid(demo: Demo) -> None:
    with demo.app.app_context():
        before = billing.usage("tokens", customer=demo.customer("Tin Whistle")).used

    status, text = write_live(demo.visitor("Tin Whistle"))

    with demo.app.app_context():
        usage = billing.usage("tokens", customer=demo.customer("Tin Whistle"))
        draft = db.session.scalars(sa.select(Draft).order_by(Draft.id.desc())).first()
        hold = db.session.scalars(sa.select(UsageReservation)).one()
        assert status == 200
        assert draft is not None
        assert draft.words == len(text.split())
        assert (usage.used - before, usage.reserved) == (draft.tokens, 0)
        assert (hold.state, hold.settled) == ("settled", draft.tokens)
        assert hold.amount > draft.tokens


def test_an_estimate_that_is_not_left_is_refused_before_the_first_word(demo: Demo) -> None:
    status, text = write_live(demo.visitor("Paper Boat"), "book")

    assert status == 429
    assert "Upgrade to Starter" in text


def test_usage_is_in_the_name_of_who_acts(demo: Demo) -> None:
    visitor = demo.visitor("Night Heron")
    assert "Write as Mika" in visitor.page("/write")
    visitor.submit("/write", "/act-as", member="Mika")
    write_live(visitor, "note")

    with demo.app.app_context():
        last = db.session.scalars(sa.select(UsageEvent).order_by(UsageEvent.id.desc())).first()
        assert last is not None
        assert last.member == "Mika"

    report = visitor.page("/billing/usage?group=member")
    assert all(name in report for name in ("Ines", "Halvor", "Mika"))


@pytest.mark.parametrize("workspace", ["Tin Whistle", "Night Heron"])
def test_nobody_acts_as_a_stranger(demo: Demo, workspace: str) -> None:
    visitor = demo.visitor(workspace)

    assert visitor.submit("/write", "/act-as", member="Ravi").status_code == 404
