"""Keeping a plan that was going to end."""

from __future__ import annotations

from flask import url_for
from flask.typing import ResponseReturnValue

from .. import subscriptions
from ..translation import gettext as _
from . import actors, cancel_words, fragments, toasts
from .visitor import require_manager


def resume() -> ResponseReturnValue:
    """Take a cancellation back."""
    visitor = require_manager()
    change = subscriptions.resume(visitor.customer, actor=actors.actor())

    if change is not None:
        name = cancel_words.plan_name(subscriptions.live_subscription(visitor.customer))
        toasts.push("success", _("You keep %(plan)s. Nothing changes.", plan=name))

    return fragments.go(url_for("billing.overview"))
