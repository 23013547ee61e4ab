"""Views, hooks and macros are named in one table and imported when they are first needed."""

from __future__ import annotations

import inspect

import pytest

from flask_billing.views.late import find
from flask_billing.views.routes import BLUEPRINTS, MACROS, PROBLEMS, ROUTES

from ..host import Host

VIEWS = [view for _, _, view in ROUTES]
HOOKS = ["csrf.exempt_from_host", "entrance.check", "fragments.protect", "template_names.names"]


@pytest.mark.parametrize("where", [*VIEWS, *PROBLEMS.values(), *MACROS.values(), *HOOKS])
def test_every_name_is_a_function(where: str) -> None:
    assert callable(find(where))


@pytest.mark.parametrize(("method", "rule", "view"), ROUTES)
def test_views_take_what_their_address_holds(host: Host, method: str, rule: str, view: str) -> None:
    found = next(one for one in host.app.url_map.iter_rules() if one.endpoint == endpoint(view))

    assert method in (found.methods or ())
    assert found.rule.endswith(rule)
    assert set(inspect.signature(find(view)).parameters) == set(found.arguments)


def endpoint(view: str) -> str:
    """The full endpoint of a view."""
    module, _, name = view.partition(".")
    return f"billing.{view}" if module in BLUEPRINTS else f"billing.{name}"
