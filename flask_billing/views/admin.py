"""A customer as an admin of the host sees it: usage, what may be changed of it, and the history."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import typing as t

from flask import Response, abort, request, url_for
from flask.typing import ResponseReturnValue

from .. import negotiation, subscriptions
from ..errors import IdempotencyMismatchError, InvalidUsageError
from ..metering import overrides
from ..models import Customer, LimitOverride
from ..state import state
from ..translation import gettext as _
from . import (
    admin_actions,
    admin_log,
    fragments,
    history_lines,
    meter_views,
    problems,
    toasts,
    usage_answers,
)

Row = t.TypeVar("Row", Customer, LimitOverride)


def usage(customer_id: int) -> ResponseReturnValue:
    """The customer's meters, a report that begins with its members, and the forms."""
    customer = _customer(customer_id)
    answer = _report(customer)
    return answer.fragment() if negotiation.wants_fragment() else _page(customer, answer)


def usage_csv(customer_id: int) -> ResponseReturnValue:
    """The report's days as CSV."""
    return usage_answers.csv(_customer(customer_id))


def override(customer_id: int) -> ResponseReturnValue:
    """Give the customer a limit of their own."""
    return _do(customer_id, "override", admin_actions.override, _("The limit holds from now on."))


def grant(customer_id: int) -> ResponseReturnValue:
    """Give the customer credits."""
    return _do(customer_id, "credits", admin_actions.grant, _("The credits are granted."))


def reset(customer_id: int) -> ResponseReturnValue:
    """Let a quota of the customer begin afresh."""
    return _do(customer_id, "reset", admin_actions.reset, _("The quota begins afresh."))


def end_override(customer_id: int, override_id: int) -> ResponseReturnValue:
    """Let a limit of the customer's own end now."""
    customer = _customer(customer_id)
    found = _row(LimitOverride, override_id)

    if found is None or found.customer_id != customer.id:
        abort(404)

    overrides.end_override(found)
    state().db.session.commit()
    return _back(customer, _("The plan's limit holds again."))


def history(customer_id: int) -> ResponseReturnValue:
    """Every change of the customer's plan, with who made it and why."""
    customer = _customer(customer_id)
    return fragments.show(
        "billing/admin_history.html",
        customer=customer,
        name=_name(customer),
        lines=history_lines.lines(subscriptions.history(customer)),
    )


def _do(
    customer_id: int,
    form: str,
    action: c.Callable[[Customer, c.Mapping[str, str]], object],
    done: str,
) -> ResponseReturnValue:
    customer = _customer(customer_id)

    try:
        action(customer, request.form)
    except (admin_actions.UnclearFormError, InvalidUsageError, IdempotencyMismatchError) as error:
        state().db.session.rollback()

        if negotiation.wants_fragment():
            return problems.problem(422, _("Nothing was changed"), str(error), code="invalid")

        return _page(customer, _report(customer), failed=form, problem=str(error))

    state().db.session.commit()
    return _back(customer, done)


def _back(customer: Customer, done: str) -> ResponseReturnValue:
    toasts.push("success", done)
    return fragments.go(url_for("billing.admin.usage", customer_id=customer.id))


def _page(
    customer: Customer,
    answer: usage_answers.Answer,
    *,
    failed: str | None = None,
    problem: str | None = None,
) -> Response:
    return fragments.show(
        "billing/admin_usage.html",
        status=422 if failed else answer.status,
        customer=customer,
        name=_name(customer),
        meters=[
            dataclasses.replace(meter, suggestion=None) for meter in meter_views.views_of(customer)
        ],
        log=admin_log.entries(customer),
        windows=admin_actions.windows(),
        quotas=admin_actions.quotas(customer),
        form_key=admin_actions.new_key(),
        failed=failed,
        problem=problem,
        sent=request.form,
        **answer.context,
    )


def _report(customer: Customer) -> usage_answers.Answer:
    return usage_answers.report(
        customer,
        url_for("billing.admin.usage", customer_id=customer.id),
        url_for("billing.admin.usage_csv", customer_id=customer.id),
        group="member" if state().hooks.member is not None else None,
    )


def _name(customer: Customer) -> str:
    """What an admin knows a customer by."""
    return customer.name or customer.email or f"{customer.owner_type} {customer.owner_id}"


def _customer(customer_id: int) -> Customer:
    """The customer, for those whom the host's admin loader lets in."""
    admin = state().hooks.admin

    if admin is None or not admin():
        abort(403)

    found = _row(Customer, customer_id)

    if found is None:
        abort(404)

    return found


def _row(table: type[Row], row_id: int) -> Row | None:
    """A row by an id from an address."""
    if row_id >= 2**63:  # no id, and no database takes it
        return None

    found: Row | None = state().db.session.get(table, row_id)
    return found
