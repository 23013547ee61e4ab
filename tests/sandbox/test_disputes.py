"""Disputes: the bank takes a charge back."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.sandbox import Sandbox

from .conftest import Shop

CARD = "pm_card_createDispute"
KINDS = (
    "charge.dispute.created",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_reinstated",
)


def disputed(client: stripe.StripeClient, shop: Shop, sandbox: Sandbox) -> stripe.Dispute:
    """The dispute of a first month."""
    customer = shop.customer(CARD)
    assert client.v1.subscriptions.retrieve(shop.subscribe(customer)).status == "active"
    assert client.v1.disputes.list().data == []
    sandbox.clock.advance(minutes=1)
    return client.v1.disputes.list({"expand": ["data.charge"]}).data[0]


def kinds(sandbox: Sandbox) -> list[str]:
    """What was announced of disputes, oldest first."""
    return [event["type"] for event in sandbox.events() if event["type"] in KINDS]


def test_a_card_disputes_what_it_paid(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    dispute = disputed(client, shop, sandbox)
    charge = dispute.charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.disputed, charge.paid, charge.refunded) == (True, True, False)
    assert (dispute.amount, dispute.currency) == (2500, "usd")
    assert (dispute.reason, dispute.status) == ("fraudulent", "needs_response")
    assert [(one.amount, one.fee, one.net) for one in dispute.balance_transactions] == [
        (-2500, 1500, -4000)
    ]
    assert dispute.evidence_details.due_by == 1_770_681_599
    assert kinds(sandbox) == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    created = sandbox.events("charge.dispute.created")[0]["data"]["object"]
    assert (created["id"], created["charge"]) == (dispute.id, charge.id)
    listed = client.v1.disputes.list({"charge": charge.id}).data
    assert [one.id for one in listed] == [dispute.id]
    assert client.v1.disputes.list({"payment_intent": "pi_other"}).data == []

    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": charge.id})

    assert caught.value.code == "charge_disputed"


def test_what_was_held_is_disputed_when_it_is_captured(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    held = client.v1.payment_intents.create(
        {
            "amount": 2900,
            "currency": "usd",
            "customer": shop.customer(CARD),
            "payment_method": CARD,
            "confirm": True,
            "capture_method": "manual",
            "return_url": "https://app.example/paid",
        }
    )
    sandbox.clock.advance(days=1)
    assert client.v1.disputes.list().data == []
    client.v1.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    sandbox.clock.advance(minutes=1)
    assert [one.amount for one in client.v1.disputes.list({"payment_intent": held.id}).data] == [
        1000
    ]


def test_what_was_given_back_is_not_disputed(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    shop.subscribe(shop.customer(CARD))
    client.v1.refunds.create({"charge": client.v1.charges.list().data[0].id})
    sandbox.clock.advance(minutes=1)
    assert client.v1.disputes.list().data == []


@pytest.mark.parametrize(
    ("text", "status", "left"),
    [("winning_evidence", "won", -1500), ("losing_evidence", "lost", -4000)],
)
def test_evidence_decides(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox, text: str, status: str, left: int
) -> None:
    dispute = disputed(client, shop, sandbox)
    staged = client.v1.disputes.update(
        dispute.id, {"evidence": {"uncategorized_text": text}, "submit": False}
    )
    assert (staged.status, staged.evidence_details.has_evidence) == ("needs_response", True)
    sent = client.v1.disputes.update(dispute.id, {"submit": True, "metadata": {"by": "Ada"}})
    assert (sent.status, sent.evidence_details.submission_count) == (status, 1)
    assert sum(one.net for one in sent.balance_transactions) == left
    closed = ["charge.dispute.updated"] * 2 + ["charge.dispute.closed"]
    back = ["charge.dispute.funds_reinstated"] if status == "won" else []
    assert kinds(sandbox)[2:] == closed + back

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute.id)


def test_a_dispute_may_be_given_up(
    client: stripe.StripeClient, shop: Shop, sandbox: Sandbox
) -> None:
    dispute = disputed(client, shop, sandbox)
    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert kinds(sandbox)[2:] == ["charge.dispute.closed"]
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "late"}})
