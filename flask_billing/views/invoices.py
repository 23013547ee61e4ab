"""P7, invoices: the history, their PDFs and pages at Stripe, and paying one."""

from __future__ import annotations

import logging
import typing as t

import sqlalchemy as sa
from flask import Response, abort, request, url_for
from flask.typing import ResponseReturnValue

from .. import invoices, negotiation
from ..errors import (
    CardDeclinedError,
    InvoiceNotPayableError,
    NoPaymentMethodError,
    StripeRateLimitedError,
    StripeUnreachableError,
)
from ..invoices.history import FILTERS, Filter, credit_notes_of
from ..models import Invoice
from ..state import state
from ..translation import gettext as _
from ..translation import ngettext
from . import actors, fragments, invoice_labels, problems, redirects, toasts
from .visitor import Visitor, require_manager, require_visitor

log = logging.getLogger("flask_billing.views")

SIZE: t.Final = 20


def index() -> ResponseReturnValue:
    """A page of the history: whole, after another filter, or the rows that "Load more" adds."""
    visitor = require_visitor()
    only = request.args.get("status") or None
    cursor = request.args.get("cursor") or None

    if only is not None and only not in FILTERS:
        abort(404)

    try:
        page = invoices.page(visitor.customer, only=only, cursor=cursor, size=SIZE)
    except sa.exc.SQLAlchemyError:
        log.exception("Invoices could not be read.")
        state().db.session.rollback()
        return _list(visitor, only, None)

    return _list(visitor, only, page, cursor)


def pdf(invoice_id: str) -> ResponseReturnValue:
    """On to an invoice's PDF at Stripe, by a link fetched now."""
    return _to_stripe(invoices.pdf(require_visitor().customer, invoice_id))


def view(invoice_id: str) -> ResponseReturnValue:
    """On to an invoice's page at Stripe, where it can be paid and confirmed too."""
    return _to_stripe(invoices.hosted_page(require_visitor().customer, invoice_id))


def credit_note(note_id: str) -> ResponseReturnValue:
    """On to a credit note's PDF at Stripe."""
    return _to_stripe(invoices.credit_note_pdf(require_visitor().customer, note_id))


def confirm(invoice_id: str) -> ResponseReturnValue:
    """A page on which the customer confirms a payment with their bank."""
    visitor = require_manager()

    try:
        payment = invoices.confirmation(visitor.customer, invoice_id)
    except InvoiceNotPayableError:
        return _nothing_to_pay()

    if payment.state == "paid":
        toasts.push("success", _("This invoice is paid. You weren't charged again."))
        return fragments.go(url_for(".index"))

    return _confirmation(visitor, payment)


def pay(invoice_id: str) -> ResponseReturnValue:
    """Charge an open invoice to the card on file.

    With ``?to=overview`` the answer is a page instead of the invoice's line, for a button that
    stands elsewhere, as in a banner.
    """
    visitor = require_manager()
    try:
        payment = invoices.pay(visitor.customer, invoice_id, actors.actor())
    except CardDeclinedError as error:
        return _declined(visitor, invoice_id, error)
    except InvoiceNotPayableError:
        return _nothing_to_pay()
    except NoPaymentMethodError:
        return _no_card(invoice_id)
    except (StripeUnreachableError, StripeRateLimitedError) as error:
        log.error("Whether an invoice was paid is not known yet: %s", error.code)
        return _unknown()

    if payment.state == "needs_confirmation":
        return _to_confirm(visitor, payment)

    return _paid(visitor, payment)


def _list(
    visitor: Visitor, only: Filter | None, page: invoices.Page | None, cursor: str | None = None
) -> Response:
    more = None

    if page is not None and page.next_cursor is not None:
        more = url_for(".index", cursor=page.next_cursor, status=only)

    lines = [] if page is None else _lines(page)
    return fragments.show(
        "billing/invoices.html",
        "billing/_invoices.html" if cursor is None else "billing/_more_invoices.html",
        status=503 if page is None else 200,
        visitor=visitor,
        lines=lines,
        failed=page is None,
        filters=_filters(),
        only=only,
        cursor=cursor,
        more_url=more,
        shown=None if page is None else _shown(page),
        nothing=_nothing(only),
    )


def _lines(page: invoices.Page) -> list[invoice_labels.InvoiceLine]:
    return [
        invoice_labels.line(invoice, page.credit_notes.get(invoice.id, ()))
        for invoice in page.invoices
    ]


def _shown(page: invoices.Page) -> str:
    if page.shown >= page.total:
        return ngettext("%(num)s invoice", "%(num)s invoices", page.total)

    return _("%(shown)s of %(total)s invoices", shown=page.shown, total=page.total)


def _filters() -> dict[str, str]:
    return {
        "": _("All"),
        "unpaid": _("Unpaid"),
        "paid": _("Paid"),
        "refunded": _("Refunded"),
        "void": _("Void"),
    }


def _nothing(only: Filter | None) -> str:
    if only is None:
        return _("No invoices yet. Your first one appears after your first payment.")

    return {
        "unpaid": _("No unpaid invoices."),
        "paid": _("No paid invoices."),
        "refunded": _("No refunded invoices."),
        "void": _("No void invoices."),
    }[only]


def _to_stripe(url: str) -> ResponseReturnValue:
    try:
        return fragments.go(url)
    except redirects.UnsafeRedirectError as error:
        log.error("A link of Stripe's was not followed: %s", error)
        abort(404)


def _paid(visitor: Visitor, payment: invoices.Payment) -> ResponseReturnValue:
    if payment.state == "processing":
        text = _("Your payment is on its way. We're updating the invoice.")
    elif payment.now:
        amount = invoice_labels.amount_paid(payment.invoice)
        text = _("Paid %(amount)s. Thank you.", amount=amount)
    else:
        text = _("This invoice is paid. You weren't charged again.")

    if not _is_for_a_line():
        toasts.push("success", text)
        overview = request.args.get("to") == "overview"
        return fragments.go(url_for("billing.overview" if overview else ".index"))

    visitor = require_visitor(afresh=True)  # a payment may end what the banner tells
    answer = _row(visitor, payment.invoice, toast=("success", text))
    answer.headers["HX-Trigger"] = "billing:changed"
    return answer


def _is_for_a_line() -> bool:
    """Whether the answer takes the place of an invoice's line."""
    return negotiation.wants_fragment() and request.args.get("to") != "overview"


def _to_confirm(visitor: Visitor, payment: invoices.Payment) -> ResponseReturnValue:
    if _is_for_a_line():
        return _row(visitor, payment.invoice, status=402, payment=payment)

    if negotiation.wants_fragment():
        return fragments.go(url_for(".confirm", invoice_id=payment.invoice.stripe_id))

    return _confirmation(visitor, payment, status=402)


def _confirmation(visitor: Visitor, payment: invoices.Payment, *, status: int = 200) -> Response:
    return fragments.show(
        "billing/invoice_to_confirm.html",
        status=status,
        visitor=visitor,
        line=invoice_labels.line(payment.invoice),
        payment=payment,
        return_url=redirects.external_url("billing.invoices.index"),
    )


def _declined(visitor: Visitor, invoice_id: str, error: CardDeclinedError) -> Response:
    if not _is_for_a_line():
        return problems.declined(error)

    text = f"{error.for_people} {_('Nothing was charged.')}"
    invoice = invoices.find(visitor.customer, invoice_id)
    return _row(visitor, invoice, status=402, toast=("error", text))


def _nothing_to_pay() -> Response:
    return problems.problem(
        409,
        _("There is nothing to pay"),
        _("This invoice is a draft or void. Nothing was charged."),
        code="invoice_not_payable",
        url=url_for(".index"),
        label=_("See invoices"),
    )


def _no_card(invoice_id: str) -> Response:
    return problems.problem(
        409,
        _("No payment method on file"),
        _("Nothing was charged. You can pay this invoice on Stripe."),
        code="no_payment_method",
        url=url_for(".view", invoice_id=invoice_id),
        label=_("Pay on Stripe"),
    )


def _unknown() -> Response:
    return problems.problem(
        503,
        _("We don't know yet whether the payment went through"),
        _("Our payment provider didn't answer. Pay again in a moment: you can't be charged twice."),
        code="payment_provider_unavailable",
        url=url_for(".index"),
        label=_("See invoices"),
    )


def _row(
    visitor: Visitor,
    invoice: Invoice,
    *,
    status: int = 200,
    toast: tuple[toasts.Kind, str] | None = None,
    payment: invoices.Payment | None = None,
) -> Response:
    notes = credit_notes_of([invoice]).get(invoice.id, ())
    return fragments.show(
        "billing/_invoice_row.html",
        status=status,
        visitor=visitor,
        line=invoice_labels.line(invoice, notes),
        toast_shown=toast,
        payment=payment,
        return_url=redirects.external_url("billing.invoices.index"),
    )
