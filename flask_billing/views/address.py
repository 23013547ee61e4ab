"""Billing details: name, e-mail, address and tax ids, as they stand on invoices."""

from __future__ import annotations

import logging

from flask import Response, abort, request, url_for
from flask.typing import ResponseReturnValue

from .. import billing_details, negotiation
from ..errors import DetailsRefusedError, StripeRateLimitedError, StripeUnreachableError
from ..translation import gettext as _
from . import actors, address_form, details_labels, fragments, problems, toasts
from .address_form import AddressForm
from .visitor import Visitor, require_manager, require_visitor

log = logging.getLogger("flask_billing.views")


def edit() -> ResponseReturnValue:
    """The form, with what is known."""
    visitor = require_visitor()
    return _show(visitor, address_form.filled(visitor.customer))


def save() -> ResponseReturnValue:
    """Write the details to Stripe, and show what Stripe has now."""
    visitor = require_manager()
    removed = request.form.getlist("remove")

    if not set(removed) <= {found["id"] for found in visitor.customer.tax_ids or ()}:
        abort(404)  # somebody else's

    form = address_form.sent(request.form, removed)

    if form.errors:
        return _show(visitor, form, status=422)

    try:
        billing_details.save(visitor.customer, form.details(), actors.actor())
    except DetailsRefusedError as error:
        return _show(visitor, form.refused(error.field), status=422)
    except (StripeUnreachableError, StripeRateLimitedError) as error:
        log.error("Billing details wait to be written: %s", error.code)
        return _waits()

    return _saved(visitor)


def _saved(visitor: Visitor) -> ResponseReturnValue:
    text = _("Your billing details are saved.")

    if negotiation.wants_fragment():
        return _show(visitor, address_form.filled(visitor.customer), saved=text)

    toasts.push("success", text)
    return fragments.go(url_for("billing.overview"))


def _show(
    visitor: Visitor, form: AddressForm, *, status: int = 200, saved: str | None = None
) -> Response:
    return fragments.show(
        "billing/address.html",
        "billing/_address_form.html",
        status=status,
        visitor=visitor,
        form=form,
        details=details_labels,
        countries=details_labels.countries(),
        tax_ids=details_labels.tax_ids(visitor.customer),
        tax_id_types=details_labels.tax_id_kinds(),
        saved=saved,
    )


def _waits() -> Response:
    return problems.problem(
        503,
        _("We can't reach our payment provider"),
        _("We recorded your billing details and will save them as soon as it answers."),
        code="payment_provider_unavailable",
        url=url_for("billing.overview"),
        label=_("Go to billing"),
    )
