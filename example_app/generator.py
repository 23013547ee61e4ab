"""The product as an endpoint, and how it is metered: one decorator and one call."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from flask import Blueprint, Response, abort, render_template, request
from flask.typing import ResponseReturnValue

from flask_billing import clock

from . import dashboard, writer
from .auth import current_workspace, login_required
from .extensions import billing, db
from .models import Draft

bp = Blueprint("generator", __name__)

#: Paragraphs shown on the page; the rest is in the download.
OPENING = 2


@bp.post("/generate")
@login_required
@billing.metered("api_calls")
def generate() -> ResponseReturnValue:
    """Write a text and book its tokens; beyond the quota the visitor meets a way out."""
    topic, size = asked()
    key = key_for(topic, size)
    text = writer.write(topic, size, key)
    decision = billing.consume(
        "tokens",
        text.tokens,
        key=key,
        provider="linnet",
        model="linnet-1",
        endpoint="/generate",
        input_tokens=text.prompt_tokens,
        output_tokens=text.completion_tokens,
    )
    draft = _own_draft(Draft.key == key) if decision.replayed else None

    if draft is None:
        draft = keep(topic, size, key, text)

    opening = text.paragraphs[:OPENING]

    if request.headers.get("HX-Request") != "true":
        return dashboard.page(draft, opening)

    return render_template(
        "_generated.html",
        draft=draft,
        opening=opening,
        drafts=dashboard.latest_drafts(),
        new_key=uuid.uuid4().hex,
    )


@bp.get("/drafts/<int(max=999999999):draft_id>.txt")
@login_required
def download(draft_id: int) -> Response:
    """A whole draft as a text file."""
    draft = _own_draft(Draft.id == draft_id)
    size = writer.length(draft.length) if draft is not None else None

    if draft is None or size is None:
        abort(404)

    text = writer.write(draft.topic, size, draft.key)
    return Response(
        f"{draft.topic}\n\n" + "\n\n".join(text.paragraphs) + "\n",
        mimetype="text/plain",
        headers={"Content-Disposition": f"attachment; filename=linnet-{draft.id}.txt"},
    )


def asked() -> tuple[str, writer.Length]:
    """What the form asks for."""
    topic = " ".join(request.form.get("topic", "").split())[:120]
    size = writer.length(request.form.get("length", ""))

    if not topic or not topic.isprintable() or size is None:
        abort(422, "Give a topic and a length. Nothing was counted.")

    return topic, size


def key_for(topic: str, size: writer.Length) -> str:
    """The form's own key, so that a form sent twice is booked once."""
    sent = request.form.get("key", "")
    made = sent if sent.isalnum() and len(sent) <= 32 else uuid.uuid4().hex
    return f"{made}:{size.key}:{topic}"


def keep(
    topic: str, size: writer.Length, key: str, text: writer.Text, *, tokens: int | None = None
) -> Draft:
    """Put a text among the workspace's drafts.

    :param tokens: what was booked for it, where that is not the text's own count.
    """
    draft = Draft(topic=topic, length=size.key, key=key)
    draft.workspace_id = _workspace_id()
    draft.words = text.words
    draft.tokens = text.tokens if tokens is None else tokens
    draft.created_at = clock.now()
    db.session.add(draft)
    db.session.commit()
    return draft


def _own_draft(condition: sa.ColumnElement[bool]) -> Draft | None:
    return db.session.scalar(
        sa.select(Draft).where(Draft.workspace_id == _workspace_id(), condition)
    )


def _workspace_id() -> int:
    workspace = current_workspace()
    assert workspace is not None, "login_required stands before every view here"
    return workspace.id
