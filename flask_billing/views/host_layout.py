"""The host's layout around a page of ours, which has to have a place for it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from flask import current_app

from ..errors import ConfigError

#: What ``billing/base.html`` puts around the content of every page.
_MARK: t.Final = 'class="fb-page"'
_OURS: t.Final = Path(__file__).parent.parent / "templates"


def check(page: str, html: str) -> None:
    """Refuse a page whose content the layout left out: it would be blank.

    :raises ConfigError: where the layout has no block ``billing_content``.
    """
    if _MARK in html or not (_is_ours(page) and _is_ours("billing/base.html")):
        return

    layout = current_app.config["BILLING_BASE_TEMPLATE"]
    raise ConfigError(
        f"BILLING_BASE_TEMPLATE is {layout!r}, which has no place for the billing pages, so they "
        "would be blank. Put '{% block billing_content %}{% endblock %}' where its content goes, "
        "with billing_head in the head and billing_scripts before the end of the body."
    )


def _is_ours(template: str) -> bool:
    """Whether a page, which is no fragment, comes from this package and not from the host."""
    name = template.rpartition("/")[2]
    found = current_app.jinja_env.get_template(template).filename
    return not name.startswith("_") and found is not None and _OURS in Path(found).parents
