"""What a change of items costs: credits for unused time, debits for the time that remains."""

from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.engine import discounts, items, lines, pricing, proration, taxes
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import invalid, missing_object
from flask_billing.sandbox.inferred import quantity_before


@dataclass(frozen=True)
class Change:
    """An item before and after; None where it did not exist."""

    before: Body | None
    after: Body | None

    @property
    def matters(self) -> bool:
        """Does it change what is charged?"""
        if self.before is None or self.after is None:
            return True
        return any(self.before[name] != self.after[name] for name in ("price", "quantity"))


def apply_items(account: Account, subscription: Body, asked: list[Body]) -> list[Change]:
    """Write the ``items`` parameter onto the subscription; what changed."""
    present: list[Body] = subscription["items"]["data"]
    changes = []
    for index, entry in enumerate(asked):
        where = f"items[{index}]"
        known = next((item for item in present if item["id"] == entry.get("id")), None)
        if entry.get("id") and known is None:
            raise missing_object("subscription item", entry["id"], f"{where}[id]", 400)
        if known is None:
            changes.append(Change(None, _added(account, subscription, entry, where)))
        elif entry.get("deleted"):
            present.remove(known)
            changes.append(Change(copy_of(known), None))
        else:
            before = copy_of(known)
            _changed(account, known, entry, where)
            changes.append(Change(before, known))
    if not present:
        raise invalid("A subscription must have at least one active item.", "items")
    items.refuse_twins(present)
    return changes


def _added(account: Account, subscription: Body, entry: Body, where: str) -> Body:
    price = items.asked_price(account, entry, where)
    items.check_currency(price, subscription["currency"], where)
    item = items.new_item(account, subscription, items.checked(account, entry, price, where))
    subscription["items"]["data"].append(item)
    return item


def _changed(account: Account, item: Body, entry: Body, where: str) -> None:
    price = shape.price_of(account, item)
    if entry.get("price") or entry.get("plan") or entry.get("price_data"):
        current = price["currency"]
        price = items.asked_price(account, entry, where)
        items.check_currency(price, current, where)
        item["price"] = price["id"]
        if "quantity" not in entry and not shape.is_metered(price):
            entry = {**entry, "quantity": item["quantity"] or 1}
    if "quantity" in entry or shape.is_metered(price):
        checked = items.checked(account, {**entry}, price, where)
        item["quantity"] = checked["quantity"]
    if "tax_rates" in entry:
        item["tax_rates"] = taxes.checked(account, entry["tax_rates"], f"{where}[tax_rates]")
    if "metadata" in entry:
        merged = {**item["metadata"], **(entry["metadata"] or {})}
        item["metadata"] = {k: v for k, v in merged.items() if v != ""}


def prorate(
    account: Account,
    subscription: Body,
    changes: list[Change],
    moment: int,
    *,
    debit: bool = True,
) -> list[Body]:
    """Pending invoice items for the changes, as of a moment inside the period.

    ``debit`` is False when the new period is charged as a whole, as after an anchor reset.
    """
    found = []
    for change in changes:
        if change.before is not None:
            found += credit(account, subscription, change.before, moment)
        if change.after is not None and debit:
            found += _debit(account, subscription, change.after, moment)
    for item in found:
        account.emit("invoiceitem.created", item)
    return found


def credit(account: Account, subscription: Body, item: Body, moment: int) -> list[Body]:
    """What was paid for an item's time after a moment, given back."""
    price = shape.price_of(account, item)
    if shape.is_metered(price):
        return []
    start, end = item["current_period_start"], item["current_period_end"]
    exact = pricing.exact_amount(price, item["quantity"])
    factor, credited = _debited_share(account, subscription, item)
    return [
        lines.proration_item(
            account,
            item,
            price,
            customer=subscription["customer"],
            amount=-proration.share(exact * factor, start, end, moment) if exact else 0,
            quantity=item["quantity"],
            description=_words(account, "Unused", price, item["quantity"], moment),
            period=(moment, end),
            credited=credited,
        )
    ]


def _debit(account: Account, subscription: Body, item: Body, moment: int) -> list[Body]:
    price = shape.price_of(account, item)
    if shape.is_metered(price):
        return []
    start, end = item["current_period_start"], item["current_period_end"]
    whole = shape.period_of(account, subscription, item, moment)
    exact = pricing.exact_amount(price, item["quantity"])
    factor = discounts.net_share(account, subscription["discounts"])
    return [
        lines.proration_item(
            account,
            item,
            price,
            customer=subscription["customer"],
            amount=proration.share(exact * factor, min(whole[0], start), end, moment),
            quantity=item["quantity"],
            description=_words(account, "Remaining", price, item["quantity"], moment),
            period=(moment, end),
        )
    ]


def _debited_share(
    account: Account, subscription: Body, item: Body
) -> tuple[Fraction, Body | None]:
    """How much of the full price was really charged for this period, and on which line."""
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    for invoice in account.find("invoice", parent=subscription["id"], newest_first=True):
        for line in invoice["lines"]["data"]:
            details = line["parent"]["subscription_item_details"]
            if (
                details
                and details["subscription_item"] == item["id"]
                and not details["proration"]
                and line["period"] == period
                and line["quantity"] == item["quantity"]
                and line["pricing"]["price_details"]["price"] == item["price"]
                and line["amount"]
            ):
                off = sum(entry["amount"] for entry in line["discount_amounts"])
                credited = {"invoice": invoice["id"], "invoice_line_items": [line["id"]]}
                return Fraction(line["amount"] - off, line["amount"]), credited
    return discounts.net_share(account, subscription["discounts"]), None


def _words(account: Account, kind: str, price: Body, quantity: int, moment: int) -> str:
    date = datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
    name = quantity_before(pricing.product_name(account, price), quantity)
    return f"{kind} time on {name} after {date}"
