"""Credit notes."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import credit_notes
from flask_billing.sandbox.engine.preview import PreviewTaken
from flask_billing.sandbox.lists import page, page_of
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint


@endpoint("POST", "/v1/credit_notes", "CreditNoteCreateParams")
def create(account: Account, call: Call) -> Body:
    """Credit a final invoice: less to pay, a refund, credit on the balance."""
    return _issue(account, call)


def _issue(account: Account, call: Call) -> Body:
    invoice = account.require("invoice", call.params["invoice"], param="invoice")
    return credit_notes.issue(account, invoice, call.params)


@endpoint("GET", "/v1/credit_notes/preview", "CreditNotePreviewParams")
def preview(account: Account, call: Call) -> Body:
    """The credit note that would be issued; nothing is kept of it."""
    raise PreviewTaken(account.show(_issue(account, call)))


@endpoint("GET", "/v1/credit_notes/preview/lines", "CreditNotePreviewLinesListParams")
def preview_lines(account: Account, call: Call) -> Body:
    """The lines of a credit note that would be issued."""
    note = account.show(_issue(account, call))
    raise PreviewTaken(page_of(call, note["lines"]["data"]))


@endpoint("GET", "/v1/credit_notes/{id}", "CreditNoteRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One credit note."""
    return _require(account, call)


@endpoint("POST", "/v1/credit_notes/{id}", "CreditNoteUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change memo and metadata."""
    note = _require(account, call)
    with account.changing(note, "credit_note.updated"):
        fields.assign(note, call.params, ("memo",))
        fields.merge_metadata(note, call.params)
    return note


@endpoint("POST", "/v1/credit_notes/{id}/void", "CreditNoteVoidCreditNoteParams")
def void(account: Account, call: Call) -> Body:
    """Take a credit note back while its invoice is open."""
    note = _require(account, call)
    credit_notes.void(account, note)
    return note


@endpoint("GET", "/v1/credit_notes/{id}/lines", "CreditNoteLineItemListParams")
def lines(account: Account, call: Call) -> Body:
    """A page of a credit note's lines."""
    return page_of(call, credit_notes.shown_lines(account, _require(account, call)))


@endpoint("GET", "/v1/credit_notes", "CreditNoteListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of credit notes, by customer and invoice."""
    params = call.params
    return page(
        account,
        call,
        "credit_note",
        customer=params.get("customer"),
        parent=params.get("invoice"),
    )


def _require(account: Account, call: Call) -> Body:
    return account.require("credit_note", call.id, param="id")
