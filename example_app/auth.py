"""Signing in. A real app asks for a password; the demo lets you choose who to be."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Blueprint, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from .extensions import billing, db
from .models import Workspace

bp = Blueprint("auth", __name__)

View = t.TypeVar("View", bound=c.Callable[..., t.Any])


def current_workspace() -> Workspace | None:
    """The workspace that is signed in."""
    if "workspace" not in g:
        workspace_id = session.get("workspace")
        g.workspace = db.session.get(Workspace, workspace_id) if workspace_id else None

    found: Workspace | None = g.workspace
    return found


@billing.owner_loader
def load_owner() -> Workspace | None:
    """Who pays: what Flask-Billing asks whenever it needs a customer."""
    return current_workspace()


@billing.is_consumer
def is_consumer(customer: object) -> bool:
    """Linnet sells to businesses, so offers may stand beside "Cancel plan"."""
    return False


def login_required(view: View) -> View:
    """Send people to the sign-in page first, and back afterwards."""

    @functools.wraps(view)
    def guarded(*args: t.Any, **kwargs: t.Any) -> t.Any:
        if current_workspace() is None:
            back = request.path if request.method == "GET" else None
            return redirect(url_for("auth.sign_in", next=back))

        return view(*args, **kwargs)

    return t.cast(View, guarded)


@bp.get("/")
def sign_in() -> ResponseReturnValue:
    """The front page: what Linnet is, and the workspaces to be."""
    wanted = request.args.get("next")

    if current_workspace() is not None and wanted is None:
        return redirect(url_for("dashboard.index"))

    workspaces = db.session.scalars(sa.select(Workspace).order_by(Workspace.id)).all()
    return render_template("front.html", workspaces=workspaces, wanted=wanted)


@bp.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Become a workspace."""
    workspaces = {str(one.id): one for one in db.session.scalars(sa.select(Workspace))}
    workspace = workspaces.get(request.form.get("workspace", ""))

    if workspace is None:
        abort(404)

    session.clear()
    session["workspace"] = workspace.id
    return redirect(_own_path(request.form.get("next")) or url_for("dashboard.index"), 303)


@bp.post("/sign-out")
def leave() -> ResponseReturnValue:
    """Be nobody again."""
    session.clear()
    return redirect(url_for("auth.sign_in"), 303)


@bp.app_context_processor
def _for_templates() -> dict[str, object]:
    return {"workspace": current_workspace()}


def _own_path(path: str | None) -> str | None:
    """The path, if it can only be read as one of this site."""
    if not path or not path.startswith("/") or path.startswith("//"):
        return None

    if "\\" in path or any(character <= " " for character in path):
        return None

    parts = urlsplit(path)
    return path if not parts.scheme and not parts.netloc else None
