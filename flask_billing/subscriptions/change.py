"""Confirming a quote: exactly what was shown, or nothing."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from ..database import refuse_busy_session, reread
from ..errors import CardDeclinedError, ChangeRefusedError, StripeRejectedError
from ..models import Customer, Subscription, SubscriptionChange
from ..owners import id_of
from . import intents, put_back, rules, token, undo
from .current import live_subscription, refreshed_subscription
from .intent_rows import ACTION
from .quote import Quote, quote_change, quote_of
from .refusals import NoPaymentMethodError, QuoteChangedError, StaleChangeError
from .requests import said, wish_for
from .target import Target, target_of
from .token import Confirmation, Terms
from .wish import Wish


def change_plan(
    customer: Customer,
    token_text: str,
    *,
    reason: str | None = None,
    comment: str | None = None,
    actor: str | None = None,
) -> SubscriptionChange:
    """Carry out a quote: charge exactly what it said, or nothing at all.

    A second click, a second tab and a retry after a timeout get the same change back.

    :param token_text: the ``token`` of :func:`quote_change`.
    :param actor: who confirmed, as the history shows it.
    :returns: the change: done; or pending, until the period ends (``effective_at``) or until
        the bank was asked (without).
    :raises QuoteInvalidError: for a token that was not given to this customer.
    :raises QuoteChangedError: where other terms hold by now; with the quote of those.
    :raises CardDeclinedError: where the bank said no; the plan is as it was.
    :raises ChangeRefusedError: where the plan cannot be changed so now.
    :raises StripeError: where Stripe did not answer. Repeating the same call, with the same
        token, cannot charge twice.
    """
    refuse_busy_session(ACTION)
    confirmed = token.read(token_text, id_of(customer))
    known = _of_quote(confirmed)

    if known is not None:
        return _again(customer, known, confirmed)

    try:
        subscription = refreshed_subscription(customer)
        rules.refuse_unchangeable(subscription)
        quote = _as_confirmed(customer, subscription, confirmed)
    except ChangeRefusedError:
        # What stands in the way may be what the same click, a moment earlier, has done.
        known = _of_quote(confirmed)

        if known is None:
            raise

        return _again(customer, known, confirmed)

    if quote.needs_card:
        raise NoPaymentMethodError

    undo.give_up_unpaid(subscription, actor=actor)
    wish = dataclasses.replace(
        wish_for(
            subscription,
            _target(quote),
            quote.kind,
            quote.items,
            quote.terms.proration_date,
        ),
        amount=quote.due_now,
        quote_id=confirmed.quote_id,
    )
    return _carry_out(customer, subscription, said(wish, reason, comment, actor), quote)


def _carry_out(
    customer: Customer, subscription: Subscription, wish: Wish, quote: Quote
) -> SubscriptionChange:
    try:
        change = intents.carry_out(subscription, wish)
    except StaleChangeError as error:
        raise QuoteChangedError("amount", _anew(customer, quote.terms)) from error
    except CardDeclinedError:
        put_back.schedule_again(subscription, quote.replaces)
        raise

    if change.state not in ("done", "pending"):  # the same click, a moment earlier
        raise QuoteChangedError("used", _anew(customer, quote.terms))

    return change


def _as_confirmed(customer: Customer, subscription: Subscription, confirmed: Confirmation) -> Quote:
    """The quote as of the moment that was shown, once it is sure that it still holds.

    :raises QuoteChangedError: where it does not.
    """
    terms = confirmed.terms

    if subscription.stripe_id != terms.subscription or _renewed_since(subscription, terms):
        raise QuoteChangedError("amount", _anew(customer, terms))

    if confirmed.expired:
        raise QuoteChangedError("expired", _anew(customer, terms))

    target = target_of(subscription, terms.plan, terms.interval, terms.quantity)
    kind = rules.kind_of(subscription, target, end_trial=terms.kind == "end_trial")

    try:
        quote = quote_of(customer, subscription, target, kind, terms.proration_date)
    except StripeRejectedError as error:  # as where the price is not sold any more
        raise QuoteChangedError("amount", _anew(customer, terms)) from error

    if quote.terms != terms:
        raise QuoteChangedError("amount", _anew(customer, terms))

    return quote


def _renewed_since(subscription: Subscription, terms: Terms) -> bool:
    start = subscription.current_period_start
    return start is not None and int(start.timestamp()) != terms.period_start


def _anew(customer: Customer, terms: Terms) -> Quote:
    return quote_change(
        customer,
        terms.plan,
        terms.interval,
        terms.quantity,
        end_trial=terms.kind == "end_trial",
    )


def _target(quote: Quote) -> Target:
    return Target(quote.plan, quote.interval, quote.quantity, quote.terms.price, None)


def _again(
    customer: Customer, known: SubscriptionChange, confirmed: Confirmation
) -> SubscriptionChange:
    """The answer to a quote that was confirmed before."""
    if known.customer_id != customer.id:
        raise StaleChangeError

    if known.state == "open":
        known = intents.perform(known)

    if known.state in ("done", "pending") and _still_holds(customer, known):
        return known

    raise QuoteChangedError("used", _anew(customer, confirmed.terms))


def _still_holds(customer: Customer, change: SubscriptionChange) -> bool:
    """Whether what a change brought about is still so."""
    if change.state == "pending":
        return True

    row_id = live_subscription(customer).id
    subscription = reread(sa.select(Subscription).where(Subscription.id == row_id))
    had = subscription and (subscription.plan, subscription.interval, subscription.quantity)
    return had == (change.to_plan, change.to_interval, change.quantity)


def _of_quote(confirmed: Confirmation) -> SubscriptionChange | None:
    return reread(
        sa.select(SubscriptionChange).where(SubscriptionChange.quote_id == confirmed.quote_id)
    )
