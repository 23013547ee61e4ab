"""What the recorded account held before a cassette began, made in the sandbox.

A request may name a price, a coupon, a customer or an invoice that no earlier answer of the
cassette created. What any answer shows of it is enough to make the like of it here.
"""

from . import billing, catalog, customers, payments, usage
from .stage import NotStagedError, Stage

__all__ = ["NotStagedError", "Stage", "billing", "catalog", "customers", "payments", "usage"]
