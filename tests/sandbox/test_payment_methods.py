"""Cards: made from numbers and tokens, attached, changed, detached."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import Sandbox
from flask_billing.sandbox.cards import _CARDS

from .conftest import Shop

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}

#: Every row of section 7 of the fact sheet: token, last digits, what attaching it answers.
TOKENS = [
    ("pm_card_visa", "4242", None),
    ("pm_card_mastercard", "4444", None),
    ("pm_card_amex", "8431", None),
    ("pm_card_visa_chargeDeclined", "0002", "generic_decline"),
    ("pm_card_visa_chargeDeclinedInsufficientFunds", "9995", "insufficient_funds"),
    ("pm_card_visa_chargeDeclinedLostCard", "9987", "lost_card"),
    ("pm_card_visa_chargeDeclinedStolenCard", "9979", "stolen_card"),
    ("pm_card_chargeDeclinedExpiredCard", "0069", "expired_card"),
    ("pm_card_chargeDeclinedIncorrectCvc", "0127", "incorrect_cvc"),
    ("pm_card_chargeDeclinedProcessingError", "0119", "processing_error"),
    ("pm_card_visa_chargeDeclinedVelocityLimitExceeded", "6975", "card_velocity_exceeded"),
    ("pm_card_chargeCustomerFail", "0341", None),
    ("pm_card_authenticationRequiredOnSetup", "3155", None),
    ("pm_card_authenticationRequired", "3184", None),
    ("pm_card_authenticationRequiredSetupForOffSession", "0446", None),
    ("pm_card_threeDSecure2Required", "3220", None),
    ("pm_card_threeDSecureRequiredChargeDeclined", "1629", None),
    ("pm_card_cvcCheckFail", "0101", None),
    ("pm_card_radarBlock", "0019", None),
    ("pm_card_createDispute", "0259", None),
]


def card(client: stripe.StripeClient, **more: t.Any) -> stripe.PaymentMethod:
    params = {"type": "card", "card": {**CARD, **more}}
    return client.v1.payment_methods.create(t.cast(t.Any, params))


@pytest.mark.parametrize(("token", "last4", "decline"), TOKENS)
def test_every_test_card(
    client: stripe.StripeClient, shop: Shop, token: str, last4: str, decline: str | None
) -> None:
    customer = shop.customer(card=None)
    number = next(one.number for one in _CARDS if token.removeprefix("pm_card_") in one.tokens)
    made = card(client, number=number, cvc="1234" if "amex" in token else "123")
    for object_id in (token, made.id):
        if decline is None:
            attached = client.v1.payment_methods.attach(object_id, {"customer": customer})
            assert attached.card is not None
            assert (attached.customer, attached.card.last4) == (customer, last4)
            continue
        with pytest.raises(stripe.CardError) as caught:
            client.v1.payment_methods.attach(object_id, {"customer": customer})
        error = caught.value.error
        assert error is not None
        assert caught.value.http_status == 402
        assert decline in (error.decline_code, error.code)
    attached_now = client.v1.customers.payment_methods.list(customer).data
    assert len(attached_now) == (0 if decline else 2)


@pytest.mark.parametrize(
    ("details", "code", "param"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", "number"),
        ({"number": "4111111111111111"}, "card_declined", "number"),
        ({"number": "nope"}, "incorrect_number", "number"),
        ({"exp_month": 13}, "invalid_expiry_month", "exp_month"),
        ({"exp_year": 2020}, "invalid_expiry_year", "exp_year"),
        ({"cvc": "12"}, "invalid_cvc", "cvc"),
        ({"cvc": "1234"}, "invalid_cvc", "cvc"),
    ],
)
def test_cards_nobody_has(
    client: stripe.StripeClient, details: dict[str, t.Any], code: str, param: str
) -> None:
    with pytest.raises(stripe.CardError) as caught:
        card(client, **details)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("params", "status", "param"),
    [
        ({}, 400, "type"),
        ({"type": "card"}, 400, "card"),
        ({"type": "card", "card": {"number": "4242424242424242"}}, 400, "card[exp_month]"),
        ({"type": "card", "card": {"token": "tok_nope"}}, 400, "card[token]"),
        ({"type": "card", "card": {**CARD, "exp_month": "May"}}, 400, "card[exp_month]"),
        ({"type": "sepa_debit"}, 404, "type"),
        ({"type": "shells"}, 400, "type"),
        ({"payment_method": "pm_x"}, 404, "payment_method"),
    ],
)
def test_payment_methods_that_make_no_sense(
    client: stripe.StripeClient, params: dict[str, t.Any], status: int, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.payment_methods.create(t.cast(t.Any, params))
    assert (caught.value.http_status, caught.value.param) == (status, param)


def test_the_bank_checks_a_card_when_it_is_saved(client: stripe.StripeClient, shop: Shop) -> None:
    customer = shop.customer(card=None)
    made = client.v1.payment_methods.create(
        {
            "type": "card",
            "card": t.cast(t.Any, {**CARD, "exp_year": 34}),
            "billing_details": {"address": {"line1": "1 Main St", "postal_code": "94107"}},
            "metadata": {"a": "1"},
            "allow_redisplay": "always",
        }
    )
    assert made.card is not None
    assert made.card.exp_year == 2034
    assert made.metadata is not None
    assert made.metadata.to_dict() == {"a": "1"}
    checks = made.card.checks
    assert checks is not None
    assert set(checks.to_dict().values()) == {"unchecked"}
    attached = client.v1.payment_methods.attach(made.id, {"customer": customer})
    assert attached.card is not None
    assert attached.card.checks is not None
    assert set(attached.card.checks.to_dict().values()) == {"pass"}
    failing = card(client, number="4000000000000101")
    attached = client.v1.payment_methods.attach(failing.id, {"customer": customer})
    assert attached.card is not None
    assert attached.card.checks is not None
    assert attached.card.checks.cvc_check == "fail"


def test_a_token_is_a_card_too(client: stripe.StripeClient) -> None:
    made = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})
    assert made.card is not None
    assert (made.card.brand, made.card.last4) == ("mastercard", "4444")


def test_a_card_is_changed(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    made = card(client)
    with pytest.raises(stripe.InvalidRequestError, match="must save this PaymentMethod"):
        client.v1.payment_methods.update(made.id, {"card": {"exp_month": 1}})
    client.v1.payment_methods.attach(made.id, {"customer": shop.customer(card=None)})
    client.v1.payment_methods.update(
        made.id, {"billing_details": {"name": "Ada", "address": {"city": "Ely", "country": "GB"}}}
    )
    changed = client.v1.payment_methods.update(
        made.id,
        {
            "card": {"exp_month": 3, "exp_year": 2036},
            "billing_details": {"name": "", "address": {"city": "York"}},
        },
    )
    assert changed.card is not None
    assert (changed.card.exp_month, changed.card.exp_year) == (3, 2036)
    assert changed.billing_details.name is None
    address = changed.billing_details.address
    assert address is not None
    assert (address.city, address.country) == ("York", "GB")
    last = sandbox.events("payment_method.updated")[-1]
    assert last["data"]["previous_attributes"] == {
        "card": {"exp_month": 12, "exp_year": 2034},
        "billing_details": {"name": "Ada", "address": {"city": "Ely"}},
    }
    with pytest.raises(stripe.CardError) as caught:
        client.v1.payment_methods.update(made.id, {"card": {"exp_year": 2020}})
    assert caught.value.code == "invalid_expiry_year"


def test_a_card_belongs_to_one_customer(client: stripe.StripeClient, shop: Shop) -> None:
    mine, other = shop.customer(card=None), shop.customer(card=None)
    made = card(client)
    client.v1.payment_methods.attach(made.id, {"customer": mine})
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(made.id, {"customer": other})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.payment_methods.retrieve(other, made.id)
    assert caught.value.http_status == 404
    assert client.v1.customers.payment_methods.retrieve(mine, made.id).id == made.id


def test_attaching_needs_a_customer(client: stripe.StripeClient, shop: Shop) -> None:
    made = card(client)
    with pytest.raises(stripe.InvalidRequestError, match="Must provide customer"):
        client.v1.payment_methods.attach(made.id, {})
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as caught:
        client.v1.payment_methods.attach(made.id, {"customer": "cus_x"})
    assert caught.value.param == "customer"
    gone = shop.customer(card=None)
    client.v1.customers.delete(gone)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.payment_methods.attach(made.id, {"customer": gone})
    with pytest.raises(stripe.InvalidRequestError, match="detachment is impossible"):
        client.v1.payment_methods.detach(made.id)


def test_payment_methods_are_listed_by_customer_and_type(
    client: stripe.StripeClient, shop: Shop
) -> None:
    customer = shop.customer()
    client.v1.payment_methods.attach("pm_usBankAccount_success", {"customer": customer})
    kinds: tuple[tuple[t.Literal["card", "us_bank_account", "link"], int], ...] = (
        ("card", 1),
        ("us_bank_account", 1),
        ("link", 0),
    )
    for kind, number in kinds:
        for page in (
            client.v1.payment_methods.list({"customer": customer, "type": kind}),
            client.v1.customers.payment_methods.list(customer, {"type": kind}),
        ):
            assert [one.type for one in page.data] == [kind] * number
    assert client.v1.payment_methods.list({"type": "card"}).data == []
    bank = client.v1.payment_methods.list({"customer": customer, "type": "us_bank_account"}).data[0]
    with pytest.raises(stripe.InvalidRequestError, match="no `card`"):
        client.v1.payment_methods.update(bank.id, {"card": {"exp_month": 1}})
