"""Subscription billing for Flask on Stripe."""

from .access import Access
from .catalog import Catalog
from .customers import current_customer
from .errors import BillingError
from .extension import Billing
from .models import Customer
from .owners import Owner

__version__ = "0.1.0"

__all__ = [
    "Access",
    "Billing",
    "BillingError",
    "Catalog",
    "Customer",
    "Owner",
    "current_customer",
]
