"""Credit notes: what is taken back of a final invoice, before or after it was paid."""

from collections.abc import Iterable

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    balance,
    collecting,
    credit_note_lines,
    intents,
    invoices,
    pricing,
    refunds,
    taxes,
)
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import listing
from flask_billing.sandbox.present import presents
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.settings import ACCOUNT_ID


def issue(account: Account, invoice: Body, params: Body) -> Body:
    """Issue a credit note; emits ``credit_note.created`` and what follows from it."""
    if invoice["status"] not in {"open", "paid", "uncollectible"}:
        raise invalid(
            f"A credit note needs a finalized invoice; this one is {invoice['status']}.", "invoice"
        )
    lines = credit_note_lines.asked(account, invoice, params)
    total = credit_note_lines.total_of(lines)
    _check_total(account, invoice, params, total)
    before_payment = min(total, invoice["amount_remaining"])
    after_payment = total - before_payment
    _check_split(params, after_payment)
    note = account.add(_note(account, invoice, params, lines, before_payment, after_payment))
    if before_payment:
        _reduce(account, invoice, before_payment)
    if after_payment:
        with account.changing(invoice, "invoice.updated"):
            invoice["post_payment_credit_notes_amount"] += after_payment
        _give_back(account, invoice, note, params)
    account.save(note)
    account.emit("credit_note.created", note)
    if before_payment and invoice["amount_remaining"] == 0:
        _close(account, invoice)
    return note


def of_invoice(account: Account, invoice_id: str) -> list[Body]:
    """The credit notes of an invoice, oldest first."""
    return account.find("credit_note", parent=invoice_id)


def void(account: Account, note: Body) -> None:
    """Take a credit note back while its invoice is still open."""
    invoice = account.require("invoice", note["invoice"])
    if note["status"] == "void":
        raise invalid("This credit note is already void.")
    if note["type"] != "pre_payment" or invoice["status"] != "open":
        raise invalid("You can only void a credit note while its invoice is open.")
    note["status"] = "void"
    note["voided_at"] = account.now
    account.save(note)
    _reduce(account, invoice, -note["pre_payment_amount"])
    account.emit("credit_note.voided", note)


def _check_total(account: Account, invoice: Body, params: Body, total: int) -> None:
    if total < 1:
        raise invalid("The credit note must be over more than nothing.", "amount")
    if params.get("lines") and params.get("amount") not in {None, total}:
        raise invalid(
            f"The amount ({params['amount']}) is not the total of the lines ({total}).", "amount"
        )
    issued = [note for note in of_invoice(account, invoice["id"]) if note["status"] == "issued"]
    left = invoice["total"] - sum(note["total"] for note in issued)
    if total > left:
        currency = invoice["currency"]
        raise invalid(
            f"The credit note ({pricing.money(total, currency)}) is greater than what can still be "
            f"credited of the invoice ({pricing.money(left, currency)}).",
            "amount",
        )


def _check_split(params: Body, after_payment: int) -> None:
    names = ("credit_amount", "refund_amount", "out_of_band_amount")
    given = sum(params.get(name) or 0 for name in names)
    given += sum(entry.get("amount_refunded") or 0 for entry in params.get("refunds") or [])
    if given != after_payment:
        raise invalid(
            "The sum of credit amount, refund amount and out of band amount "
            f"({given}) must equal the post payment amount of the credit note ({after_payment})."
        )


def _reduce(account: Account, invoice: Body, amount: int) -> None:
    """Ask for less, or again for more, on an open invoice."""
    intent = intents.intent_of(account, invoice)
    if intent is not None and intent["status"] == "processing":
        raise invalid("A payment of this invoice is processing.", "invoice")
    with account.changing(invoice, "invoice.updated"):
        invoice["amount_due"] -= amount
        invoice["amount_remaining"] -= amount
        invoice["pre_payment_credit_notes_amount"] += amount
    if invoice["amount_remaining"]:
        intents.ask_for(account, invoice, invoice["amount_remaining"])


def _close(account: Account, invoice: Body) -> None:
    """Nothing is left to pay."""
    invoices.settle(account, invoice, off_stripe=True)
    intents.cancel_for(account, invoice, "automatic")
    collecting.after_payment(account, invoice)


def _give_back(account: Account, invoice: Body, note: Body, params: Body) -> None:
    if params.get("credit_amount"):
        customer = account.require("customer", invoice["customer"])
        transaction = balance.book(
            account,
            customer,
            -params["credit_amount"],
            "credit_note",
            currency=invoice["currency"],
            invoice=invoice["id"],
            credit_note=note["id"],
        )
        note["customer_balance_transaction"] = transaction["id"]
    if params.get("refund_amount"):
        charge = _charge_of(account, invoice)
        _link(note, refunds.refund(account, charge, params["refund_amount"]))
    for index, entry in enumerate(params.get("refunds") or []):
        name = f"refunds[{index}][refund]"
        _link(note, account.require("refund", entry.get("refund"), param=name), entry)


def _charge_of(account: Account, invoice: Body) -> Body:
    intent = intents.intent_of(account, invoice)
    if intent is None or intent["status"] != "succeeded":
        raise invalid("This invoice has no payment that could be refunded.", "refund_amount")
    return refunds.refundable_charge(account, intent)


def _link(note: Body, refund: Body, entry: Body | None = None) -> None:
    amount = (entry or {}).get("amount_refunded", refund["amount"])
    note["refunds"].append(
        {
            "amount_refunded": amount,
            "payment_record_refund": None,
            "refund": refund["id"],
            "type": "refund",
        }
    )


def _note(
    account: Account,
    invoice: Body,
    params: Body,
    lines: list[Body],
    before_payment: int,
    after_payment: int,
) -> Body:
    subtotal = sum(line["amount"] for line in lines)
    off = sum(line["discount_amount"] for line in lines)
    by_discount = _by_discount(line["discount_amounts"] for line in lines)
    total_taxes = taxes.summed(tax for line in lines for tax in line["taxes"])
    inside = taxes.sum_of(total_taxes, "inclusive")
    total = before_payment + after_payment
    sequence = len(of_invoice(account, invoice["id"])) + 1
    token = f"{ACCOUNT_ID}/test_{random_text(40)}"
    kind = "pre_payment" if not after_payment else "post_payment" if not before_payment else "mixed"
    return {
        "id": new_id("cn"),
        "object": "credit_note",
        "amount": total,
        "amount_shipping": 0,
        "created": account.now,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": off,
        "discount_amounts": by_discount,
        "effective_at": params.get("effective_at") or account.now,
        "invoice": invoice["id"],
        "lines": {"data": lines},
        "livemode": False,
        "memo": params.get("memo"),
        "metadata": fields.new_metadata(params),
        "number": f"{invoice['number']}-CN-{sequence:02d}",
        "out_of_band_amount": params.get("out_of_band_amount"),
        "pdf": f"{account.public_url}/credit_notes/{token}/pdf?s=ap",
        "post_payment_amount": after_payment,
        "pre_payment_amount": before_payment,
        "pretax_credit_amounts": [{**entry, "type": "discount"} for entry in by_discount],
        "reason": params.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inside,
        "total": total,
        "total_excluding_tax": subtotal - off - inside,
        "total_taxes": total_taxes,
        "type": kind,
        "voided_at": None,
    }


def _by_discount(lists: Iterable[list[Body]]) -> list[Body]:
    sums: dict[str, int] = {}
    for entries in lists:
        for entry in entries:
            sums[entry["discount"]] = sums.get(entry["discount"], 0) + entry["amount"]
    return [{"amount": amount, "discount": discount} for discount, amount in sums.items()]


def shown_lines(account: Account, note: Body) -> list[Body]:
    """The lines with their tax rates as whole objects."""
    return [
        {**line, "tax_rates": taxes.shown(account, line["tax_rates"])}
        for line in note["lines"]["data"]
    ]


@presents("credit_note")
def _shown(account: Account, note: Body) -> Body:
    lines = shown_lines(account, note)
    url = f"/v1/credit_notes/{note['id']}/lines"
    note["lines"] = listing(url, lines[:10], len(lines) > 10)
    # To where a browser reaches the sandbox now; it may have moved since.
    where = "/credit_notes/"
    note["pdf"] = account.public_url + where + note["pdf"].rpartition(where)[2]
    return note
