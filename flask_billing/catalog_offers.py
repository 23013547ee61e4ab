"""The parts of a catalog that are about keeping customers who leave.

Annotations are not postponed here: the fields are read by them.
"""

import typing as t

from .catalog_form import Part, Whole
from .catalog_values import Currency, Key, Link, Positive, Title

#: Stripe's codes for why somebody leaves.
LeavingReason = t.Literal[
    "customer_service", "low_quality", "missing_features", "other", "switched_service",
    "too_complex", "too_expensive", "unused",
]  # fmt: skip
OfferKind = t.Literal["discount", "pause", "plan", "trial_extension", "contact"]

LEAVING_REASONS: t.Final[tuple[LeavingReason, ...]] = t.get_args(LeavingReason)


class Offer(Part):
    """A retention offer, shown beside "Cancel plan" and never before it."""

    key: Key
    kind: OfferKind
    #: Percent of a discount.
    percent_off: t.Annotated[int, Whole(1, 100)] | None = None
    #: Minor units of a discount.
    amount_off: Positive | None = None
    #: Of "amount_off"; the catalog's where left out.
    currency: Currency | None = None
    #: How long a discount or pause lasts. A yearly plan gets the discount on one renewal.
    months: t.Annotated[int, Whole(1, 24)] | None = None
    #: How much longer a trial gets.
    days: t.Annotated[int, Whole(1, 90)] | None = None
    #: The plan that is offered instead.
    plan: Key | None = None
    #: Where a contact offer leads; BILLING_CONTACT_URL where left out.
    url: Link | None = None
    #: Reasons for leaving that it answers; empty is any.
    reasons: tuple[LeavingReason, ...] = ()
    #: Plans it is offered on; empty is any.
    plans: tuple[Key, ...] = ()
    #: Days after taking it until it is offered again, or any other discount after a discount.
    cooldown_days: t.Annotated[int, Whole(0, 36_500)] = 180
    #: Headline, instead of one made from the terms.
    title: Title | None = None


class Variant(Part):
    """One arm of an experiment."""

    key: Key
    #: Offers that only this arm sees.
    offers: tuple[Key, ...] = ()
    #: How many customers it gets, as against the other arms.
    weight: Positive = 1


class Experiment(Part):
    """Which offers keep more customers, found out by showing different ones."""

    #: Another key assigns everybody anew.
    key: Key
    #: Percent of customers who see no offer at all, to compare with.
    holdout: t.Annotated[int, Whole(0, 50)] = 5
    #: The arms.
    variants: tuple[Variant, ...]
