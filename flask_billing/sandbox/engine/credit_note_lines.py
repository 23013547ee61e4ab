"""The lines of a credit note: parts of an invoice's lines, or amounts of their own."""

from decimal import Decimal
from fractions import Fraction

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import proration, taxes
from flask_billing.sandbox.errors import invalid, missing_object, missing_param
from flask_billing.sandbox.ids import new_id


def asked(account: Account, invoice: Body, params: Body) -> list[Body]:
    """The lines that the parameters ask for; a bare ``amount`` is one line."""
    entries = params.get("lines")
    if entries:
        return [
            _from_invoice(account, invoice, entry, f"lines[{index}]")
            if entry["type"] == "invoice_line_item"
            else _custom(account, entry, f"lines[{index}]")
            for index, entry in enumerate(entries)
        ]
    if params.get("shipping_cost"):
        raise invalid("This invoice has no shipping cost.", "shipping_cost")
    if params.get("amount") is None:
        raise invalid("One of `amount`, `lines`, or `shipping_cost` must be provided.")
    return [_line(params["amount"], kind="custom_line_item", description=None, quantity=1)]


def total_of(lines: list[Body]) -> int:
    """What lines come to: less discounts, with the tax on top of them."""
    return sum(
        line["amount"] - line["discount_amount"] + taxes.sum_of(line["taxes"], "exclusive")
        for line in lines
    )


def _custom(account: Account, entry: Body, where: str) -> Body:
    quantity = entry.get("quantity", 1)
    unit = entry.get("unit_amount_decimal", entry.get("unit_amount"))
    if unit is None:
        raise missing_param(f"{where}[unit_amount]")
    line = _line(
        proration.rounded(Fraction(Decimal(unit)) * quantity),
        kind="custom_line_item",
        description=entry.get("description"),
        quantity=quantity,
        unit=str(unit),
    )
    line["tax_rates"] = taxes.checked(account, entry.get("tax_rates"), f"{where}[tax_rates]")
    rates = [account.require("tax_rate", rate) for rate in line["tax_rates"]]
    line["taxes"] = taxes.on_amount(rates, line["amount"])
    return _positive(line, where)


def _from_invoice(account: Account, invoice: Body, entry: Body, where: str) -> Body:
    name = entry.get("invoice_line_item")
    source = next((line for line in invoice["lines"]["data"] if line["id"] == name), None)
    if source is None:
        raise missing_object("invoice line item", str(name), f"{where}[invoice_line_item]", 400)
    amount, quantity = entry.get("amount"), entry.get("quantity")
    if amount is None:
        quantity = source["quantity"] if quantity is None else quantity
        share = Fraction(quantity, source["quantity"]) if source["quantity"] else Fraction(1)
        amount = proration.rounded(source["amount"] * share)
    if amount > source["amount"]:
        raise invalid("The amount is greater than the invoice line's.", f"{where}[amount]")
    line = _line(
        amount,
        kind="invoice_line_item",
        description=source["description"],
        quantity=quantity,
        unit=(source["pricing"] or {}).get("unit_amount_decimal") if quantity else None,
    )
    line["invoice_line_item"] = source["id"]
    part = Fraction(amount, source["amount"]) if source["amount"] else Fraction(0)
    _take_discounts(line, source, part)
    rates = [
        account.require("tax_rate", tax["tax_rate_details"]["tax_rate"]) for tax in source["taxes"]
    ]
    reasons = {tax["taxability_reason"] for tax in source["taxes"]} - {"not_available"}
    line["tax_rates"] = [rate["id"] for rate in rates]
    net = amount - line["discount_amount"]
    line["taxes"] = taxes.on_amount(rates, net, exempt=next(iter(reasons), None))
    return _positive(line, where)


def _take_discounts(line: Body, source: Body, part: Fraction) -> None:
    for entry in source["discount_amounts"]:
        off = proration.rounded(entry["amount"] * part)
        discount = {"amount": off, "discount": entry["discount"]}
        line["discount_amounts"].append(discount)
        line["pretax_credit_amounts"].append({**discount, "type": "discount"})
        line["discount_amount"] += off


def _positive(line: Body, where: str) -> Body:
    if line["amount"] < 0:
        raise invalid("A credit note's lines must not be negative.", where)
    return line


def _line(
    amount: int,
    *,
    kind: str,
    description: str | None,
    quantity: int | None,
    unit: str | None = None,
) -> Body:
    unit = str(amount) if unit is None and quantity == 1 else unit
    whole = unit is not None and Decimal(unit) == int(Decimal(unit))
    return {
        "id": new_id("cnli"),
        "object": "credit_note_line_item",
        "amount": amount,
        "description": description,
        "discount_amount": 0,
        "discount_amounts": [],
        "livemode": False,
        "pretax_credit_amounts": [],
        "quantity": quantity,
        "tax_rates": [],
        "taxes": [],
        "type": kind,
        "unit_amount": int(Decimal(unit)) if unit is not None and whole else None,
        "unit_amount_decimal": unit,
    }
