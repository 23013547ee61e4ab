"""What no recording of the real API confirms, each item with where it comes from.

Everything else the sandbox does was seen in a recording or read in Stripe's own documentation.
When a recording settles an item, correct the behaviour and delete the item.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

#: Days after a failed renewal at which the payment is tried again.
RETRY_DAYS = (1, 3, 5, 7, 9, 11, 13, 14)

#: The same for an account that tries three times within a week.
THREE_RETRY_DAYS = (1, 3, 7)

#: Days before a renewal at which ``invoice.upcoming`` is sent.
UPCOMING_DAYS = 7

#: What a publishable key may do; an intent opens with its client secret.
PUBLISHABLE = frozenset(
    [
        ("POST", "v1/payment_methods"),
        ("GET", "v1/payment_intents/{id}"),
        ("POST", "v1/payment_intents/{id}/confirm"),
        ("GET", "v1/setup_intents/{id}"),
        ("POST", "v1/setup_intents/{id}/confirm"),
    ]
)

#: Seconds after each failed delivery of a webhook until the next, in test mode: three tries more
#: within a few hours.
WEBHOOK_RETRY_SECONDS = (300, 3_600, 3 * 3_600)

#: The same in live mode: longer and longer waits, over three days.
LIVE_WEBHOOK_RETRY_SECONDS = (300, 1_800, 7_200, 18_000, 36_000, *[43_200] * 4)

#: Seconds during which invalid meter events are collected for one report.
METER_VALIDATION_SECONDS = 60

#: Customers that a test clock takes.
TEST_CLOCK_CUSTOMERS = 3

#: Seconds after which an asynchronous capture has its balance transaction.
BOOKING_SECONDS = 5

#: Seconds after which the card 4000000000000259 disputes what it paid.
DISPUTE_SECONDS = 60

#: Days in which a dispute wants its evidence, and what it costs in the charge's minor units.
DISPUTE_DUE_DAYS, DISPUTE_FEE = 9, 1500

#: How far away the end of a trial must be that a Checkout Session starts.
CHECKOUT_TRIAL_SECONDS = 2 * 86_400

#: Off-session, a card that always wants authentication counts as refused for good.
CHALLENGE_IS_HARD_DECLINE = True


def discount_rounded(amount: Fraction) -> int:
    """Round a percentage of a line like a proration: to the nearest, ties toward minus infinity."""
    return ceil(amount - Fraction(1, 2))


def tax_rounded(amount: Fraction) -> int:
    """Round a line's tax to the nearest, ties away from zero: a credit undoes its charge."""
    whole = floor(abs(amount) + Fraction(1, 2))
    return whole if amount >= 0 else -whole


def quantity_before(name: str, quantity: int) -> str:
    """The product in the words of a proration line; recordings show a quantity of one only."""
    return name if quantity == 1 else f"{quantity} × {name}"


@dataclass(frozen=True)
class Inference:
    """A behaviour that was concluded, not recorded."""

    what: str
    source: str


INFERRED = (
    Inference(
        "A setup intent that is confirmed at once is announced as it ended, and its "
        "setup_intent.created comes before the card is attached.",
        "seen in event lists at 2020-08-27; none is newer",
    ),
    Inference(
        "Confirming an intent that allows redirects needs a return_url whatever the card, unless "
        "use_stripe_sdk says that Stripe.js handles them.",
        "errors quoted in public issues, 2024 and 2026",
    ),
    Inference(
        "The setup intent of a Checkout Session cannot be confirmed or canceled by itself, and is "
        "canceled when the session expires.",
        "reference of checkout.session.setup_intent; the words are ours",
    ),
    Inference(
        "A card is unchecked when made from a number, and checked when it is attached.",
        "a card created and one attached are recorded; the moment between is not",
    ),
    Inference(
        "A trial that Checkout starts ends CHECKOUT_TRIAL_SECONDS later at the earliest.",
        "reference of subscription_data.trial_end",
    ),
    Inference(
        "A portal configuration has off what it does not name, and a flow needs its feature on.",
        "one recorded configuration; reference of flow_data",
    ),
    Inference(
        "An empty string unsets email, name, phone and description of a customer, and the default "
        "payment method of its invoices or of one invoice.",
        "recorded of a subscription's default payment method alone; the SDK types all as strings",
    ),
    Inference(
        "Of a meter event only time and identifier are checked at once; meter, customer and value "
        "are reported after METER_VALIDATION_SECONDS, in words of ours.",
        "docs: error codes of v1.billing.meter.error_report_triggered and no_meter_found",
    ),
    Inference(
        "Event summaries by hour or day show windows without usage too, the newest first.",
        "no recording",
    ),
    Inference(
        "Events, payment intents and charges of customers on a test clock are created in real "
        "time.",
        "stripe-python issue 1183 for payments; reports of projects for events",
    ),
    Inference(
        "A test clock takes TEST_CLOCK_CUSTOMERS customers; the words of its refusals are ours.",
        "docs: limits of test clocks",
    ),
    Inference(
        "Deleting a test clock removes its customers and what is theirs without events of their "
        "own.",
        "docs: deletion removes the objects",
    ),
    Inference(
        "Smart Retries are eight tries within two weeks; their days are RETRY_DAYS.",
        "docs: Smart Retries default; Stripe chooses the days itself",
    ),
    Inference("invoice.upcoming comes UPCOMING_DAYS before a renewal.", "docs: account setting"),
    Inference(
        "A renewal that wants authentication emits invoice.payment_action_required and "
        "invoice.payment_failed, and is not retried with the same card.",
        "docs: declines that are not retried include authentication_required",
    ),
    Inference("Percentages of a line are rounded by discount_rounded.", "same rule as prorations"),
    Inference(
        "An invoice over nothing goes from draft to paid in one invoice.updated, before "
        "invoice.finalized.",
        "recorded at 2020-08-27 only",
    ),
    Inference(
        "A debt on the customer's balance is charged with the next invoice over more than nothing; "
        "one over nothing or less leaves it.",
        "docs: amount_due takes a positive starting balance into account",
    ),
    Inference(
        "Voiding an invoice gives back what it had used of the customer's balance, as "
        "unapplied_from_invoice.",
        "docs: types of balance transactions",
    ),
    Inference(
        "A refund emits charge.refunded, then refund.created. Capturing a part of what was held "
        "releases the rest without a refund; a hold that is canceled or runs out is refunded.",
        "docs: place a hold, refunds; no recording of their events",
    ),
    Inference(
        "Off session, or with error_on_requires_action, a payment that wants authentication is a "
        "402 authentication_required; the payment intent asks for another payment method.",
        "docs: off-session payments",
    ),
    Inference(
        "A dispute comes after DISPUTE_SECONDS, as needs_response over what was not refunded, with "
        "charge.dispute.created, then charge.dispute.funds_withdrawn; its fee and time are "
        "DISPUTE_FEE and DISPUTE_DUE_DAYS, and its charge cannot be refunded.",
        "docs: test cards, dispute events and fees; no recording. The words on closed ones are "
        "ours",
    ),
    Inference(
        "Evidence that says winning_evidence or losing_evidence decides a dispute as soon as it is "
        "sent.",
        "docs: evidence of disputes in test mode",
    ),
    Inference(
        "The balance transaction of an asynchronous capture comes after BOOKING_SECONDS, with "
        "charge.updated.",
        "recorded: null in the answer that creates the charge, and two seconds later",
    ),
    Inference(
        "A credit note over an amount has one custom line; invoice.updated and what it gives back "
        "come before credit_note.created. The words of its refusals are ours.",
        "docs: credit notes; one recording, without events",
    ),
    Inference(
        "A credit note that leaves nothing to pay closes its invoice like a payment elsewhere.",
        "docs: the invoice becomes paid",
    ),
    Inference(
        "customer.delinquent is set after invoice.payment_failed and invoice.overdue, and cleared "
        "after invoice.paid.",
        "docs: the field; not when its customer.updated comes",
    ),
    Inference(
        "A deleted draft lets go of the pending items it had taken; items made for it go with it.",
        "docs: deleting a draft; not said for items",
    ),
    Inference(
        "An invoice finalised by hand with auto_advance is charged an hour later.",
        "docs: automatic collection",
    ),
    Inference(
        "Tax of fixed rates is rounded line by line, by tax_rounded; exclusive tax is taken on "
        "what inclusive tax and discounts leave.",
        "docs: tax rates; total_taxes are the sums of the lines",
    ),
    Inference("Proration lines name a quantity as quantity_before does.", "docs examples"),
    Inference(
        "On subscription create, invoice.created shows the draft and no invoice.updated follows "
        "its finalisation.",
        "list of events in stripe-facts, section 2",
    ),
    Inference(
        "customer.subscription.created already says active when the first payment succeeds.",
        "seen at clover; older versions say incomplete first",
    ),
    Inference(
        "The card 4000000000003220 needs authentication until it was set up for later use.",
        "docs: test cards",
    ),
    Inference(
        "A pending update names its items as subscription_items with the new price, and expires "
        "after 23 hours with its invoice voided.",
        "docs: pending updates",
    ),
    Inference(
        "Detaching a card clears the customer's default, and leaves subscriptions alone.",
        "observed by projects; no recording",
    ),
    Inference(
        "A refused card on the hosted Checkout page leaves no subscription behind.",
        "docs: the subscription is created when the session completes",
    ),
    Inference(
        "Invoices of a subscription that ended stay open, with automatic collection off. So is its "
        "last one, of an end by its date or with invoice_now: a draft, which becomes final and is "
        "collected an hour after it may advance again.",
        "docs: cancelling sets auto_advance of open and draft invoices to false, and it can be "
        "resumed; three projects finalise or pay such drafts themselves, to charge usage",
    ),
    Inference(
        "While a bank debit for the first invoice is processing the subscription is active and the "
        "session unpaid; a failed debit makes it past due.",
        "docs: delayed notification payment methods",
    ),
    Inference(
        "A promotion code whose restrictions are not met is refused with "
        "promotion_code_not_first_time, promotion_code_minimum_not_met or "
        "promotion_code_customer_mismatch.",
        "docs: restrictions of promotion codes; the words and codes are ours",
    ),
    Inference(
        "A publishable key may do what PUBLISHABLE names and gets a 401 secret_key_required "
        "elsewhere.",
        "docs: what Stripe.js calls; error codes",
    ),
    Inference(
        "Permissions of restricted keys are named for the resource, with _read or _write; write "
        "includes read.",
        "errors quoted in public issues: rak_subscription_read",
    ),
    Inference(
        "Failed webhooks are tried again after WEBHOOK_RETRY_SECONDS, in live mode after "
        "LIVE_WEBHOOK_RETRY_SECONDS.",
        "docs: three times over a few hours in a sandbox, up to three days with exponential "
        "back-off in live mode; the waits themselves are nowhere said",
    ),
    Inference(
        "An event for an endpoint of another API version names that version; its object is "
        "rendered at the sandbox's own.",
        "simplified: the sandbox speaks one version",
    ),
    Inference(
        "A tax id is verified when time next passes; numbers ending in nine zeros, ones or twos "
        "are verified, unverified and pending, any other is verified.",
        "docs: magic tax ids in test mode",
    ),
    Inference(
        "The card 4100000000000019 can be saved; only its charges are blocked.",
        "docs: Radar judges payments",
    ),
    Inference(
        "The price made up for an invoice item's bare amount has an archived product of its own.",
        "recordings name its id only",
    ),
    Inference("Meter usage counts at once, not minutes later.", "simplified: no aggregation delay"),
    Inference(
        "Of a tiered price each tier that is reached has a line, and another for its flat fee; "
        "each is rounded by itself. The first tier is reached without any units.",
        "invoices of graduated metered prices at 2020-03-02 and 2022-08-01 show both; volume tiers "
        "are worded alike, and none newer is known",
    ),
    Inference(
        "Usage counts by its timestamp, also where the price of its item changed meanwhile: what "
        "came before is billed as items that wait, at the old price; by a proration_behavior of "
        "none it is not, but always where a phase of a schedule ends with the period.",
        "docs: flexible billing mode bills usage at the price when it was reported, and makes an "
        "invoice item for what is unbilled when a metered item is removed, unless by none; what "
        "phases do is not told",
    ),
    Inference(
        "In classic mode all usage of a period is billed at the price of its end, and an item that "
        "is removed bills none. A new item counts from its beginning on.",
        "docs: differences between the billing modes; reports of projects",
    ),
    Inference(
        "In flexible mode an invoice without any line is not made, and a metered item has none on "
        "the first invoice, in a trial neither.",
        "docs: zero-amount lines of usage-based items are suppressed; not said for trials",
    ),
    Inference(
        "Usage reported for the period of a draft is on it when it becomes final, in one "
        "invoice.updated before the others.",
        "docs: grace period of an hour; no recording of the events",
    ),
    Inference(
        "The preview of a subscription that is to end shows what its last invoice bills.",
        "no recording",
    ),
    Inference(
        "A schedule made from a subscription takes no other parameter, metadata neither, and has "
        "end_behavior=cancel if the subscription is to be canceled.",
        "reference of from_subscription; error texts quoted by projects",
    ),
    Inference(
        "A phase finds the items of a subscription by their price; other prices are new items.",
        "no recording",
    ),
    Inference(
        "A phase that names no discounts drops those of the subscription; a coupon that is "
        "redeemed already is not redeemed again.",
        "reference of phases.discounts",
    ),
    Inference(
        "The last phase of a request lasts one billing period if it does not say how long.",
        "Stripe's own example of migrating prices at the end of a period",
    ),
    Inference(
        "A phase with other billing intervals starts a period of its own, as with phase_start.",
        "reference of billing_cycle_anchor=automatic: modified as needed",
    ),
    Inference(
        "A schedule with end_behavior=release ends as released, one with cancel as completed.",
        "projects that change plans on subscription_schedule.released",
    ),
    Inference(
        "A direct change of a subscription is written into the current phase of its schedule.",
        "no recording",
    ),
    Inference(
        "Releasing takes back a cancellation the schedule has set, unless preserve_cancel_date.",
        "reference of preserve_cancel_date",
    ),
    Inference(
        "The first invoice of a subscription that a schedule starts is a draft for an hour.",
        "list of events in a project's tests at an older version",
    ),
    Inference(
        "A pending update ends with the period at the latest, and gives way to the next change.",
        "docs: pending updates",
    ),
    Inference(
        "Resuming drafts an invoice for a new period at once; it is collected an hour later, or "
        "in the request with resume_on_payment_success, which waits for its payment.",
        "reference of resume; no recording",
    ),
    Inference(
        "With an unchanged anchor a resumed item's period starts at the resumption.",
        "no recording",
    ),
    Inference("A paused subscription that changes its items bills nothing.", "no recording"),
    Inference(
        "A pause that is not possible answers 400 with a sentence of the sandbox's own.",
        "no recording",
    ),
    Inference(
        "An appointed end bills the usage of the last period and the items that wait.",
        "reference of cancel: prorations are collected at the end of the period",
    ),
    Inference(
        "Discounts that come, go or end emit customer.discount.created and .deleted.",
        "stripe-facts, section 2; no recording",
    ),
    Inference(
        "An end in the middle of a period credits the rest when it comes, unless "
        "proration_behavior=none was sent with it.",
        "reference of cancel_at",
    ),
    Inference(
        "A trial given in the middle of a period credits what remains of it.",
        "reference of proration_behavior: starting a trial",
    ),
    Inference(
        "While collection is paused, the invoice of a change goes the way of a renewal's.",
        "docs: pause payment collection",
    ),
    Inference(
        "Voiding the first invoice of an incomplete subscription ends it as incomplete_expired; "
        "voiding the invoice of a pending update ends that.",
        "docs: subscription statuses; pending updates",
    ),
    Inference(
        "A change that was refused under allow_incomplete is past due and tried again like a "
        "renewal.",
        "docs: payment_behavior",
    ),
    Inference(
        "A trial without a payment method has a pending_setup_intent, whose card becomes that of "
        "the subscription.",
        "reference of pending_setup_intent",
    ),
    Inference("Three retries are on the days THREE_RETRY_DAYS.", "docs: custom retry schedule"),
)
