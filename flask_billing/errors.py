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


class NotACustomerError(BillingError, TypeError):
    """Something else than a customer was passed as one; by its id it would be a stranger."""

    def __init__(self, passed: str) -> None:
        super().__init__(
            f"A {passed} was passed as the customer. Nothing was booked, charged or changed. "
            "Pass 'billing.customer_for(owner)' instead."
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


class InvoiceNotFoundError(BillingError):
    """There is no such invoice of this customer's, or nothing of it to show."""

    def __init__(self) -> None:
        super().__init__("There is no such invoice of this customer's. Nothing was charged.")


class InvoiceNotPayableError(BillingError):
    """The invoice is a draft or void, so there is nothing to pay."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(
            f"This invoice is {status}, so there is nothing to pay. Nothing was charged."
        )


class NoPaymentMethodError(BillingError):
    """Neither the customer nor the subscription has anything on file that could be charged."""

    def __init__(self) -> None:
        super().__init__(
            "There is no payment method on file. Nothing was charged. Add a card and pay again, "
            "or pay on the invoice's page at Stripe."
        )


class DetailsRefusedError(BillingError):
    """Stripe does not take some billing details. ``field`` is the one it names."""

    def __init__(self, field: str | None) -> None:
        self.field = field
        super().__init__(
            f"Stripe does not accept these billing details ({field or 'no field was named'}). "
            "Nothing was charged. Correct them and send them again."
        )


class ChangeRefusedError(BillingError):
    """A subscription cannot be changed so now. Subclasses say why; nothing was charged."""

    #: A word for programs, as in JSON answers.
    code = "change_refused"


class NoSubscriptionError(ChangeRefusedError):
    """There is no live subscription that could be changed."""

    code = "no_subscription"

    def __init__(self) -> None:
        super().__init__(
            "This customer has no plan that could be changed. Nothing was charged. "
            "A plan starts with a checkout."
        )


class ChangeUnderWayError(ChangeRefusedError):
    """Another change is on its way to Stripe, and its outcome is not known yet."""

    code = "change_under_way"

    def __init__(self) -> None:
        super().__init__(
            "Another change of this plan is being carried out, and Stripe has not said yet how it "
            "went. Nothing further was charged. Try again in a few minutes."
        )


class InvalidAnswerError(ChangeRefusedError):
    """An answer to the survey that cannot be kept.

    ``field`` is "reason" or "comment".
    """

    code = "invalid_answer"

    def __init__(self, field: str, text: str) -> None:
        self.field = field
        super().__init__(f"{text} Nothing was changed.")


class NotPausableError(ChangeRefusedError):
    """The plan cannot be paused as it stands; ``why`` is a word for programs."""

    code = "not_pausable"

    def __init__(self, why: str, text: str) -> None:
        self.why = why
        super().__init__(f"{text} Nothing was changed.")


class OfferNotFoundError(BillingError):
    """There is no such offer, or it was made to another customer. Nothing was changed."""


class OfferRefusedError(ChangeRefusedError):
    """An offer cannot be taken any more. Nothing was changed.

    ``why`` is "expired" (its visit is over), "taken" (it or one like it was taken already),
    "changed" (its terms are others now, or were tampered with) or "refused" (Stripe did not
    accept it).
    """

    code = "offer_refused"

    def __init__(self, why: str, *, visit: int | None = None) -> None:
        self.why = why
        self.visit = visit
        super().__init__(
            f"This offer cannot be taken ({why}). Nothing was charged and nothing was changed. "
            "The cancel page shows what is offered now."
        )


class StripeError(BillingError):
    """Stripe refused or could not be reached. Subclasses say which."""

    #: Whether repeating the identical request, with its idempotency key, may succeed.
    retryable = False
    #: Whether Stripe keeps this answer for the idempotency key, and will for a day.
    replayed = False

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


class PaymentMethodNotFoundError(BillingError):
    """The card or setup intent is not one of this customer's, or not attached any more."""

    def __init__(self) -> None:
        super().__init__(
            "This customer has no such payment method. Nothing was changed and nothing was "
            "charged. Look at the list of payment methods again."
        )


class LastPaymentMethodError(BillingError):
    """The last card of a live subscription: without it the next invoice could not be paid."""

    def __init__(self) -> None:
        super().__init__(
            "This is the only payment method, and a plan is charged to it. Nothing was removed. "
            "Add another one before removing this one."
        )


class PaymentMethodsChangedError(BillingError):
    """What was decided on is no longer what there is, as in a page that was open for long."""

    def __init__(self) -> None:
        super().__init__(
            "The payment methods have changed since they were shown. Nothing was changed now. "
            "Look at them again."
        )


class TooManyCardsTriedError(BillingError):
    """The customer began to add a card more often than the hour allows."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            f"A card was tried {limit} times within an hour, which is all that "
            "BILLING_SETUP_INTENTS_PER_HOUR allows. Nothing was saved or charged. Try again in an "
            "hour."
        )


class CardNotSavedError(BillingError):
    """A setup intent that has not succeeded, whatever the address says that brought it.

    :param status: Stripe's, as ``requires_payment_method`` or ``processing``.
    """

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(
            f"The card was not saved: its setup intent is {status}. Nothing was charged. Add it "
            "again, or another one."
        )


class WebhookRejectedError(BillingError):
    """A delivery that is not Stripe's, too old, too large or not for this app.

    ``status`` is the HTTP status to answer with.
    """

    def __init__(self, reason: str, *, status: int = 400) -> None:
        self.status = status
        super().__init__(reason)


class PayloadForgottenError(BillingError):
    """An event is to be processed again whose payload is not kept any more."""

    def __init__(self, stripe_id: str) -> None:
        super().__init__(
            f"What Stripe sent with {stripe_id} is forgotten, as it is older than 90 days. Nothing "
            "was changed. 'flask billing sync OWNER_TYPE OWNER_ID' reads how things stand at "
            "Stripe now."
        )


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
