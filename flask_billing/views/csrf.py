"""One token against forged forms, ours whatever the host does.

The host's ``CSRFProtect`` answers an expired token with a full page, which a swap would put
into a panel, so our blueprints are exempt from it and check the token themselves. Tokens
are Flask-WTF's and of the host's session key, so a host that sends its own in a header is
understood. They last as long as the session.

A session may go from one owner to another, as where people switch workspaces, while a page of
the first is still open. So forms of ours say whose page they are on, and are refused for another.
"""

from __future__ import annotations

import typing as t

from flask import current_app, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from ..translation import gettext as _
from . import fragments, problems
from .visitor import ask_to_sign_in, find_visitor, owner_mark

SAFE_METHODS: t.Final = frozenset(["GET", "HEAD", "OPTIONS"])
HEADER: t.Final = "X-CSRFToken"
FIELD: t.Final = "csrf_token"
#: The form's field of whose page it is on.
OWNER: t.Final = "billing_owner"

#: Stripe posts here and signs instead.
UNCHECKED: t.Final = "billing.webhooks"

#: Flask-WTF takes None for the host's limit, an hour by default. The session is our limit.
_SECONDS: t.Final = 10 * 365 * 24 * 3600


def token() -> str:
    """The session's token, created if it has none."""
    from flask_wtf.csrf import generate_csrf

    made: str = generate_csrf()
    return made


def field() -> Markup:
    """The hidden fields of a form."""
    values = {FIELD: token(), OWNER: owner_mark()}
    return Markup("").join(
        Markup('<input type="hidden" name="{}" value="{}">').format(name, value)
        for name, value in values.items()
        if value is not None
    )


def exempt_from_host(endpoint: str | None, values: dict[str, t.Any] | None) -> None:
    """Take our blueprints out of the host's CSRFProtect, before that looks at the request.

    It runs as a URL value preprocessor: those come before every ``before_request`` function,
    so the order in which the host sets up its extensions does not matter.
    """
    host = current_app.extensions.get("csrf")

    if host is None:
        return

    for name, blueprint in current_app.blueprints.items():
        if name == "billing" or name.startswith("billing."):
            host.exempt(blueprint)


def check() -> ResponseReturnValue | None:
    """Refuse a form that is not this session's, or not its owner's. Nothing was changed by then."""
    if request.blueprint == UNCHECKED:
        return None

    if _is_valid():
        return _switched() if _is_anothers() else None

    if find_visitor() is None:  # the session ended, and its token with it
        return ask_to_sign_in()

    return fragments.show(
        "billing/expired_form.html",
        "billing/_expired_form.html",
        status=400,
        fresh_token=token(),
        title=_("This page was open for too long"),
        text=_("Your session had changed, so we stopped. Nothing was changed."),
        back_url=url_for("billing.overview"),
    )


def _is_anothers() -> bool:
    """Whether the form is on a page of somebody else than who is signed in by now."""
    whose = request.form.get(OWNER)
    return bool(whose) and owner_mark() not in (None, whose)


def _switched() -> ResponseReturnValue:
    return problems.problem(
        409,
        _("You've switched accounts since"),
        _("This page was another account's, so we stopped. Nothing was changed."),
        code="another_account",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )


def _is_valid() -> bool:
    from flask_wtf.csrf import ValidationError, validate_csrf

    try:
        validate_csrf(request.form.get(FIELD) or request.headers.get(HEADER), time_limit=_SECONDS)
    except ValidationError:
        return False

    return True
