"""The blueprints, nested under one parent named ``billing``."""

from __future__ import annotations

from flask import Blueprint, before_render_template
from flask.blueprints import BlueprintSetupState

from . import (
    api,
    checkout,
    csrf,
    fragments,
    macros,
    overview,
    plans,
    problems,
    template_names,
    usage,
    webhooks,
)


def create_blueprint() -> Blueprint:
    """The parent blueprint with all pages, fragments, the API and the webhook route."""
    billing = Blueprint(
        "billing",
        __name__,
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/static",
    )
    billing.record(_add_macros)
    billing.url_value_preprocessor(csrf.exempt_from_host)
    billing.before_request(csrf.check)
    billing.after_request(fragments.protect)
    problems.add_to(billing)
    overview.add_to(billing)
    plans.add_to(billing)

    for blueprint in (checkout.bp, usage.bp, api.bp, webhooks.bp):
        billing.register_blueprint(blueprint)

    return billing


def _add_macros(setup: BlueprintSetupState) -> None:
    setup.app.jinja_env.globals.update(macros.GLOBALS)
    before_render_template.connect(template_names.provide, setup.app)
