"""What an invoice comes to: lines, discounts and tax, the customer's balance, the amount due."""

from dataclasses import dataclass

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import balance, discounts, minimum, taxes


def add_up(account: Account, invoice: Body, customer: Body) -> None:
    """Write subtotal, discounts, tax, totals and the amount due of a draft from its lines."""
    lines = invoice["lines"]["data"]
    for line in lines:
        line["invoice"] = invoice["id"]
    off = discounts.apply(account, lines, invoice["discounts"])
    taxes.apply(account, invoice, customer)
    subtotal = sum(line["amount"] for line in lines)
    discounted = subtotal - sum(entry["amount"] for entry in off)
    inside = taxes.sum_of(invoice["total_taxes"], "inclusive")
    total = discounted + taxes.sum_of(invoice["total_taxes"], "exclusive")
    invoice["subtotal"] = subtotal
    inside_all = taxes.inside_subtotal(account, invoice, customer) if inside else 0
    invoice["subtotal_excluding_tax"] = subtotal - inside_all
    invoice["total"] = total
    invoice["total_excluding_tax"] = discounted - inside
    invoice["total_discount_amounts"] = off
    invoice["total_pretax_credit_amounts"] = [{**entry, "type": "discount"} for entry in off]
    invoice["starting_balance"] = balance.of(customer, invoice["currency"])
    invoice["amount_due"] = invoice["amount_remaining"] = settlement(account, invoice).due


@dataclass(frozen=True)
class Settlement:
    """How an invoice is met: by the balance, by carrying it over, and by what is due."""

    due: int
    applied: int
    carried: int


def settlement(account: Account, invoice: Body) -> Settlement:
    """Set an invoice's total off against the customer's balance.

    A credit pays as far as it goes and a debt is charged along with a positive total. What is left
    under the smallest charge is carried over; a negative total becomes credit.
    """
    total, held = invoice["total"], invoice["starting_balance"]
    if total <= 0:
        return Settlement(due=0, applied=total, carried=0)
    due = max(total + held, 0)
    applied = min(total, -held)
    if 0 < due < minimum.charge(account, invoice["currency"]):
        return Settlement(due=0, applied=applied, carried=due)
    return Settlement(due=due, applied=applied, carried=0)
