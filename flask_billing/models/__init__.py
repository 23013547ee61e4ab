"""The tables, one concept a file. All names start with ``billing_``.

None of these modules postpones annotations: SQLAlchemy would read hundreds of them back from
text, which is a third of what the tables cost at start.
"""

from .base import Base, UTCDateTime, include_tables
from .checkout import Checkout
from .customer import Customer, CustomerChange
from .invoice import CreditNote, Invoice, PaymentMethod
from .payment_method_change import PaymentMethodChange
from .price import StripePrice
from .retention import Cancellation, OfferRedemption
from .subscription import ENDED, Subscription, SubscriptionChange
from .usage import (
    CreditGrant,
    CreditUse,
    LimitOverride,
    MeterExport,
    UsageCounter,
    UsageEpoch,
    UsageEvent,
    UsageNotice,
    UsageReservation,
    UsageRollup,
)
from .webhook_event import DEAD_LETTER, UNHANDLED, JobLease, Outbox, SyncTicket, WebhookEvent

__all__ = [
    "DEAD_LETTER",
    "ENDED",
    "UNHANDLED",
    "Base",
    "Cancellation",
    "Checkout",
    "CreditGrant",
    "CreditNote",
    "CreditUse",
    "Customer",
    "CustomerChange",
    "Invoice",
    "JobLease",
    "LimitOverride",
    "MeterExport",
    "OfferRedemption",
    "Outbox",
    "PaymentMethod",
    "PaymentMethodChange",
    "StripePrice",
    "Subscription",
    "SubscriptionChange",
    "SyncTicket",
    "UTCDateTime",
    "UsageCounter",
    "UsageEpoch",
    "UsageEvent",
    "UsageNotice",
    "UsageReservation",
    "UsageRollup",
    "WebhookEvent",
    "include_tables",
]
