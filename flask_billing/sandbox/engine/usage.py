"""Metered items: what was used, in lines once a period is over, or as amounts that wait.

Usage is never prorated. In flexible billing mode what was used so far is billed at the old price
when an item's price changes or the item goes; in classic mode it is not.
"""

from __future__ import annotations

import typing

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import draft_lines, invoice_items, lines, metering, pricing
from flask_billing.sandbox.engine import subscriptions as shape

if typing.TYPE_CHECKING:
    from flask_billing.sandbox.engine.changes import Change

Period = tuple[int, int]


def quantity(account: Account, subscription: Body, price: Body, period: Period) -> int:
    """What the customer used of a metered price's meter."""
    meter = account.get("billing.meter", price["recurring"]["meter"])
    if meter is None:
        return 0
    # More taken back than reported is billed as nothing.
    return max(int(metering.usage(account, meter, subscription["customer"], *period)), 0)


def lines_of(
    account: Account, subscription: Body, item: Body, price: Body, period: Period
) -> list[Body]:
    """The invoice lines of a metered item for a period that is over."""
    start, end = _unbilled(item, period)
    if start >= end:
        return []
    used = quantity(account, subscription, price, (start, end))
    return lines.period_lines(account, item, price, used, (start, end))


def opening_lines(
    account: Account, subscription: Body, item: Body, price: Body, period: Period
) -> list[Body]:
    """What the first invoice says of a metered item: nothing, but in classic mode a line of 0."""
    if subscription["billing_mode"]["type"] == "flexible":
        return []
    if subscription["status"] == "trialing":
        return [lines.trial_line(account, item, price, period)]
    found = lines.period_lines(account, item, price, 0, period)[:1]
    found[0]["amount"] = found[0]["subtotal"] = 0
    return found


def wait_for_invoice(
    account: Account, subscription: Body, item: Body, period: Period
) -> list[Body]:
    """Keep what was used in a period for the next invoice, if the item is metered."""
    price = shape.price_of(account, item)
    start, end = _unbilled(item, period)
    if not shape.is_metered(price) or start >= end:
        return []
    used = quantity(account, subscription, price, (start, end))
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    found = [
        invoice_items.new_invoice_item(
            account,
            customer,
            price=price,
            amount=part.amount,
            currency=price["currency"],
            quantity=part.quantity,
            description=pricing.description(account, price, part),
            subscription=subscription["id"],
            period=(start, end),
            unit_amount=f"{part.each.normalize():f}",
        )
        for part in pricing.parts(price, used)
        if part.quantity or part.amount
    ]
    for pending in found:
        account.emit("invoiceitem.created", pending)
    return found


def bill_ended(
    account: Account,
    subscription: Body,
    changes: list[Change],
    *,
    new_period: bool = False,
    billed: bool = True,
) -> list[Body]:
    """Let what was used of the items that change their price or go wait for an invoice.

    What is used from now on is the new items'. Where a ``new_period`` starts for the whole
    subscription, that is so in classic mode too. Not ``billed`` is what goes by a proration
    behavior of none (docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup).
    """
    found = []
    ends = new_period or subscription["billing_mode"]["type"] == "flexible"
    for change in changes:
        before, after = change.before, change.after
        if before and after and before["price"] == after["price"]:
            continue
        if before is not None and ends and billed:
            period = (before["current_period_start"], account.now)
            found += wait_for_invoice(account, subscription, before, period)
        if after is not None and (before is None or ends):
            after.setdefault("_", {})["usage_from"] = account.now
    return found


def go_on_counting(account: Account, draft: Body) -> None:
    """Remember which lines of a draft are usage, which may still be reported for its period."""
    counted: list[Body] = []
    for line in draft["lines"]["data"]:
        details = line["parent"]["subscription_item_details"]
        if not details or details["proration"]:
            continue
        price = account.anything(line["pricing"]["price_details"]["price"])
        if price is not None and shape.is_metered(price):
            entry = {"item": details["subscription_item"], "period": line["period"]}
            counted += [] if entry in counted else [entry]
    if counted:
        draft["_"]["usage"] = counted


def count_again(account: Account, draft: Body) -> None:
    """Bring the usage lines of a draft up to what was reported meanwhile."""
    for entry in draft["_"].pop("usage", []):
        held = [line for line in draft["lines"]["data"] if _is_of(line, entry)]
        if not held:
            continue
        details = held[0]["parent"]["subscription_item_details"]
        subscription = account.get("subscription", details["subscription"])
        price = account.anything(held[0]["pricing"]["price_details"]["price"])
        if subscription is None or price is None:
            continue
        period = (entry["period"]["start"], entry["period"]["end"])
        used = quantity(account, subscription, price, period)
        if used == sum(line["quantity"] for line in held):
            continue
        item = {
            "id": entry["item"],
            "subscription": subscription["id"],
            "metadata": held[0]["metadata"],
        }
        with draft_lines.recalculated(account, draft) as every:
            at = every.index(held[0])
            rest = [line for line in every if line not in held]
            rest[at:at] = lines.period_lines(account, item, price, used, period)
            every[:] = rest


def _is_of(line: Body, entry: Body) -> bool:
    details = line["parent"]["subscription_item_details"]
    return bool(
        details
        and details["subscription_item"] == entry["item"]
        and not details["proration"]
        and line["period"] == entry["period"]
    )


def _unbilled(item: Body, period: Period) -> Period:
    """A period from where the item's usage is its own, and was not billed before."""
    return max(period[0], item.get("_", {}).get("usage_from", 0)), period[1]
