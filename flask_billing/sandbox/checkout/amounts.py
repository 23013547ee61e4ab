"""What a Checkout Session comes to: its lines, trial, discount and tax."""

from __future__ import annotations

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import discounts, pricing, taxes
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.settings import DAY


def new_line(
    account: Account, price: Body, quantity: int | None, tax_rates: list[str] | None = None
) -> Body:
    """One line of a session, with tax rates of its own or those of the subscription."""
    amount = 0 if quantity is None else pricing.amount(price, quantity)
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": pricing.product_name(account, price),
        "metadata": {},
        "price": price["id"],
        "quantity": quantity,
        "_recurring": bool(price["recurring"]),
        "_tax_rates": tax_rates or [],
    }


def shown_lines(account: Account, session: Body) -> list[Body]:
    """The lines as the API shows them."""
    found = []
    for line in session["_"]["lines"]:
        price = account.anything(line["price"])
        assert price is not None
        visible = {name: value for name, value in line.items() if name[0] != "_"}
        found.append({**visible, "price": account.show(price)})
    return found


def trial_end(account: Account, session: Body) -> int | None:
    """When the trial ends that this session would start."""
    asked = session["_"]["subscription_data"]
    end: int | None = asked.get("trial_end")
    if asked.get("trial_period_days"):
        end = account.now + asked["trial_period_days"] * DAY
    return end


def due_now(account: Account, session: Body) -> int:
    """What a person pays at once: nothing for recurring prices during a trial."""
    if session["mode"] == "setup":
        return 0
    return int(session["amount_total"])


def add_up(account: Account, session: Body) -> None:
    """Write the amounts, with the trial and the discount taken into account."""
    if session["mode"] == "setup":
        return
    trialing = trial_end(account, session) is not None
    coupon = account.get("coupon", session["_"].get("coupon"))
    lines = session["_"]["lines"]
    for line in lines:
        price = account.anything(line["price"])
        assert price is not None
        free = line["quantity"] is None or (trialing and line["_recurring"])
        line["amount_subtotal"] = 0 if free else pricing.amount(price, line["quantity"])
        line["amount_discount"] = 0
    if coupon is not None:
        covered = [line for line in lines if _is_covered(account, coupon, line)]
        shares = discounts.shares(coupon, [line["amount_subtotal"] for line in covered])
        for line, share in zip(covered, shares, strict=True):
            line["amount_discount"] = share
    for line in lines:
        _tax(account, session, line)
    session["amount_subtotal"] = sum(line["amount_subtotal"] for line in lines)
    session["amount_total"] = sum(line["amount_total"] for line in lines)
    for name in ("amount_discount", "amount_tax"):
        session["total_details"][name] = sum(line[name] for line in lines)


def _tax(account: Account, session: Body, line: Body) -> None:
    """Write a line's total: exclusive tax comes on top, inclusive tax is in it already."""
    default = session["_"]["subscription_data"].get("default_tax_rates") or []
    rates = [account.require("tax_rate", rate) for rate in line["_tax_rates"] or default]
    customer = account.get("customer", session["customer"])
    net = line["amount_subtotal"] - line["amount_discount"]
    found = taxes.on_amount(rates, net, exempt=taxes.exemption(customer))
    line["amount_tax"] = sum(tax["amount"] for tax in found)
    line["amount_total"] = net + taxes.sum_of(found, "exclusive")


def _is_covered(account: Account, coupon: Body, line: Body) -> bool:
    price = account.anything(line["price"])
    return discounts.covers(coupon, price["product"] if price else None)


def full_price(account: Account, session: Body) -> int:
    """What the lines cost without trial and discount."""
    total = 0
    for line in session["_"]["lines"]:
        price = account.anything(line["price"])
        assert price is not None
        total += 0 if line["quantity"] is None else pricing.amount(price, line["quantity"])
    return total
