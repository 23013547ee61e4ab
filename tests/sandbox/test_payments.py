"""Payments outside invoices: confirmed, held and captured, given back."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .books import assert_books_balance
from .conftest import Shop


def intent_for(
    client: stripe.StripeClient, customer: str, card: str = "pm_card_visa", **more: object
) -> stripe.PaymentIntent:
    """A confirmed payment intent over $29."""
    params: dict[str, object] = {
        "amount": 2900,
        "currency": "usd",
        "customer": customer,
        "payment_method": card,
        "confirm": True,
        "return_url": "https://app.example/paid",
        **more,
    }
    return client.v1.payment_intents.create(params)  # type: ignore[arg-type]


def charge_of(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> stripe.Charge:
    """The latest charge of a payment intent, with its refunds."""
    assert isinstance(intent.latest_charge, str)
    return client.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})


def test_a_payment_enters_the_books_a_moment_later(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    intent = intent_for(client, shop.customer(), expand=["latest_charge"])
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (intent.status, charge.captured, charge.balance_transaction) == ("succeeded", True, None)
    sandbox.clock.advance(seconds=5)
    later = client.v1.charges.retrieve(charge.id, {"expand": ["balance_transaction"]})
    assert isinstance(later.balance_transaction, stripe.BalanceTransaction)
    assert (later.balance_transaction.fee, later.balance_transaction.net) == (114, 2786)
    assert sandbox.events("charge.updated")[0]["data"]["previous_attributes"] == {
        "balance_transaction": None
    }


@pytest.mark.parametrize("amount", [2900, 1000])
def test_a_held_payment_is_captured(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, amount: int
) -> None:
    before = len(sandbox.events())
    held = intent_for(client, shop.customer(card=None), capture_method="manual")
    assert (held.status, held.amount_capturable, held.amount_received) == (
        "requires_capture",
        2900,
        0,
    )
    assert not charge_of(client, held).captured
    intent = client.v1.payment_intents.capture(held.id, {"amount_to_capture": amount})
    assert (intent.status, intent.amount_capturable, intent.amount_received) == (
        "succeeded",
        0,
        amount,
    )
    assert charge_of(client, intent).amount_captured == amount
    assert [event["type"] for event in sandbox.events()[before:]] == [
        "customer.created",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]
    assert_books_balance(client)
    with pytest.raises(stripe.InvalidRequestError, match="already been captured") as caught:
        client.v1.payment_intents.capture(held.id)
    assert caught.value.code == "payment_intent_unexpected_state"


def test_no_more_is_captured_than_was_held(client: stripe.StripeClient, shop: Shop) -> None:
    held = intent_for(client, shop.customer(), capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.capture(held.id, {"amount_to_capture": 2901})
    assert caught.value.code == "amount_too_large"
    assert client.v1.payment_intents.retrieve(held.id).amount_capturable == 2900


@pytest.mark.parametrize("how", ["canceled", "forgotten"])
def test_a_hold_that_is_not_captured_is_released(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, how: str
) -> None:
    held = intent_for(client, shop.customer(), capture_method="manual")
    if how == "canceled":
        client.v1.payment_intents.cancel(held.id, {"cancellation_reason": "abandoned"})
    else:
        sandbox.clock.advance(days=7)
    intent = client.v1.payment_intents.retrieve(held.id)
    assert (intent.status, intent.amount_capturable) == ("canceled", 0)
    assert intent.cancellation_reason == ("abandoned" if how == "canceled" else "automatic")
    charge = charge_of(client, intent)
    assert (charge.amount_captured, charge.refunded) == (0, True)
    assert len(sandbox.events("charge.expired")) == (how == "forgotten")
    assert_books_balance(client)


def test_refunds_add_up_until_nothing_is_left(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    intent = intent_for(client, shop.customer())
    charge = charge_of(client, intent)
    before = len(sandbox.events())
    first = client.v1.refunds.create(
        {"charge": charge.id, "amount": 1000, "reason": "requested_by_customer"}
    )
    assert (first.status, first.amount, first.reason) == (
        "succeeded",
        1000,
        "requested_by_customer",
    )
    events = sandbox.events()[before:]
    assert [event["type"] for event in events] == ["charge.refunded", "refund.created"]
    assert events[0]["data"]["previous_attributes"] == {"amount_refunded": 0}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id, "amount": 1901})
    assert str(caught.value.user_message) == (
        "Refund amount ($19.01) is greater than unrefunded amount on charge ($19.00)"
    )
    second = client.v1.refunds.create({"payment_intent": intent.id})
    assert second.amount == 1900
    refunded = charge_of(client, intent)
    assert (refunded.amount_refunded, refunded.refunded) == (2900, True)
    assert refunded.refunds is not None
    assert [one.id for one in refunded.refunds.data] == [second.id, first.id]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_already_refunded"
    assert_books_balance(client)


def test_refunds_are_listed_and_their_metadata_changed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    intent = intent_for(client, shop.customer())
    refund = client.v1.refunds.create({"payment_intent": intent.id, "metadata": {"ticket": "7"}})
    client.v1.refunds.update(refund.id, {"metadata": {"ticket": "8"}})
    (found,) = client.v1.refunds.list({"payment_intent": intent.id}).data
    assert found.to_dict()["metadata"] == {"ticket": "8"}
    previous = sandbox.events("refund.updated")[0]["data"]["previous_attributes"]
    assert previous == {"metadata": {"ticket": "7"}}


def test_there_must_be_something_to_refund(client: stripe.StripeClient, shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="One of the following params"):
        client.v1.refunds.create({"amount": 100})
    waiting = client.v1.payment_intents.create({"amount": 2900, "currency": "usd"})
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": waiting.id})


def test_a_challenge_on_session_redirects_and_off_session_is_refused(
    client: stripe.StripeClient, shop: Shop
) -> None:
    card = "pm_card_authenticationRequired"
    asked = intent_for(client, shop.customer(), card)
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.type == "redirect_to_url"
    with pytest.raises(stripe.CardError) as caught:
        intent_for(client, shop.customer(), card, off_session=True)
    assert caught.value.code == "authentication_required"
    refused = client.v1.payment_intents.list({"limit": 1}).data[0]
    assert refused.status == "requires_payment_method"


def test_a_confirmation_needs_somewhere_to_return_to(
    client: stripe.StripeClient, shop: Shop
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        intent_for(client, shop.customer(), return_url=None)
    never = {"enabled": True, "allow_redirects": "never"}
    paid = intent_for(client, shop.customer(), return_url=None, automatic_payment_methods=never)
    assert paid.status == "succeeded"


def test_a_card_of_somebody_else_does_not_pay(client: stripe.StripeClient, shop: Shop) -> None:
    other = client.v1.payment_methods.attach("pm_card_visa", {"customer": shop.customer()})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        intent_for(client, shop.customer(), other.id)
    assert caught.value.param == "payment_method"


@pytest.mark.parametrize(
    ("currency", "least"), [("usd", 50), ("gbp", 30), ("huf", 17_500), ("jpy", 50)]
)
def test_each_currency_has_a_smallest_charge(
    client: stripe.StripeClient, currency: str, least: int
) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="minimum charge amount"):
        client.v1.payment_intents.create({"amount": least - 1, "currency": currency})
    assert client.v1.payment_intents.create({"amount": least, "currency": currency}).id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_intents.create({"amount": 100_000_000, "currency": currency})
    assert caught.value.code == "amount_too_large"


def test_confirming_may_say_how_to_capture(client: stripe.StripeClient, shop: Shop) -> None:
    intent = client.v1.payment_intents.create({"amount": 2900, "currency": "usd"})
    held = client.v1.payment_intents.confirm(
        intent.id,
        {
            "payment_method": "pm_card_visa",
            "capture_method": "manual",
            "receipt_email": "ada@example.com",
            "return_url": "https://app.example/paid",
        },
    )
    assert (held.status, held.amount_received) == ("requires_capture", 0)
    assert (held.capture_method, held.receipt_email) == ("manual", "ada@example.com")
