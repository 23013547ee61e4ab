"""What can go wrong, as one tree under :class:`BillingError`.

Every message says what happened, whether money moved and what to do next.
"""

from __future__ import annotations

import collections.abc as c


class BillingError(Exception):
    """Base of every error this extension raises on purpose."""


class ConfigError(BillingError):
    """A setting is missing or wrong. The message names the key and the fix."""


class NotInitialisedError(BillingError):
    """The current app has no billing: ``init_app`` was not called on it."""

    def __init__(self) -> None:
        super().__init__(
            "This Flask app has no billing. Did you forget to call 'billing.init_app(app)'?"
        )


class NotSignedInError(BillingError):
    """A customer was asked for while the owner loader says nobody is signed in."""

    def __init__(self) -> None:
        super().__init__(
            "Nobody is signed in, so there is no customer. Nothing was charged. "
            "Sign in first, or pass a customer explicitly."
        )


class CatalogError(BillingError):
    """The catalog does not hold together. ``problems`` lists each fault with its path."""

    def __init__(self, source: str, problems: c.Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in self.problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"The catalog {source} has {count}:\n{lines}\nFix the file and restart.")


class UnknownPlanError(BillingError):
    """The catalog holds no such plan or price that this customer could buy."""


class CheckoutNotFoundError(BillingError):
    """The session is not one of this customer's. Nothing was charged to them."""


class HostSessionBusyError(BillingError):
    """The host's session holds an uncommitted write while Stripe has to be called."""

    def __init__(self, action: str) -> None:
        super().__init__(
            f"{action} calls Stripe and keeps its own records, but db.session holds uncommitted "
            "writes, and SQLite admits one writer. Nothing was charged. Call db.session.commit() "
            "first."
        )


class AlreadySubscribedError(BillingError):
    """The customer has a live subscription, so a new checkout would charge twice."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(
            "This customer already has a plan. Nothing was charged. "
            "Change the plan instead of starting a second one."
        )


class StripeError(BillingError):
    """Stripe refused or could not be reached. Subclasses say which."""

    #: Whether repeating the identical request, with its idempotency key, may succeed.
    retryable = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.code = code
        self.param = param
        self.status = status
        self.request_id = request_id
        super().__init__(message)


class CardDeclinedError(StripeError):
    """The bank said no. ``decline_code`` is Stripe's, ``for_people`` a sentence to show."""

    def __init__(
        self,
        for_people: str,
        *,
        decline_code: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.for_people = for_people
        self.decline_code = decline_code
        super().__init__(
            f"{for_people} Nothing was charged.", code=code, status=402, request_id=request_id
        )


class StripeUnreachableError(StripeError):
    """No answer, or a server error: the outcome is unknown until the same key is repeated."""

    retryable = True


class StripeRateLimitedError(StripeError):
    """Stripe asked us to slow down. Nothing happened; repeat later."""

    retryable = True


class StripeMisconfiguredError(StripeError):
    """The key is wrong, restricted or of another account."""


class StripeRejectedError(StripeError):
    """Stripe found the request itself wrong (4xx). Repeating it will not help."""


class StripeNotFoundError(StripeRejectedError):
    """The object does not exist at Stripe, or belongs to another account or mode."""


class WebhookRejectedError(BillingError):
    """A delivery that is not Stripe's, too old, too large or not for this app.

    ``status`` is the HTTP status to answer with.
    """

    def __init__(self, reason: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(reason)


class UnlinkedCustomerError(BillingError):
    """A Stripe object belongs to a Stripe customer that no owner is linked to yet."""

    def __init__(self, stripe_customer: str | None) -> None:
        self.stripe_customer = stripe_customer
        super().__init__(
            f"No customer here is linked to Stripe customer {stripe_customer or '(none)'}. "
            "The event is kept and tried again; link the customer, or remove the endpoint's "
            "event if the object is not this app's."
        )


class InvalidUsageError(BillingError, ValueError):
    """Usage that cannot be booked as asked: its amount, meter, key, time or dimensions."""


class IdempotencyMismatchError(BillingError):
    """The same key was used for something else before. Nothing was booked."""


class MeteringUnavailableError(BillingError):
    """The usage store is down: usage cannot be read, or a meter refuses what it cannot count."""
