"""Metered items: what was used in a period, as a line or as an amount that waits."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import invoice_items, lines, metering, pricing
from flask_billing.sandbox.engine import subscriptions as shape


def quantity(account: Account, subscription: Body, price: Body, period: tuple[int, int]) -> int:
    """What the customer used of a metered price's meter."""
    meter = account.get("billing.meter", price["recurring"]["meter"])
    if meter is None:
        return 0
    # More taken back than reported is billed as nothing.
    return max(int(metering.usage(account, meter, subscription["customer"], *period)), 0)


def line(
    account: Account, subscription: Body, item: Body, price: Body, period: tuple[int, int]
) -> Body:
    """The invoice line of a metered item for a period that is over."""
    used = quantity(account, subscription, price, period)
    return lines.period_line(account, item, price, used, period)


def wait_for_invoice(
    account: Account, subscription: Body, item: Body, period: tuple[int, int]
) -> None:
    """Keep what was used so far for the next invoice, if the item is metered."""
    price = shape.price_of(account, item)
    if not shape.is_metered(price):
        return
    used = quantity(account, subscription, price, period)
    customer = account.get("customer", subscription["customer"])
    assert customer is not None
    if used:
        pending = invoice_items.new_invoice_item(
            account,
            customer,
            price=price,
            amount=pricing.amount(price, used),
            currency=price["currency"],
            quantity=used,
            description=pricing.description(account, price, used),
            subscription=subscription["id"],
            period=period,
        )
        account.emit("invoiceitem.created", pending)
