"""The API's endpoints, one kind of object a file. Importing a module registers its endpoints."""

from importlib import import_module

_MODULES = (
    "products",
    "prices",
    "coupons",
    "promotion_codes",
    "customers",
    "tax_ids",
    "payment_methods",
    "setup_intents",
    "setup_confirmation",
    "setup_attempts",
    "payment_intents",
    "payment_confirmation",
    "charges",
    "refunds",
    "disputes",
    "checkout_sessions",
    "subscriptions",
    "subscription_items",
    "subscription_schedules",
    "invoices",
    "invoice_actions",
    "credit_notes",
    "invoice_payments",
    "invoice_items",
    "events",
    "webhook_endpoints",
    "event_destinations",
    "meters",
    "meter_events",
    "meter_summaries",
    "core_events",
    "test_clocks",
    "portal",
    "portal_configurations",
    "balance_transactions",
    "tax_rates",
    "balance",
)


def register() -> None:
    """Import every endpoint once."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
