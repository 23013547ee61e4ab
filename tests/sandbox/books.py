"""The sandbox's books, held against themselves through the API.

`assert_books_balance(client)` reads every invoice, payment, charge and customer, and says what does
not add up. Stories may call it at their end, random walks after every step.
"""

from __future__ import annotations

import collections.abc as c
import typing as t
from collections import Counter

import stripe

Body = dict[str, t.Any]


def assert_books_balance(client: stripe.StripeClient) -> None:
    """Fail with one line for everything that does not add up."""
    assert unbalanced(client) == []


def unbalanced(client: stripe.StripeClient) -> list[str]:
    """What does not add up, each as ``in_1...: what is wrong``."""
    books = _Books(client)
    found: list[str] = []
    for invoice in books.invoices:
        found += _of(invoice, _adds_up(invoice, client))
        found += _of(invoice, _is_settled(invoice))
        found += _of(invoice, _is_paid_for(invoice, books))
        found += _of(invoice, _is_credited(invoice, books))
    for intent in books.intents:
        found += _of(intent, _received(intent, books))
    for customer in books.customers:
        found += _of(customer, _has_its_balance(customer, client))
    found += _numbers(books.invoices)
    return found


class _Books:
    """Everything that has to do with money, read once."""

    def __init__(self, client: stripe.StripeClient) -> None:
        self.customers = _all(client.v1.customers.list({"limit": 100}))
        self.invoices = _all(client.v1.invoices.list({"limit": 100}))
        self.payments = _all(client.v1.invoice_payments.list({"limit": 100}))
        self.credit_notes = _all(client.v1.credit_notes.list({"limit": 100}))
        self.intents = _all(client.v1.payment_intents.list({"limit": 100}))
        self.refunds = _all(client.v1.refunds.list({"limit": 100}))
        self.charges = _all(client.v1.charges.list({"limit": 100}))


def _all(first: stripe.ListObject[t.Any]) -> list[Body]:
    return [body.to_dict() for body in first.auto_paging_iter()]


def _of(body: Body, wrong: c.Iterable[str]) -> list[str]:
    return [f"{body['id']}: {what}" for what in wrong]


def _adds_up(invoice: Body, client: stripe.StripeClient) -> c.Iterator[str]:
    """Lines, discounts and tax make the total."""
    lines: list[Body] = invoice["lines"]["data"]
    if invoice["lines"]["has_more"]:
        lines = _all(client.v1.invoices.line_items.list(invoice["id"], {"limit": 100}))
    if len(lines) != invoice["lines"]["total_count"]:
        yield f"{len(lines)} lines, but total_count says {invoice['lines']['total_count']}"
    for line in lines:
        yield from (f"{line['id']} {what}" for what in _line(line, invoice))
    subtotal = sum(line["amount"] for line in lines)
    if invoice["subtotal"] != subtotal:
        yield f"subtotal {invoice['subtotal']}, but its lines make {subtotal}"
    by_discount = _sums(lines, "discount_amounts", _discount_key)
    if _sums([invoice], "total_discount_amounts", _discount_key) != by_discount:
        yield f"total_discount_amounts are not those of the lines: {dict(by_discount)}"
    by_rate = _sums(lines, "taxes", _tax_key)
    if _sums([invoice], "total_taxes", _tax_key) != by_rate:
        yield f"total_taxes are not those of the lines: {dict(by_rate)}"
    exclusive = sum(amount for key, amount in by_rate.items() if key[1] == "exclusive")
    total = subtotal - sum(by_discount.values()) + exclusive
    if invoice["total"] != total:
        yield f"total {invoice['total']}, but lines, discounts and tax make {total}"
    without_tax = total - sum(by_rate.values())
    if invoice["total_excluding_tax"] != without_tax:
        yield f"total_excluding_tax {invoice['total_excluding_tax']}, not {without_tax}"


def _line(line: Body, invoice: Body) -> c.Iterator[str]:
    if line["invoice"] != invoice["id"]:
        yield f"says it belongs to {line['invoice']}"
    if line["currency"] != invoice["currency"]:
        yield f"is in {line['currency']}"
    off = sum(entry["amount"] for entry in line["discount_amounts"])
    if not 0 <= off <= max(line["amount"], 0):
        yield f"of {line['amount']} has {off} taken off"


def _sums(
    holders: list[Body], name: str, key: c.Callable[[Body], t.Any]
) -> Counter[tuple[str, str]]:
    sums: Counter[tuple[str, str]] = Counter()
    for holder in holders:
        for entry in holder[name] or []:
            sums[key(entry)] += entry["amount"]
    return Counter({name: amount for name, amount in sums.items() if amount})


def _discount_key(entry: Body) -> tuple[str, str]:
    discount = entry["discount"]
    return (discount if isinstance(discount, str) else discount["id"], "")


def _tax_key(entry: Body) -> tuple[str, str]:
    return (entry["tax_rate_details"]["tax_rate"], entry["tax_behavior"])


def _is_settled(invoice: Body) -> c.Iterator[str]:
    """What is due follows from total, balance and credit notes; what remains from what was paid."""
    due, paid, left = (invoice[f"amount_{name}"] for name in ("due", "paid", "remaining"))
    if min(due, paid, left) < 0:
        yield f"negative amounts: due {due}, paid {paid}, remaining {left}"
    if left != due - paid:
        yield f"remaining {left}, but {due} is due and {paid} paid"
    if invoice["status"] == "paid" and left:
        yield f"is paid, but {left} remains"
    if invoice["status"] == "open" and not left:
        yield "is open over nothing"
    if (invoice["number"] is None) != (invoice["status"] == "draft"):
        yield f"is {invoice['status']} with the number {invoice['number']}"
    if invoice["status"] == "draft":
        if invoice["ending_balance"] is not None:
            yield "is a draft with an ending balance"
        return
    credited = invoice["pre_payment_credit_notes_amount"]
    owed = invoice["total"] + invoice["starting_balance"]
    if owed != due + credited + invoice["ending_balance"]:
        yield (
            f"total {invoice['total']} and starting balance {invoice['starting_balance']} are not "
            f"due {due}, credit notes {credited} and ending balance {invoice['ending_balance']}"
        )


def _is_paid_for(invoice: Body, books: _Books) -> c.Iterator[str]:
    """Its invoice payments are what it says was paid, and their intents received as much."""
    payments = [one for one in books.payments if one["invoice"] == invoice["id"]]
    paid = [one for one in payments if one["status"] == "paid"]
    came = sum(one["amount_paid"] for one in paid)
    elsewhere = invoice["status"] == "paid" and any(one["status"] == "canceled" for one in payments)
    if invoice["amount_paid"] != came and not (elsewhere and not came):
        yield f"paid {invoice['amount_paid']}, but its payments make {came}"
    waiting = [one for one in payments if one["status"] == "open"]
    if waiting and invoice["status"] not in {"open", "uncollectible"}:
        yield f"is {invoice['status']} with an open payment"
    for one in waiting:
        if one["is_default"] and one["amount_requested"] != invoice["amount_remaining"]:
            yield f"asks for {one['amount_requested']}, not for what remains"
    intents = {intent["id"]: intent for intent in books.intents}
    for one in paid:
        intent = intents[one["payment"]["payment_intent"]]
        if intent["amount_received"] < one["amount_paid"]:
            yield f"{intent['id']} received {intent['amount_received']} of {one['amount_paid']}"


def _is_credited(invoice: Body, books: _Books) -> c.Iterator[str]:
    """Its credit notes are what it says was credited, and never more than it was over."""
    notes = [one for one in books.credit_notes if one["invoice"] == invoice["id"]]
    issued = [one for one in notes if one["status"] == "issued"]
    for when in ("pre_payment", "post_payment"):
        credited = sum(one[f"{when}_amount"] for one in issued)
        if invoice[f"{when}_credit_notes_amount"] != credited:
            yield f"{when}_credit_notes_amount is not {credited}"
    if sum(one["total"] for one in issued) > max(invoice["total"], 0):
        yield f"over {invoice['total']} is credited with more"
    for note in notes:
        if note["total"] != note["pre_payment_amount"] + note["post_payment_amount"]:
            yield f"{note['id']} over {note['total']} is not what it credits"
        on_top = sum(
            tax["amount"] for tax in note["total_taxes"] if tax["tax_behavior"] == "exclusive"
        )
        if note["total"] != note["subtotal"] - note["discount_amount"] + on_top:
            yield f"{note['id']} over {note['total']} is not its lines, discounts and tax"


def _received(intent: Body, books: _Books) -> c.Iterator[str]:
    """A payment intent received what its charges captured, and its charges gave back no more."""
    charges = [one for one in books.charges if one["payment_intent"] == intent["id"]]
    captured = sum(one["amount_captured"] for one in charges)
    if intent["amount_received"] != captured:
        yield f"received {intent['amount_received']}, but its charges captured {captured}"
    if (intent["status"] == "succeeded") != bool(captured):
        yield f"is {intent['status']} with {captured} captured"
    for charge in charges:
        yield from (f"{charge['id']} {what}" for what in _gave_back(charge, books))


def _gave_back(charge: Body, books: _Books) -> c.Iterator[str]:
    """A charge gave back what its refunds say, at most what it had taken or held."""
    refunds = sum(one["amount"] for one in books.refunds if one["charge"] == charge["id"])
    if charge["amount_refunded"] != refunds:
        yield f"refunded {charge['amount_refunded']}, but its refunds make {refunds}"
    most = charge["amount_captured"] if charge["captured"] else charge["amount"]
    if not 0 <= refunds <= most <= charge["amount"]:
        yield f"of {charge['amount']} captured {charge['amount_captured']}, refunded {refunds}"
    if charge["refunded"] != (0 < refunds == most):
        yield f"says refunded={charge['refunded']} with {refunds} of {most} refunded"


def _has_its_balance(customer: Body, client: stripe.StripeClient) -> c.Iterator[str]:
    """The balance is the sum of its transactions, and each knows what it made of it."""
    held = 0
    transactions = client.v1.customers.balance_transactions.list(customer["id"], {"limit": 100})
    for one in reversed(_all(transactions)):
        if customer["currency"] in {None, one["currency"]}:
            held += one["amount"]
            if one["ending_balance"] != held:
                yield f"{one['id']} ends with {one['ending_balance']}, not {held}"
    if customer["balance"] != held:
        yield f"balance {customer['balance']}, but its transactions make {held}"


def _numbers(invoices: list[Body]) -> list[str]:
    counted = Counter(one["number"] for one in invoices if one["number"])
    return [f"{number}: given {times} times" for number, times in counted.items() if times > 1]
