"""Views that need a plan or a feature: others meet the way to it, as a 402."""

from __future__ import annotations

import collections.abc as c
import functools
import typing as t

from flask import Response, current_app, request, url_for

from .. import negotiation
from ..catalog import Plan
from ..errors import ConfigError, NotSignedInError
from ..state import state
from ..translation import gettext as _
from . import fragments, problems
from .visitor import Visitor, ask_to_sign_in, require_visitor

View = t.TypeVar("View", bound=c.Callable[..., t.Any])


def requires_plan(plan: str) -> c.Callable[[View], View]:
    """Let a view be used from this plan's rank on.

    :raises ConfigError: without a plan; at the first request, for one the catalog does not have.
    """
    if not isinstance(plan, str):
        raise ConfigError('A gate names its plan, as @billing.requires_plan("pro") does.')

    def allowed(visitor: Visitor) -> bool:
        access = visitor.access
        return access.allowed and access.plan is not None and access.plan.rank >= _plan(plan).rank

    return _gate(allowed, lambda: _plan(plan), subject=lambda: _plan(plan).name)


def requires_feature(feature: str) -> c.Callable[[View], View]:
    """Let a view be used by plans that include the feature of this key.

    :raises ConfigError: without a feature; at the first request, for one no plan has.
    """
    if not isinstance(feature, str):
        raise ConfigError('A gate names its feature, as @billing.requires_feature("sso") does.')

    def allowed(visitor: Visitor) -> bool:
        return has_feature(visitor, feature)

    return _gate(allowed, lambda: plan_with(feature), subject=lambda: feature_name(feature))


def has_feature(visitor: Visitor, feature: str) -> bool:
    """Whether the customer may use a feature now."""
    feature_name(feature)
    access = visitor.access
    return access.allowed and access.plan is not None and access.plan.has_feature(feature)


def feature_name(feature: str) -> str:
    """The feature as the catalog words it.

    :raises ConfigError: for one that no plan has.
    """
    for plan in state().catalog.plans:
        for known in plan.features:
            if known.key == feature:
                return known.text

    raise ConfigError(
        f"No plan of the catalog has a feature with the key {feature!r}. Add "
        f'{{ text = "...", key = "{feature}" }} to a plan\'s features, or correct the name.'
    )


def plan_with(feature: str) -> Plan | None:
    """The first public plan that includes the feature."""
    return next((plan for plan in state().catalog.public_plans if plan.has_feature(feature)), None)


def _gate(
    allowed: c.Callable[[Visitor], bool],
    way_out: c.Callable[[], Plan | None],
    *,
    subject: c.Callable[[], str],
) -> c.Callable[[View], View]:
    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(*args: t.Any, **kwargs: t.Any) -> t.Any:
            try:
                visitor = require_visitor()
            except NotSignedInError:
                return signed_out()

            if allowed(visitor):
                return current_app.ensure_sync(view)(*args, **kwargs)

            return _refusal(visitor, way_out(), subject())

        return t.cast(View, guarded)

    return decorate


def _refusal(visitor: Visitor, plan: Plan | None, subject: str) -> Response:
    title = _("%(subject)s needs another plan", subject=subject)
    upgrade_url = url_for("billing.plans")

    if negotiation.wants_json():
        return problems.json_problem(
            402,
            title,
            _("Nothing was charged. See the plans for one that includes it."),
            code="upgrade_required",
            plan=visitor.plan.key if visitor.plan is not None else None,
            suggested_plan=plan.key if plan is not None else None,
            upgrade_url=upgrade_url,
        )

    answer = fragments.show(
        "billing/upgrade_required.html",
        "billing/_upgrade_required.html",
        status=402,
        subject=subject,
        visitor=visitor,
        suggested_plan=plan,
        upgrade_url=upgrade_url,
    )
    return fragments.protect(answer)


def signed_out() -> t.Any:
    """Answer a request that needs somebody signed in: 401 for programs, the way in for people."""
    if negotiation.wants_json():
        return problems.json_problem(
            401, _("Not signed in"), _("Sign in to use this."), code="not_signed_in"
        )

    return ask_to_sign_in()


def _plan(key: str) -> Plan:
    found = state().catalog.plan(key)

    if found is None:
        known = ", ".join(plan.key for plan in state().catalog.plans)
        raise ConfigError(
            f"The catalog has no plan {key!r}, which {request.endpoint} requires. It has: {known}."
        )

    return found
