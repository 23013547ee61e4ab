"""Tax by fixed rates: exclusive on top of an amount, inclusive as a part of it."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.inferred import tax_rounded

#: Why a customer pays no tax, by their ``tax_exempt``.
_EXEMPT = {"exempt": "customer_exempt", "reverse": "reverse_charge"}


def checked(account: Account, rates: list[str] | str | None, param: str) -> list[str]:
    """The tax rates named in a parameter; ``''`` names none."""
    for index, object_id in enumerate(rates or []):
        rate = account.require("tax_rate", object_id, param=f"{param}[{index}]", label="tax rate")
        if not rate["active"]:
            raise invalid(
                f"The tax rate {object_id} is inactive. Please use an active tax rate.",
                f"{param}[{index}]",
            )
    return list(rates or [])


def shown(account: Account, rates: list[str]) -> list[Body]:
    """Rates as the API shows them: as whole objects."""
    found = (account.anything(object_id) for object_id in rates)
    return [account.show(rate) for rate in found if rate is not None]


def apply(account: Account, invoice: Body, customer: Body) -> None:
    """Write each line's tax, on what discounts left of it, and the invoice's sums."""
    reason = exemption(customer)
    for line in invoice["lines"]["data"]:
        rates = _rates_of(account, invoice, line)
        off = sum(entry["amount"] for entry in line["discount_amounts"])
        line["taxes"] = on_amount(rates, line["amount"] - off, exempt=reason)
    invoice["total_taxes"] = summed(
        tax for line in invoice["lines"]["data"] for tax in line["taxes"]
    )


def on_amount(rates: list[Body], amount: int, *, exempt: str | None = None) -> list[Body]:
    """The tax of each rate on an amount; inclusive ones are found inside it."""
    inclusive = sum((_share(rate) for rate in rates if rate["inclusive"]), Fraction(0))
    net = Fraction(amount) / (1 + inclusive)
    inside = {rate["id"]: _tax(rate, net, exempt) for rate in rates if rate["inclusive"]}
    taxable = amount - sum(inside.values())
    return [
        {
            "amount": inside.get(rate["id"], _tax(rate, Fraction(taxable), exempt)),
            "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
            "tax_rate_details": {"tax_rate": rate["id"]},
            "taxability_reason": exempt or "not_available",
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }
        for rate in rates
    ]


def sum_of(taxes: list[Body], behavior: str) -> int:
    """What the exclusive or inclusive taxes of a list make."""
    return sum(tax["amount"] for tax in taxes if tax["tax_behavior"] == behavior)


def inside_subtotal(account: Account, invoice: Body, customer: Body) -> int:
    """The inclusive tax in an invoice's lines before discounts."""
    exempt = exemption(customer)
    return sum(
        sum_of(
            on_amount(_rates_of(account, invoice, line), line["amount"], exempt=exempt),
            "inclusive",
        )
        for line in invoice["lines"]["data"]
    )


def exemption(customer: Body | None) -> str | None:
    """Why a customer pays no tax, or None."""
    return _EXEMPT.get(customer["tax_exempt"]) if customer else None


def _share(rate: Body) -> Fraction:
    return Fraction(Decimal(str(rate["percentage"]))) / 100


def _tax(rate: Body, net: Fraction, exempt: str | None) -> int:
    return 0 if exempt else tax_rounded(net * _share(rate))


def summed(taxes: Iterable[Body]) -> list[Body]:
    """The taxes of many lines, added up by their rates."""
    sums: dict[str, Body] = {}
    for tax in taxes:
        key = tax["tax_rate_details"]["tax_rate"]
        if key not in sums:
            sums[key] = {**tax, "amount": 0, "taxable_amount": 0}
        sums[key]["amount"] += tax["amount"]
        sums[key]["taxable_amount"] += tax["taxable_amount"]
    return list(sums.values())


def _rates_of(account: Account, invoice: Body, line: Body) -> list[Body]:
    """A line's own rates, else those of the invoice."""
    ids = _own_rates(account, line) or invoice["default_tax_rates"]
    return [rate for rate in map(account.anything, ids) if rate is not None]


def _own_rates(account: Account, line: Body) -> list[str]:
    parent = line["parent"]
    item_details = parent["subscription_item_details"]
    details = parent["invoice_item_details"] or item_details
    invoice_item = account.get("invoiceitem", details["invoice_item"])
    if invoice_item is not None and invoice_item["tax_rates"]:
        own: list[str] = invoice_item["tax_rates"]
        return own
    if not item_details:
        return []
    subscription = account.get("subscription", item_details["subscription"])
    for item in subscription["items"]["data"] if subscription else []:
        if item["id"] == item_details["subscription_item"]:
            rates: list[str] = item["tax_rates"]
            return rates
    return []
