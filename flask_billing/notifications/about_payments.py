"""Mails about money: it was paid, will be, or could not be."""

from __future__ import annotations

import sqlalchemy as sa

from .. import access, clock, stripe_objects
from ..formatting import day, price
from ..models import Customer, Invoice, PaymentMethod
from ..state import state
from ..translation import gettext as _
from .about_plans import plan_name
from .letters import Body, Letter, to


def receipt(customer: Customer, body: Body) -> Letter:
    """An invoice was paid."""
    amount = price(body["amount"], body["currency"])
    facts = [(_("Amount"), amount)]

    if number := body.get("number"):
        facts.append((_("Invoice"), str(number)))

    return Letter(
        "receipt",
        _("Receipt for %(amount)s", amount=amount),
        (_("We received your payment. Thank you."),),
        tuple(facts),
        to(_("See your invoices"), "/invoices"),
    )


def renewal(customer: Customer, body: Body) -> Letter | None:
    """A renewal is a few days away."""
    found = access.access_for(customer)
    subscription = found.subscription

    if subscription is None or found.reason not in ("active", "trialing"):
        return None

    end = subscription.current_period_end
    amount = body.get("amount")

    if end is None or end <= clock.now():
        return None

    facts = [(_("On"), day(end))]

    if amount is not None and body.get("currency"):
        facts.insert(0, (_("Amount"), price(amount, body["currency"])))

    plan = plan_name(subscription.plan or subscription.last_plan)
    paragraphs = [_("You needn't do anything. You can change or cancel the plan until then.")]

    if stripe_objects.metered_items(subscription.snapshot or {}):
        paragraphs.append(_("What you use beyond your plan until then is charged on top of it."))

    return Letter(
        "renewal",
        _("%(plan)s renews on %(date)s", plan=plan, date=day(end)),
        tuple(paragraphs),
        tuple(facts),
        to(_("Go to billing")),
    )


def payment_failed(customer: Customer, body: Body) -> Letter | None:
    """A payment could not be collected."""
    invoice = _invoice(body.get("invoice"))

    if invoice is not None and invoice.status != "open":
        return None

    found = access.access_for(customer)
    subscription = found.subscription
    plan = plan_name(None if subscription is None else subscription.plan or subscription.last_plan)
    card = _card(customer)
    paragraphs = [
        _("We couldn't charge %(card)s for %(plan)s.", card=card, plan=plan)
        if body.get("invoice")
        else _("Your bank returned the payment for %(plan)s.", plan=plan)
    ]
    # By the row: the event may tell of the attempt that has just failed.
    again = None if invoice is None else invoice.next_payment_attempt

    if found.reason == "past_due" and found.until is not None:
        paragraphs.append(
            _(
                "Update your card by %(date)s to keep %(plan)s.",
                date=day(found.until),
                plan=plan,
            )
        )

    if again is not None and again > clock.now():
        paragraphs.append(_("We'll try again on %(date)s.", date=day(again)))

    facts: tuple[tuple[str, str], ...] = ()

    if body.get("amount") is not None and body.get("currency"):
        facts = ((_("Amount"), price(body["amount"], body["currency"])),)

    return Letter(
        "payment_failed",
        _("We couldn't charge your card"),
        tuple(paragraphs),
        facts,
        to(_("Update your card"), "/payment-methods"),
    )


def payment_action_required(customer: Customer, body: Body) -> Letter | None:
    """The bank wants the customer to confirm."""
    invoice = _invoice(body.get("invoice"))

    if invoice is not None and invoice.status != "open":
        return None

    facts: tuple[tuple[str, str], ...] = ()

    if body.get("amount") is not None and body.get("currency"):
        facts = ((_("Amount"), price(body["amount"], body["currency"])),)

    return Letter(
        "payment_action_required",
        _("Your bank needs you to confirm a payment"),
        (_("Nothing was charged yet. Confirm the payment on the billing page."),),
        facts,
        to(_("Confirm payment")),
    )


def card_expiring(customer: Customer, body: Body) -> Letter | None:
    """A card that will be charged is about to expire."""
    method = state().db.session.scalar(
        sa.select(PaymentMethod).where(
            PaymentMethod.stripe_id == body.get("payment_method"),
            PaymentMethod.customer_id == customer.id,
            PaymentMethod.detached_at.is_(None),
        )
    )

    if method is None or (method.exp_month, method.exp_year) != (
        body.get("exp_month"),
        body.get("exp_year"),
    ):
        return None  # it was removed, or the bank sent a new one

    card = _named(method)
    return Letter(
        "card_expiring",
        _("%(card)s expires soon", card=card),
        (
            _(
                "%(card)s expires at the end of %(month)s.",
                card=card,
                month=f"{method.exp_month:02d}/{method.exp_year}",
            ),
            _("Add another card so that your plan goes on without a break."),
        ),
        action=to(_("Update your card"), "/payment-methods"),
    )


def _invoice(stripe_id: str | None) -> Invoice | None:
    found: Invoice | None = state().db.session.scalar(
        sa.select(Invoice)
        .where(Invoice.stripe_id == (stripe_id or ""))
        .execution_options(populate_existing=True)
    )
    return found


def _card(customer: Customer) -> str:
    subscription = access.access_for(customer).subscription
    own = subscription.default_payment_method if subscription is not None else None
    method = state().db.session.scalar(
        sa.select(PaymentMethod).where(
            PaymentMethod.customer_id == customer.id,
            PaymentMethod.stripe_id == (own or customer.default_payment_method or ""),
        )
    )
    return _("your card") if method is None else _named(method)


def _named(method: PaymentMethod) -> str:
    brand = (method.brand or method.type).replace("_", " ").title()
    return f"{brand} {method.last4}" if method.last4 else brand
