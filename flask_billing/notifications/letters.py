"""What each mail says: the table of contents, and the pieces all are made of."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import importlib
import typing as t

from flask import current_app

from ..models import Customer

Body = c.Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Letter:
    """A mail before it is set.

    :param paragraphs: sentences; the first follows the greeting.
    :param facts: label and value, as on a receipt.
    :param action: label and absolute address of the one thing to do; None where the app's own
        address is not configured.
    """

    name: str
    subject: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    action: tuple[str, str] | None = None


#: Name of the outbox row -> function of this package that writes it.
_WRITERS: t.Final = {
    "welcome": "about_plans.welcome",
    "plan_changed": "about_plans.plan_changed",
    "change_scheduled": "about_plans.change_scheduled",
    "trial_ending": "about_plans.trial_ending",
    "cancelled": "about_plans.cancelled",
    "ended": "about_plans.ended",
    "offer_accepted": "about_plans.offer_accepted",
    "receipt": "about_payments.receipt",
    "renewal": "about_payments.renewal",
    "payment_failed": "about_payments.payment_failed",
    "payment_action_required": "about_payments.payment_action_required",
    "card_expiring": "about_payments.card_expiring",
    "usage_threshold": "about_usage.usage_threshold",
    "quota_refreshed": "about_usage.quota_refreshed",
}

#: The mails there are.
NAMES: t.Final = tuple(_WRITERS)


def letter_for(name: str, customer: Customer, body: Body) -> Letter | None:
    """Write a mail of the outbox.

    :returns: None where it would not be true any more.
    :raises KeyError: for a name that is not in :data:`NAMES`.
    """
    from .rendering import in_language_of

    module, _, function = _WRITERS[name].partition(".")
    writer = getattr(importlib.import_module(f".{module}", __package__), function)

    with in_language_of(customer):
        letter: Letter | None = writer(customer, body)

    return letter


def to(label: str, path: str = "/") -> tuple[str, str] | None:
    """A link to one of the billing pages, where the app's own address is configured.

    Mails are written outside of requests, and a Host header is nothing to trust anyway.
    """
    base: str | None = current_app.config["BILLING_BASE_URL"]
    prefix: str = current_app.config["BILLING_URL_PREFIX"]
    return None if base is None else (label, f"{base.rstrip('/')}{prefix}{path}")
