"""Links to Stripe's own page and PDF of an invoice.

Whoever has one sees the invoice, and it expires: so they are asked for when somebody wants one,
and never kept.
"""

from __future__ import annotations

import sqlalchemy as sa

from .. import stripe_objects
from ..errors import InvoiceNotFoundError
from ..models import CreditNote, Customer
from ..state import state
from ..stripe_gateway import StripeObject, gateway
from .history import find


def pdf(customer: Customer, invoice_id: str) -> str:
    """The address of an invoice's PDF.

    :raises InvoiceNotFoundError: where it is another's, or a draft, which has none.
    :raises StripeError: where Stripe cannot be asked.
    """
    return _link(_fresh(customer, invoice_id), "invoice_pdf")


def hosted_page(customer: Customer, invoice_id: str) -> str:
    """The address of an invoice's page at Stripe, where it can be paid and confirmed too.

    :raises InvoiceNotFoundError: where it is another's, or a draft, which has none.
    """
    return _link(_fresh(customer, invoice_id), "hosted_invoice_url")


def credit_note_pdf(customer: Customer, note_id: str) -> str:
    """The address of a credit note's PDF.

    :raises InvoiceNotFoundError: where it is another's.
    """
    known = None

    if note_id.isprintable():
        known = state().db.session.scalar(
            sa.select(CreditNote.id).where(
                CreditNote.stripe_id == note_id, CreditNote.customer_id == customer.id
            )
        )

    if known is None:
        raise InvoiceNotFoundError

    note = gateway().get(f"/v1/credit_notes/{note_id}")
    return _link(_of(customer, note), "pdf")


def _fresh(customer: Customer, invoice_id: str) -> StripeObject:
    known = find(customer, invoice_id)
    return _of(customer, gateway().get(f"/v1/invoices/{known.stripe_id}"))


def _of(customer: Customer, found: StripeObject) -> StripeObject:
    """The object, unless Stripe says that it is somebody else's.

    One of a customer that was deleted at Stripe since names that one, and stays whose it was.
    """
    holder = stripe_objects.reference(found.get("customer"))
    others = sa.select(Customer.id).where(Customer.stripe_id == holder, Customer.id != customer.id)

    if holder is None or state().db.session.scalar(others) is not None:
        raise InvoiceNotFoundError

    return found


def _link(found: StripeObject, name: str) -> str:
    link = found.get(name)

    if not isinstance(link, str):
        raise InvoiceNotFoundError

    return link
