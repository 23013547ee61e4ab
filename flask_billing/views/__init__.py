"""The blueprints, nested under one parent named ``billing``."""

from __future__ import annotations

from flask import Blueprint, Flask, before_render_template
from flask.blueprints import BlueprintSetupState
from jinja2 import Template

from .late import find, late
from .routes import BLUEPRINTS, MACROS, PROBLEMS, ROUTES


def create_blueprint(prefix: str) -> Blueprint:
    """The parent blueprint with all pages, fragments, the API and the webhook route.

    :param prefix: where it is mounted. Without any, ``/static`` is the host's.
    """
    billing = Blueprint(
        "billing",
        __name__,
        url_prefix=prefix,
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/static" if prefix else "/billing-static",
    )
    billing.record(_add_to_templates)
    billing.url_value_preprocessor(late("csrf.exempt_from_host"))
    billing.before_request(late("entrance.check"))
    billing.after_request(late("fragments.protect"))
    parts = {
        name: Blueprint(name, __name__, url_prefix=prefix) for name, prefix in BLUEPRINTS.items()
    }

    for method, rule, view in ROUTES:
        module, _, name = view.partition(".")
        parts.get(module, billing).add_url_rule(rule, name, late(view), methods=[method])

    for part in parts.values():
        billing.register_blueprint(part)

    for error, answer in PROBLEMS.items():
        billing.register_error_handler(error, late(answer))

    return billing


def _add_to_templates(setup: BlueprintSetupState) -> None:
    setup.app.jinja_env.globals.update({name: late(where) for name, where in MACROS.items()})
    before_render_template.connect(_provide_names, setup.app)


def _provide_names(
    app: Flask, *, template: Template, context: dict[str, object], **_further: object
) -> None:
    """Add our names to a template of the ``billing/`` folder, just before it is rendered.

    They are not Jinja globals, because the host's templates have an ``_`` of their own.
    """
    if (template.name or "").startswith("billing/"):
        context.update(find("template_names.names")(app))
