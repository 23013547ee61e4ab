"""What one would set in Stripe's dashboard, and what identifies the account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from flask_billing.sandbox import inferred

ACCOUNT_ID = "acct_1SandboxFlaskBill"
#: The account's one payment method configuration, which says what intents and sessions offer.
PAYMENT_METHOD_CONFIGURATION_ID = "pmc_1SandboxFlaskBillingCard"
API_VERSION = "2026-10-28.endive"
DAY = 86_400
HOUR = 3_600

#: For ``retry_days``: three tries within a week instead of eight in two.
THREE_RETRIES = inferred.THREE_RETRY_DAYS


@dataclass(frozen=True)
class Settings:
    """The settings of the sandbox's Stripe account.

    ``retry_days`` are the days after a failed renewal at which the payment is tried again: eight
    in two weeks, or `THREE_RETRIES`; ``after_retries`` is what happens to the subscription then.
    A card that was refused for good is not tried again. ``draft_seconds`` is how long a renewal's
    invoice is a draft, ``incomplete_seconds`` how long a first payment or a pending update waits.
    ``upcoming_days`` is how long before a renewal ``invoice.upcoming`` is sent.
    ``webhook_retry_seconds`` are the waits of simulated time after each failed delivery: those of
    test mode, or ``inferred.LIVE_WEBHOOK_RETRY_SECONDS``. ``meter_validation_seconds`` is how long
    invalid meter events are collected before an event reports them.
    ``portal_is_set_up`` says that the customer portal's settings were saved once; without that a
    portal session must name its configuration, as in a fresh account.
    ``requests_per_second`` is the rate limit (Stripe's own is 25 in test mode; None has none).
    ``restricted_keys`` are keys ``rk_test_...`` with their permissions, such as
    ``customer_read`` or ``subscription_write``; a restricted key that is not named may do all.
    """

    account_name: str = "Sandbox"
    country: str = "US"
    currency: str = "usd"
    retry_days: tuple[int, ...] = inferred.RETRY_DAYS
    after_retries: Literal["cancel", "unpaid", "past_due", "pause"] = "cancel"
    upcoming_days: int = inferred.UPCOMING_DAYS
    trial_reminder_days: int = 3
    draft_seconds: int = HOUR
    incomplete_seconds: int = 23 * HOUR
    minimum_charge: int = 50
    webhook_retry_seconds: tuple[int, ...] = inferred.WEBHOOK_RETRY_SECONDS
    meter_validation_seconds: int = inferred.METER_VALIDATION_SECONDS
    payment_method_types: tuple[str, ...] = ("card",)
    portal_is_set_up: bool = True
    requests_per_second: int | None = None
    restricted_keys: Mapping[str, frozenset[str]] = field(default_factory=dict)
