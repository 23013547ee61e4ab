"""The lines of a draft: which items it took, and what is put onto it, changed and removed."""

from collections.abc import Iterator
from contextlib import contextmanager

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import invoice_items, lines, totals


def assign(account: Account, invoice: Body) -> None:
    """Tell the invoice's items which invoice took them."""
    for line in invoice["lines"]["data"]:
        parent = line["parent"]
        details = parent["invoice_item_details"] or parent["subscription_item_details"]
        item = account.get("invoiceitem", details["invoice_item"])
        if item is not None:
            item["invoice"] = invoice["id"]
            account.save(item)


def place(account: Account, invoice: Body, item: Body) -> None:
    """Put an item onto a draft; emits ``invoice.updated`` with the totals that were."""
    with recalculated(account, invoice) as held:
        held.append(invoice_items.taken(account, item))
        item["invoice"] = invoice["id"]


def replace(account: Account, item: Body) -> None:
    """Write an item's changes onto the draft that has it."""
    invoice = account.get("invoice", item["invoice"])
    if invoice is None:
        return
    line = lines.invoice_item_line(item)
    line["id"] = item["_"]["line"]
    with recalculated(account, invoice) as held:
        held[:] = [line if one["id"] == line["id"] else one for one in held]


def remove(account: Account, item: Body) -> None:
    """Take an item off the draft that has it."""
    invoice = account.get("invoice", item["invoice"])
    if invoice is None:
        return
    with recalculated(account, invoice) as held:
        held[:] = [one for one in held if one["id"] != item["_"]["line"]]


def let_go(account: Account, invoice: Body) -> None:
    """A draft is deleted: items that had waited wait again, the others go with it."""
    for item in account.find("invoiceitem", customer=invoice["customer"]):
        if item["invoice"] != invoice["id"]:
            continue
        if item["_"].get("waited"):
            item["invoice"] = None
            account.save(item)
        else:
            account.emit("invoiceitem.deleted", item)
            account.forget(item)


@contextmanager
def recalculated(account: Account, invoice: Body) -> Iterator[list[Body]]:
    """Change a draft's lines inside, and add it up again."""
    customer = account.require("customer", invoice["customer"])
    with account.changing(invoice, "invoice.updated"):
        yield invoice["lines"]["data"]
        totals.add_up(account, invoice, customer)
