"""The blueprints, nested under one parent named ``billing``."""

from __future__ import annotations

from flask import Blueprint


def create_blueprint() -> Blueprint:
    """The parent blueprint with all pages, fragments, the API and the webhook route."""
    return Blueprint(
        "billing",
        __name__,
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/static",
    )
