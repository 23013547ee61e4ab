"""An offline Stripe: stateful, faithful, with a clock to move and test cards to pay with.

It imports nothing from the rest of the package and runs stripe-python unchanged.
"""

from flask_billing.sandbox.errors import ApiError, SandboxError
from flask_billing.sandbox.person import CardDeclinedError
from flask_billing.sandbox.sandbox import Sandbox
from flask_billing.sandbox.settings import Settings

__all__ = ["ApiError", "CardDeclinedError", "Sandbox", "SandboxError", "Settings"]
