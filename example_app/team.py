"""The people of a workspace: they share its plan, and what each used is told apart."""

from __future__ import annotations

import dataclasses

from flask import Blueprint, abort, redirect, request, session, url_for
from flask.typing import ResponseReturnValue

from flask_billing import clock

from .auth import current_workspace, login_required
from .cast import CAST
from .extensions import billing
from .models import Workspace

bp = Blueprint("team", __name__)


@dataclasses.dataclass(frozen=True)
class Share:
    """What one member used of the tokens of the last 30 days."""

    name: str
    tokens: int
    percent: int
    here: bool


@billing.member_loader
def load_member() -> str | None:
    """Who acts inside the workspace: Flask-Billing books usage in this name."""
    workspace = current_workspace()
    members = _members(workspace)

    if not members:
        return None

    chosen = session.get("member")
    return chosen if chosen in members else members[0]


@bp.post("/act-as")
@login_required
def act_as() -> ResponseReturnValue:
    """Become another member of the workspace."""
    name = request.form.get("member", "")

    if name not in _members(current_workspace()):
        abort(404)

    session["member"] = name
    return redirect(url_for("dashboard.index"), 303)


def shares(workspace: Workspace) -> list[Share]:
    """What each member used, the most first; empty for who writes alone."""
    members = _members(workspace)

    if not members:
        return []

    today = clock.now().date()
    sums = billing.history(
        billing.customer_for(workspace),
        "tokens",
        today.fromordinal(today.toordinal() - 29),
        today,
        by="member",
    )
    tokens = {str(one.key): one.quantity for one in sums}
    whole = sum(tokens.values()) or 1
    here = load_member()
    found = [
        Share(name, tokens.get(name, 0), 100 * tokens.get(name, 0) // whole, name == here)
        for name in members
    ]
    return sorted(found, key=lambda share: -share.tokens)


def _members(workspace: Workspace | None) -> tuple[str, ...]:
    """The demo's people are part of its cast."""
    roles = {role.name: role.members for role in CAST}
    return roles.get(workspace.name, ()) if workspace is not None else ()
