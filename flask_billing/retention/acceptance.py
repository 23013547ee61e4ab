"""Taking an offer: what was read is what is granted, once, and only called granted when it is.

The three steps of every write to Stripe: the redemption row is committed, Stripe is asked with
no transaction open, and what came of it is committed with its mail and signal.
"""

from __future__ import annotations

import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from .. import clock, outbox
from ..catalog import Offer
from ..database import committed, reading, reread, transaction
from ..errors import (
    BillingError,
    CardDeclinedError,
    ChangeRefusedError,
    OfferNotFoundError,
    OfferRefusedError,
    StripeRejectedError,
)
from ..models import (
    Cancellation,
    Customer,
    OfferRedemption,
    Subscription,
    SubscriptionChange,
)
from ..state import state
from ..subscriptions import intents
from ..subscriptions.current import refreshed_subscription
from . import eligibility, offers, redemptions, survey
from .granting import GRANTED, GRANTS, Grant
from .survey import Outcome
from .terms import Terms

log = logging.getLogger("flask_billing.retention")

#: Kind of offer -> what a visit that ends with it is called.
OUTCOMES: t.Final[dict[str, Outcome]] = {
    "discount": "saved_discount",
    "pause": "saved_pause",
    "plan": "saved_downgrade",
    "trial_extension": "saved_trial_ext",
    "contact": "contacted",
}

#: Kind of offer -> kind of change that grants it.
_CHANGES: t.Final = {
    "discount": "discount",
    "pause": "pause",
    "plan": "downgrade",
    "trial_extension": "extend_trial",
}


def accept(
    customer: Customer, offer_id: str, words: str, *, actor: str | None = None
) -> OfferRedemption:
    """Grant an offer that this customer was shown on a visit that is going on.

    A second click gets what the first one got.

    :param offer_id: as :func:`.offers.offers_for` named it.
    :param words: the terms that were read.
    :raises OfferNotFoundError: where the customer was shown no such offer.
    :raises OfferRefusedError: where it does not hold any more; nothing was changed.
    :raises StripeError: where Stripe refused, or did not answer; then it is carried out later.
    """
    visit, offer, shown = _shown(customer, offer_id)
    earlier = redemptions.of_visit(visit, offer.key)

    if earlier is not None and earlier.state == "done":
        return earlier

    if survey.is_over(visit):
        raise OfferRefusedError("expired", visit=visit.id)

    if shown["terms"] != words:
        raise OfferRefusedError("changed", visit=visit.id)

    subscription = refreshed_subscription(customer)
    # Read again: what another click of theirs was granted may be in the subscription by now.
    earlier = redemptions.of_visit(visit, offer.key)

    if earlier is None or earlier.state == "failed":
        terms = _terms(customer, offer, subscription, visit)

        if terms.facts() != shown["facts"]:
            raise OfferRefusedError("changed", visit=visit.id)

    redemption = redemptions.reserve(customer, visit, offer, subscription, words)
    return _grant(Grant(redemption, visit, offer, subscription, actor))


def accepted(customer: Customer, offer_id: str) -> OfferRedemption:
    """An offer that was taken.

    :raises OfferNotFoundError: where this customer took no such offer.
    """
    visit, offer, _shown_offer = _shown(customer, offer_id)
    found = redemptions.of_visit(visit, offer.key)

    if found is None or found.state != "done":
        raise OfferNotFoundError

    return found


def is_recorded(customer: Customer, offer_id: str) -> bool:
    """Whether an offer is being taken that Stripe was asked for, and will be asked for again."""
    visit, offer, _shown_offer = _shown(customer, offer_id)
    found = redemptions.of_visit(visit, offer.key)
    change = None if found is None else _change_of(found)
    return change is not None and change.state == "open"


def decline(customer: Customer, offer_id: str) -> Cancellation:
    """Say no to an offer; it is not shown again on this visit.

    :raises OfferNotFoundError: where the customer was shown no such offer.
    """
    visit, offer, _shown_offer = _shown(customer, offer_id)
    survey.decline(visit, offer.key)
    return survey.fresh(visit.id)


def finish_open(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(minutes=10)) -> int:
    """Close the redemptions that crashes and outages left open. A job calls it.

    :param min_age: leaves younger ones to the request that is at work on them.
    :returns: how many are closed now.
    """
    closed = 0

    with transaction() as connection:
        row_ids = list(
            connection.execute(
                sa.select(OfferRedemption.id)
                .where(OfferRedemption.state == "open")
                .order_by(OfferRedemption.id)
                .limit(limit)
            ).scalars()
        )

    for row_id in row_ids:
        try:
            closed += _finish(redemptions.fresh(row_id), min_age)
        except BillingError as error:  # the next one may still be possible
            log.warning("The taking of offer %s is not finished yet: %s", row_id, error)

    return closed


def _shown(customer: Customer, offer_id: str) -> tuple[Cancellation, Offer, survey.Shown]:
    """The visit, the offer and how it was shown, all of this customer."""
    number, _, key = offer_id.partition("-")
    offer = state().catalog.offer(key)
    known = number.isascii() and number.isdigit() and len(number) < 19
    visit = survey.find(customer, int(number)) if known else None
    shown = survey.last_shown(visit, key) if visit is not None else None

    if visit is None or offer is None or shown is None or shown["declined"]:
        raise OfferNotFoundError(
            "This customer was shown no such offer. Nothing was changed. The cancel page shows "
            "what is offered."
        )

    return visit, offer, shown


def _terms(
    customer: Customer, offer: Offer, subscription: Subscription, visit: Cancellation
) -> Terms:
    with reading() as connection:
        past = eligibility.past_of(connection, customer.id, before_visit=visit.id)

    found = offers.terms_now(offer, subscription, past)

    if found is None:
        raise OfferRefusedError("taken", visit=visit.id)

    return found


def _grant(grant: Grant) -> OfferRedemption:
    redemption = grant.redemption

    try:
        granted = GRANTS[grant.offer.kind](grant)
    except (CardDeclinedError, StripeRejectedError, ChangeRefusedError):
        _close(redemption, "failed")
        raise

    _close(redemption, "done" if granted else "failed")

    if not granted:
        raise OfferRefusedError("refused", visit=grant.visit.id)

    return redemptions.fresh(redemption.id)


def _close(redemption: OfferRedemption, outcome: str) -> None:
    """Commit what became of a redemption, with its mail and signal where it was granted."""
    with committed(redemptions.ACTION) as connection:
        first = redemptions.close(connection, redemption, outcome)
        written = (
            outbox.write(connection, _announced(connection, redemption))
            if first and (outcome == "done")
            else []
        )

    outbox.dispatch(written)


def _announced(connection: sa.Connection, redemption: OfferRedemption) -> list[dict[str, object]]:
    if redemption.cancellation_id is not None:
        outcome = OUTCOMES[redemption.kind]
        survey.save(connection, redemption.cancellation_id, outcome, redemption.offer, clock.now())

    key = redemptions.quote_id(redemption)
    body = {"offer": redemption.offer, "kind": redemption.kind, "terms": redemption.terms}
    signal = outbox.signal_row(
        "retention.offer_accepted", customer_id=redemption.customer_id, key=key, body=body
    )

    if redemption.kind == "contact":
        return [signal]

    mail = outbox.mail_row("offer_accepted", customer_id=redemption.customer_id, key=key, body=body)
    return [signal, mail]


def _finish(redemption: OfferRedemption, min_age: dt.timedelta) -> bool:
    """Close an open redemption by the change that grants it; False while that is not known."""
    change = _change_of(redemption)

    if change is not None and change.state == "open":
        intents.finish(change)
        change = _change_of(redemption)

    if change is None and clock.now() - redemption.created_at < min_age:
        return False

    if change is not None and change.state == "open":
        return False

    granted = change is not None and change.state in GRANTED
    _close(redemption, "done" if granted or redemption.kind == "contact" else "failed")
    return True


def _change_of(redemption: OfferRedemption) -> SubscriptionChange | None:
    """The change that was to grant a redemption."""
    by_quote = SubscriptionChange.quote_id == redemptions.quote_id(redemption)
    alike = sa.and_(
        SubscriptionChange.quote_id.is_(None),
        SubscriptionChange.customer_id == redemption.customer_id,
        SubscriptionChange.kind == _CHANGES.get(redemption.kind, ""),
        SubscriptionChange.created_at >= redemption.created_at,
    )
    return reread(
        sa.select(SubscriptionChange)
        .where(sa.or_(by_quote, alike))
        .order_by(SubscriptionChange.id)
        .limit(1)
    )
