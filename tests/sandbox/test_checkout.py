"""Checkout Sessions and what a person does on them."""

from __future__ import annotations

import typing as t

import pytest
import stripe

from flask_billing.sandbox import CardDeclinedError, Sandbox
from flask_billing.sandbox.errors import ApiError

from .conftest import START, Shop


def test_a_paid_session_starts_the_subscription(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer(card=None)
    session = shop.checkout(
        customer,
        client_reference_id="team:7",
        subscription_data={"metadata": {"plan": "pro"}},
    )
    outcome = sandbox.checkout(session).pay("4242 4242 4242 4242")
    assert outcome.redirect == f"https://app.example/done?session={session}"
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["subscription"]})
    assert (done.status, done.payment_status, done.url) == ("complete", "paid", None)
    assert done.client_reference_id == "team:7"
    subscription = done.subscription
    assert isinstance(subscription, stripe.Subscription)
    assert subscription.status == "active"
    assert subscription.metadata.to_dict() == {"plan": "pro"}
    assert subscription.default_payment_method is not None
    retrieved = client.v1.customers.retrieve(customer)
    assert retrieved.invoice_settings is not None
    assert retrieved.invoice_settings.default_payment_method is None


def test_the_completion_is_the_last_event(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.checkout(shop.checkout(shop.customer(card=None))).pay()
    types = [event["type"] for event in sandbox.events()]
    assert types[types.index("payment_method.attached") :] == [
        "payment_method.attached",
        "customer.subscription.created",
        "customer.updated",
        "invoice.created",
        "payment_intent.created",
        "invoice.finalized",
        "charge.succeeded",
        "payment_intent.succeeded",
        "invoice_payment.paid",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "checkout.session.completed",
    ]
    created = sandbox.events("customer.subscription.created")[0]["data"]["object"]
    assert created["status"] == "active"
    assert sandbox.events("checkout.session.completed")[0]["request"]["id"] is None


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("4000000000000002", "card_declined"),
        ("4000000000009995", "card_declined"),
        ("4000000000000069", "expired_card"),
        ("4242424242424241", "incorrect_number"),
        ("4000000000000341", "card_declined"),
        ("4000000000000127", "incorrect_cvc"),
        ("4111111111111111", "card_declined"),
    ],
)
def test_a_refused_card_leaves_the_session_open(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, card: str, code: str
) -> None:
    customer = shop.customer(card=None)
    session = shop.checkout(customer)
    with pytest.raises(CardDeclinedError) as caught:
        sandbox.checkout(session).pay(card)
    assert caught.value.code == code
    assert client.v1.checkout.sessions.retrieve(session).status == "open"
    assert client.v1.subscriptions.list({"customer": customer, "status": "all"}).data == []
    assert sandbox.checkout(session).pay().status == "complete"


def test_three_d_secure(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    customer = shop.customer(card=None)
    person = sandbox.checkout(shop.checkout(customer))
    assert person.pay("4000002760003184").status == "challenge"
    assert client.v1.subscriptions.list({"customer": customer}).data == []
    with pytest.raises(CardDeclinedError, match="unable to authenticate"):
        person.authenticate(success=False)
    assert person.pay("4000002760003184").status == "challenge"
    assert person.authenticate().status == "complete"
    assert client.v1.subscriptions.list({"customer": customer}).data[0].status == "active"


def test_a_challenged_card_may_be_declined_after_it(shop: Shop, sandbox: Sandbox) -> None:
    person = sandbox.checkout(shop.checkout(shop.customer(card=None)))
    assert person.pay("4000008400001629").status == "challenge"
    with pytest.raises(CardDeclinedError):
        person.authenticate()


def test_a_trial_costs_nothing_now(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(shop.customer(card=None), subscription_data={"trial_period_days": 14})
    assert client.v1.checkout.sessions.retrieve(session).amount_total == 0
    sandbox.checkout(session).pay("4000000000000341")
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["subscription", "invoice"]})
    assert done.payment_status == "no_payment_required"
    assert done.subscription.status == "trialing"  # type: ignore[union-attr]
    assert done.invoice.total == 0  # type: ignore[union-attr]


def test_a_new_customer_is_made_when_there_is_none(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(None, customer_email="grace@example.com")
    sandbox.checkout(session).pay(email="grace@example.com")
    customer = client.v1.checkout.sessions.retrieve(session).customer
    assert client.v1.customers.retrieve(str(customer)).email == "grace@example.com"


def test_a_promotion_code_lowers_the_price(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    coupon = client.v1.coupons.create(
        {"percent_off": 20, "duration": "repeating", "duration_in_months": 3}
    )
    client.v1.promotion_codes.create(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "SAVE20"}
    )
    session = shop.checkout(shop.customer(card=None), allow_promotion_codes=True)
    sandbox.checkout(session).pay(promotion_code="save20")
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["subscription", "invoice"]})
    assert done.amount_total == done.invoice.total == 2000  # type: ignore[union-attr]
    assert len(done.subscription.discounts) == 1  # type: ignore[union-attr]


def test_setup_saves_a_card_and_sets_no_default(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer(card=None)
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": customer,
            "currency": "usd",
            "success_url": "https://app.example/",
        }
    )
    person = sandbox.checkout(session.id)
    assert person.pay("4000002500003155").status == "challenge"
    person.authenticate()
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    card = done.setup_intent.payment_method  # type: ignore[union-attr]
    assert client.v1.payment_methods.retrieve(str(card)).customer == customer


def test_payment_mode_charges_once(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    price = client.v1.prices.create(
        {"product": shop.product, "currency": "usd", "unit_amount": 1500}
    )
    session = client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": shop.customer(card=None),
            "line_items": [{"price": price.id, "quantity": 2}],
            "success_url": "https://app.example/",
        }
    )
    sandbox.checkout(session.id).pay()
    done = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert done.payment_intent.amount_received == 3000  # type: ignore[union-attr]


def test_an_expired_session_cannot_be_paid(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(shop.customer(card=None))
    client.v1.checkout.sessions.expire(session)
    with pytest.raises(stripe.InvalidRequestError, match="has a status of `expired`"):
        client.v1.checkout.sessions.expire(session)
    later = shop.checkout(shop.customer(card=None))
    sandbox.clock.advance(hours=25)
    assert client.v1.checkout.sessions.retrieve(later).status == "expired"
    assert len(sandbox.events("checkout.session.expired")) == 2
    listed = client.v1.checkout.sessions.list({"status": "expired"})
    assert {one.id for one in listed.data} == {session, later}


def test_an_abandoned_session_stays_open(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(shop.customer(card=None))
    assert sandbox.checkout(session).abandon().redirect == "https://app.example/pricing"
    assert client.v1.checkout.sessions.retrieve(session).status == "open"


START_AT = int(START.timestamp())


@pytest.mark.parametrize(
    ("more", "status", "param", "message"),
    [
        ({"mode": None}, 400, "mode", "Missing required param"),
        ({"mode": "rent"}, 400, "mode", "must be one of"),
        ({"line_items": []}, 400, "line_items", "Missing required param"),
        ({"mode": "payment"}, 400, "line_items[0]", "passed a recurring price"),
        ({"mode": "setup"}, 400, "line_items", "in `setup` mode"),
        ({"line_items": [{"quantity": 1}]}, 400, "line_items[0][price]", "Missing required"),
        ({"line_items": [{"price": "x", "quantity": 1}]}, 400, "line_items[0][price]", "No such"),
        ({"customer": "cus_x"}, 400, "customer", "No such customer"),
        ({"customer_email": "a@b.c"}, 400, "customer_email", "only specify one"),
        ({"customer": None, "customer_email": "nobody"}, 400, "customer_email", "Invalid email"),
        ({"customer": None, "customer_update": {"name": "auto"}}, 400, "customer_update", "only"),
        ({"tax_id_collection": {"enabled": True}}, 400, "tax_id_collection", "customer_update"),
        (
            {"discounts": [{"coupon": "x"}], "allow_promotion_codes": True},
            400,
            "discounts",
            "only specify one",
        ),
        ({"discounts": [{"coupon": "x"}]}, 400, "discounts[0][coupon]", "No such coupon"),
        ({"discounts": [{"coupon": "x"}] * 2}, 400, "discounts", "one discount"),
        ({"expires_at": START_AT + 60}, 400, "expires_at", "between 30 minutes and 24 hours"),
        ({"expires_at": START_AT + 90_000}, 400, "expires_at", "between 30 minutes and 24 hours"),
        ({"payment_method_types": ["card"]}, 400, "payment_method_types", "unknown parameter"),
        ({"success_url": None}, 400, "success_url", "Missing required param"),
        ({"success_url": "done"}, 400, "success_url", "Not a valid URL"),
        ({"cancel_url": "javascript:alert(1)"}, 400, "cancel_url", "Not a valid URL"),
        ({"return_url": "https://a.b/"}, 400, "return_url", "ui_mode=hosted_page"),
        ({"ui_mode": "embedded_page"}, 400, "success_url", "ui_mode=embedded_page"),
        ({"ui_mode": "elements"}, 404, "ui_mode", "sandbox does not know"),
        ({"currency": "eur"}, 400, "currency", "None of the prices"),
        ({"client_reference_id": "x" * 201}, 400, "client_reference_id", "at most 200"),
        ({"payment_intent_data": {"description": "x"}}, 400, "payment_intent_data", "subscription"),
        ({"shipping_options": [{"shipping_rate": "x"}]}, 404, "shipping_options", "sandbox"),
        (
            {"subscription_data": {"trial_end": START_AT + 3_600}},
            400,
            "subscription_data[trial_end]",
            "at least 2 days",
        ),
        (
            {"subscription_data": {"trial_period_days": 0}},
            400,
            "subscription_data[trial_period_days]",
            "greater than or equal to 1",
        ),
        (
            {"subscription_data": {"trial_period_days": 3, "trial_end": START_AT + 259_200}},
            400,
            "subscription_data[trial_end]",
            "only specify one",
        ),
    ],
)
def test_sessions_that_make_no_sense(
    client: stripe.StripeClient,
    shop: Shop,
    more: dict[str, object],
    status: int,
    param: str,
    message: str,
) -> None:
    asked: dict[str, t.Any] = {"customer": shop.customer(card=None), **more}
    with pytest.raises(stripe.InvalidRequestError, match=message) as caught:
        shop.checkout(**asked)
    assert (caught.value.http_status, caught.value.param) == (status, param)
    assert client.v1.checkout.sessions.list().data == []


def test_an_embedded_page_has_a_secret_and_no_address(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    embedded: dict[str, t.Any] = {
        "ui_mode": "embedded_page",
        "success_url": None,
        "cancel_url": None,
    }
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        shop.checkout(None, **embedded)
    back = "https://app.example/done?session={CHECKOUT_SESSION_ID}"
    session = shop.checkout(None, **embedded, return_url=back)
    opened = client.v1.checkout.sessions.retrieve(session)
    assert (opened.url, opened.return_url, opened.success_url) == (None, back, None)
    assert str(opened.client_secret).startswith(f"{session}_secret_")
    outcome = sandbox.checkout(session).pay()
    assert outcome.redirect == f"https://app.example/done?session={session}"


def test_only_what_is_sold_can_be_bought(client: stripe.StripeClient, shop: Shop) -> None:
    client.v1.products.update(shop.product, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="marked as inactive"):
        shop.checkout(shop.customer(card=None))
    client.v1.prices.update(shop.team, {"active": False})
    with pytest.raises(stripe.InvalidRequestError, match="price specified is inactive"):
        shop.checkout(None, line_items=[{"price": shop.team, "quantity": 1}])


def test_a_payment_carries_what_it_was_given(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    def pay_for(amount: int, **more: object) -> str:
        data = {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Mug"}}
        lines = [{"price_data": data, "quantity": 1}]
        return shop.checkout(None, mode="payment", line_items=lines, **more)

    with pytest.raises(stripe.InvalidRequestError, match=r"at least \$0.50 usd") as caught:
        pay_for(49)
    assert caught.value.code == "amount_too_small"
    session = pay_for(
        900,
        customer_creation="always",
        payment_intent_data={
            "metadata": {"order": "7"},
            "description": "A mug",
            "setup_future_usage": "off_session",
        },
    )
    sandbox.checkout(session).pay()
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["payment_intent"]})
    intent = done.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.description, intent.amount_received) == ("A mug", 900)
    assert intent.metadata is not None
    assert intent.metadata.to_dict() == {"order": "7"}
    saved = client.v1.customers.payment_methods.list(str(done.customer)).data
    assert [card.id for card in saved] == [intent.payment_method]
    listed = client.v1.checkout.sessions.list({"payment_intent": intent.id}).data
    assert [one.id for one in listed] == [session]


def test_sessions_are_listed(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    customer = shop.customer(card=None)
    paid, waiting = shop.checkout(customer), shop.checkout(customer)
    shop.checkout(None, customer_email="grace@example.com")
    sandbox.checkout(paid).pay()
    subscription = client.v1.checkout.sessions.retrieve(paid).subscription

    def ids(**params: t.Any) -> list[str]:
        return [one.id for one in client.v1.checkout.sessions.list(t.cast(t.Any, params)).data]

    assert ids(customer=customer) == [waiting, paid]
    assert ids(customer=customer, status="open") == [waiting]
    assert ids(subscription=subscription) == [paid]
    assert len(ids(customer_details={"email": "grace@example.com"})) == 1
    with pytest.raises(stripe.InvalidRequestError, match="must be one of"):
        ids(status="lost")


def test_an_hour_is_enough(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> None:
    session = shop.checkout(shop.customer(card=None), expires_at=START_AT + 3_600)
    sandbox.clock.advance(minutes=59)
    assert client.v1.checkout.sessions.retrieve(session).status == "open"
    sandbox.clock.advance(minutes=1)
    expired = client.v1.checkout.sessions.retrieve(session)
    assert (expired.status, expired.url) == ("expired", None)


def test_no_card_is_wanted_where_nothing_is_due(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(
        shop.customer(card=None),
        payment_method_collection="if_required",
        subscription_data={
            "trial_period_days": 7,
            "trial_settings": {"end_behavior": {"missing_payment_method": "cancel"}},
        },
    )
    sandbox.checkout(session).pay(card="")
    done = client.v1.checkout.sessions.retrieve(session, {"expand": ["subscription"]})
    subscription = done.subscription
    assert isinstance(subscription, stripe.Subscription)
    assert (subscription.status, subscription.default_payment_method) == ("trialing", None)
    assert done.payment_status == "no_payment_required"
    sandbox.clock.advance(days=8)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "canceled"


def test_the_customer_may_be_gone(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    customer = shop.customer(card=None)
    session = shop.checkout(customer)
    client.v1.customers.delete(customer)
    with pytest.raises(ApiError, match="No such customer"):
        sandbox.checkout(session).pay()
    assert client.v1.customers.list().data == []


def test_metadata_is_all_that_changes(client: stripe.StripeClient, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None), metadata={"a": "1"})
    changed = client.v1.checkout.sessions.update(session, {"metadata": {"b": "2"}})
    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    with pytest.raises(stripe.InvalidRequestError, match="No such checkout"):
        client.v1.checkout.sessions.retrieve("cs_test_x")


def test_line_items_are_listed(client: stripe.StripeClient, shop: Shop) -> None:
    session = shop.checkout(shop.customer(card=None))
    lines = client.v1.checkout.sessions.line_items.list(session)
    assert lines.data[0].price is not None
    assert (lines.data[0].description, lines.data[0].price.id) == ("Pro", shop.month)
    expanded = client.v1.checkout.sessions.retrieve(session, {"expand": ["line_items"]})
    assert expanded.line_items is not None
    assert expanded.line_items.data[0].amount_total == 2500


@pytest.mark.parametrize(("success", "status"), [(True, "active"), (False, "past_due")])
def test_a_bank_debit_stays_processing(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, success: bool, status: str
) -> None:
    session = shop.checkout(shop.customer(card=None))
    person = sandbox.checkout(session)
    assert person.pay_by_bank().status == "complete"
    processing = client.v1.checkout.sessions.retrieve(session, {"expand": ["invoice"]})
    assert (processing.status, processing.payment_status) == ("complete", "unpaid")
    assert processing.invoice.status == "open"  # type: ignore[union-attr]
    subscription = client.v1.subscriptions.retrieve(str(processing.subscription))
    assert subscription.status == "active"
    person.settle(success=success)
    settled = client.v1.checkout.sessions.retrieve(session)
    assert settled.payment_status == ("paid" if success else "unpaid")
    assert client.v1.subscriptions.retrieve(subscription.id).status == status
    outcome = "succeeded" if success else "failed"
    assert len(sandbox.events(f"checkout.session.async_payment_{outcome}")) == 1


def test_a_bank_debit_settles_by_itself(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    session = shop.checkout(shop.customer(card=None))
    sandbox.checkout(session).pay_by_bank(fails=True)
    sandbox.clock.advance(days=4)
    assert sandbox.events("checkout.session.async_payment_failed")
