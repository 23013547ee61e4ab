"""A customer in a test: brought into a state, moved on, and asked how they are."""

from __future__ import annotations

import typing as t

import sqlalchemy as sa

from .. import access as accesses
from .. import customers, metering
from ..database import committed
from ..models import Customer, Subscription
from ..sandbox import SandboxError
from ..state import state
from ..stripe_customers import ensure_stripe_customer
from ..stripe_gateway import gateway
from ..subscriptions import items
from . import statuses
from .prices import target_of

if t.TYPE_CHECKING:
    import stripe
    from stripe.params import PaymentMethodCreateParams, PaymentMethodCreateParamsCard

    from .sandbox import StripeSandbox

_ACTION: t.Final = "the sandbox's factories"


class SandboxCustomer:
    """The customer of an owner, at Stripe and in the app.

    What changes something does it at Stripe, as the portal or the dashboard would, so the app
    hears of it by webhook. What asks reads the app's tables afresh each time. Changing methods
    return the customer, so they can be chained.
    """

    def __init__(self, sandbox: StripeSandbox, owner: object, *, card: str | None) -> None:
        self.sandbox = sandbox
        customer = customers.customer_for(owner)
        _forget_other_sandbox(sandbox.client(), customer)
        self.id: int = customer.id
        self.stripe_id: str = ensure_stripe_customer(customer, _ACTION)
        self._currency = customers.currency_of(customer)

        if card is not None:
            self._save_card(card)

    def __repr__(self) -> str:
        return f"<SandboxCustomer {self.id} {self.stripe_id}>"

    # What the app knows.

    @property
    def access(self) -> accesses.Access:
        """What the customer may do now, and why; see docs/access.md."""
        with self.sandbox.in_app():
            return accesses.decide(accesses.subscriptions_of(self.id))

    @property
    def plan(self) -> str | None:
        """Key of the plan whose limits hold; None is no plan."""
        found = self.access.plan
        return found.key if found is not None else None

    @property
    def subscription(self) -> Subscription | None:
        """The app's row of the newest subscription, ended ones included; detached."""
        with self.sandbox.in_app():
            return next(iter(accesses.subscriptions_of(self.id)), None)

    @property
    def status(self) -> str | None:
        """Stripe's status of the newest subscription, as the app knows it; None without one."""
        found = self.subscription
        return found.status if found is not None else None

    def usage(self, meter: str) -> metering.Usage:
        """How much of a meter is used in its current period."""
        with self.sandbox.in_app():
            return metering.usage(meter, customer=self._row())

    # What happens to them.

    def subscribe(
        self,
        plan: str,
        interval: str | None = None,
        *,
        status: statuses.Status = "active",
        quantity: int = 1,
    ) -> t.Self:
        """Start a subscription and bring it into a status.

        A status that time brings lets it pass: ``past_due`` a period, ``unpaid`` a period and the
        retries, ``incomplete_expired`` a day. The clock is moved for the whole sandbox, so set up
        such customers first. The other statuses leave the clock alone.

        :param interval: None is the first one that the plan is sold by.
        :param status: Stripe's, or ``ending``: active, and canceled at the period's end.
        :raises UnknownPlanError: for what is not in the catalog.
        """
        if status not in statuses.RECIPES:
            raise SandboxError(
                f"There is no status {status!r}. There are: {', '.join(statuses.RECIPES)}."
            )

        with self.sandbox.in_app():
            target = target_of(self.sandbox.client(), plan, interval, self._currency)
            days = target.plan.trial_days or statuses.TRIAL_DAYS
            order = statuses.Order(target.price, target.metered or (), quantity, days)

        statuses.RECIPES[status](self, order)
        return self

    def change_plan(self, plan: str, interval: str | None = None) -> t.Self:
        """Put the running subscription on another plan now, prorated and charged at once."""
        path = f"/v1/subscriptions/{self.stripe_subscription.id}"

        with self.sandbox.in_app():
            target = target_of(self.sandbox.client(), plan, interval, self._currency)
            entries = items.changed(gateway().get(path), target)
            gateway().post(path, {"items": entries, "proration_behavior": "always_invoice"})

        return self

    def cancel(self, *, now: bool = False) -> t.Self:
        """Cancel at the period's end, or now."""
        subscriptions = self.sandbox.client().v1.subscriptions
        running = self.stripe_subscription.id

        if now:
            subscriptions.cancel(running)
        else:
            subscriptions.update(running, {"cancel_at_period_end": True})

        return self

    def renew(self) -> t.Self:
        """Let time pass until the running period has ended and its renewal was tried."""
        end = self.stripe_subscription["items"].data[0].current_period_end
        self.sandbox.advance_to_renewal(end)
        return self

    def use_card(self, card: str) -> t.Self:
        """Pay with another card from now on: a test number or a token such as ``pm_card_visa``.

        :raises stripe.CardError: where the card cannot even be saved.
        """
        self._save_card(card)
        return self

    def use(
        self,
        meter: str,
        quantity: int | None = None,
        *,
        percent: int | None = None,
        left: int | None = None,
    ) -> t.Self:
        """Book usage: so many units, or up to a percentage of the limit, or all but so many.

        :raises SandboxError: for a share of what has no limit, or more is used already.
        """  # fmt: skip
        with self.sandbox.in_app():
            customer = self._row()
            wanted = _missing(metering.usage(meter, customer=customer), quantity, percent, left)

            if wanted:
                metering.record(meter, wanted, customer=customer)

        return self

    # What Stripe knows.

    @property
    def stripe_subscription(self) -> stripe.Subscription:
        """The newest subscription as Stripe has it.

        :raises SandboxError: where there is none.
        """
        found = self.sandbox.client().v1.subscriptions.list(
            {"customer": self.stripe_id, "status": "all", "limit": 1}
        )

        if not found.data:
            raise SandboxError(
                f"{self!r} has no subscription. Give them one with subscribe(), or buy one."
            )

        return found.data[0]

    def _row(self) -> Customer:
        found: Customer | None = state().db.session.get(Customer, self.id)

        if found is None:
            raise SandboxError(f"The app has no {self!r} any more: its row was deleted.")

        return found

    def _save_card(self, card: str) -> None:
        client = self.sandbox.client()
        method = _payment_method(client, card)
        client.v1.payment_methods.attach(method, {"customer": self.stripe_id})
        client.v1.customers.update(
            self.stripe_id, {"invoice_settings": {"default_payment_method": method}}
        )

        for running in client.v1.subscriptions.list({"customer": self.stripe_id}).data:
            # Checkout gives a subscription a card of its own, which goes before the customer's.
            if running.default_payment_method is not None:
                client.v1.subscriptions.update(running.id, {"default_payment_method": method})


def _payment_method(client: stripe.StripeClient, card: str) -> str:
    if card.startswith("pm_"):
        return client.v1.payment_methods.retrieve(card).id

    params: PaymentMethodCreateParams = {
        "type": "card",
        # A number goes to Stripe from a browser, so the SDK's types have none.
        "card": t.cast(
            "PaymentMethodCreateParamsCard",
            {"number": card, "exp_month": 12, "exp_year": 2034, "cvc": "123"},
        ),
    }
    return client.v1.payment_methods.create(params).id


def _missing(
    usage: metering.Usage, quantity: int | None, percent: int | None, left: int | None
) -> int:
    if [quantity, percent, left].count(None) != 2:
        raise TypeError("use() takes one of quantity, percent and left.")

    if quantity is not None:
        return quantity

    if usage.limit is None:
        raise SandboxError(f"{usage.meter} is unlimited, so there is no share of it to use.")

    target = usage.limit - left if left is not None else -(-usage.limit * (percent or 0) // 100)

    if target < usage.used:
        raise SandboxError(f"{usage.used} of {usage.limit} {usage.meter} are used already.")

    return target - usage.used


def _forget_other_sandbox(client: stripe.StripeClient, customer: Customer) -> None:
    """Unlink a customer of another test's sandbox, in a database that was kept."""
    import stripe

    if customer.stripe_id is None:
        return

    try:
        client.v1.customers.retrieve(customer.stripe_id)
    except stripe.InvalidRequestError:
        with committed(_ACTION) as connection:
            connection.execute(
                sa.update(Customer).where(Customer.id == customer.id).values(stripe_id=None)
            )

        state().db.session.refresh(customer)
