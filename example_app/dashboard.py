"""The page people work on: the token meter on top, the generator, and the latest drafts."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from . import team
from .auth import current_workspace, login_required
from .extensions import db
from .models import Draft, Workspace
from .writer import LENGTHS

bp = Blueprint("dashboard", __name__)

#: Drafts in the list.
SHOWN = 6


@bp.get("/write")
@login_required
def index() -> ResponseReturnValue:
    """The dashboard."""
    return page()


def page(draft: Draft | None = None, opening: tuple[str, ...] = ()) -> ResponseReturnValue:
    """The dashboard, with a draft just written for those without JavaScript."""
    return render_template(
        "dashboard.html",
        lengths=LENGTHS,
        drafts=latest_drafts(),
        shares=team.shares(_workspace()),
        draft=draft,
        opening=opening,
        new_key=uuid.uuid4().hex,
    )


def latest_drafts() -> list[Draft]:
    """The workspace's latest drafts, newest first."""
    workspace = _workspace()
    return list(
        db.session.scalars(
            sa.select(Draft)
            .where(Draft.workspace_id == workspace.id)
            .order_by(Draft.id.desc())
            .limit(SHOWN)
        )
    )


def _workspace() -> Workspace:
    workspace = current_workspace()
    assert workspace is not None, "login_required stands before every view here"
    return workspace
