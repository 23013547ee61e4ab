"""The hosted page of an invoice, where an open one is paid or confirmed, and its PDF."""

from __future__ import annotations

from datetime import UTC, datetime

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import collecting, intents, pricing
from flask_billing.sandbox.engine.card_form import check_card
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages import pdf
from flask_billing.sandbox.pages.card_entry import PLACES, TEST_CARDS, Form
from flask_billing.sandbox.pages.render import rendered, see_other
from flask_billing.sandbox.resources import payment_methods

_PAYABLE = {"open", "uncollectible"}


def show(room: EngineRoom, request: Request, account: str, token: str) -> Response:
    """An invoice, for whoever holds its link."""
    with room.account() as books:
        return _page(books, request, _invoice(books, account, token), Form())


def pay(room: EngineRoom, request: Request, account: str, token: str) -> Response:
    """Pay with the card that was typed, or go to the bank that waits for a confirmation."""
    form = Form.of(request)
    try:
        with room.account() as books:
            invoice = _invoice(books, account, token)
            if invoice["status"] not in _PAYABLE:
                return _page(books, request, invoice, form)
            if request.form.get("fill"):
                form.fill(request.form["fill"])
                return _page(books, request, invoice, form)
            if request.form.get("do") != "confirm":
                form.check_card()
                if form.errors:
                    return _page(books, request, invoice, form, 422)
                _charge(books, invoice, form)
            return _onwards(books, request, invoice)
    except ApiError as error:
        form.errors[PLACES.get(error.param or "", "card")] = error.message
        with room.account() as books:
            return _page(books, request, _invoice(books, account, token), form, error.status)


def as_pdf(room: EngineRoom, request: Request, account: str, token: str) -> Response:
    """The invoice as a PDF."""
    with room.account() as books:
        invoice = _invoice(books, account, token)
        currency = invoice["currency"]
        lines = [
            _line(line["description"] or "", line["amount"], currency)
            for line in invoice["lines"]["data"]
        ]
        lines += [
            _line("Discount", -entry["amount"], currency)
            for entry in invoice["total_discount_amounts"] or ()
        ]
        lines.append(_line("Total", invoice["total"], currency))
        return _pdf(
            f"Invoice {invoice['number']}",
            f"{_date(invoice['created'])}, {invoice['status']}",
            books.settings.account_name,
            invoice,
            lines,
        )


def credit_note(room: EngineRoom, request: Request, account: str, token: str) -> Response:
    """A credit note as a PDF."""
    with room.account() as books:
        note = books.require(
            "credit_note", _id_by_link(books, "credit_note", "pdf", f"/{account}/{token}/pdf?")
        )
        invoice = books.require("invoice", note["invoice"])
        return _pdf(
            f"Credit note {note['number']}",
            f"{_date(note['created'])}, of invoice {invoice['number']}",
            books.settings.account_name,
            invoice,
            [_line("Total", -note["total"], note["currency"])],
        )


def _invoice(books: Account, account: str, token: str) -> Body:
    found = _id_by_link(books, "invoice", "hosted_invoice_url", f"/i/{account}/{token}?")
    return books.require("invoice", found)


def _id_by_link(books: Account, kind: str, field: str, link: str) -> str:
    row = books.connection.execute(
        "SELECT id FROM objects WHERE kind = ? AND instr(json_extract(body, ?), ?) > 0",
        (kind, f"$.{field}", link),
    ).fetchone()
    if row is None:
        raise NotFound
    return str(row[0])


def _charge(books: Account, invoice: Body, form: Form) -> None:
    typed = form.card()
    found = check_card(books, typed)
    assert found is not None
    method = payment_methods.mint(
        books,
        found,
        exp_month=typed.exp_month,
        exp_year=typed.exp_year,
        billing={"name": form.name},
        unchecked=True,
    )
    payment_methods.attach_to(books, method, invoice["customer"])
    outcome = collecting.collect(books, invoice, method=method, off_session=False)
    if outcome.error is not None:
        raise outcome.error


def _onwards(books: Account, request: Request, invoice: Body) -> Response:
    """Back to the page, by way of the bank where that has to agree."""
    page = path_of(request, invoice)
    intent = intents.intent_of(books, invoice)
    if intent is None or intent["status"] != "requires_action":
        return see_other(page)
    intent["_"]["return_url"] = books.public_url + page.removeprefix(request.script_root)
    books.save(intent)
    secret = intent["client_secret"]
    return see_other(f"{request.script_root}/3ds/{intent['id']}?client_secret={secret}")


def path_of(request: Request, invoice: Body) -> str:
    """Where its page is, by whatever address the sandbox was reached when it was finalized."""
    url: str = invoice["hosted_invoice_url"]
    return f"{request.script_root}/i/{url.partition('/i/')[2]}"


def _page(
    books: Account, request: Request, invoice: Body, form: Form, status: int = 200
) -> Response:
    intent = intents.intent_of(books, invoice)
    return rendered(
        request,
        "invoice.html",
        status=status,
        leads_to=(books.public_url,),
        invoice=invoice,
        date=_date(invoice["created"]),
        seller=books.settings.account_name,
        action=path_of(request, invoice),
        pdf_url=books.show(invoice)["invoice_pdf"],
        payable=invoice["status"] in _PAYABLE and invoice["amount_remaining"] > 0,
        confirms=intent is not None and intent["status"] == "requires_action",
        form=form,
        test_cards=TEST_CARDS,
    )


def _line(text: str, amount: int, currency: str) -> pdf.Line:
    return pdf.Line(text, pricing.money(amount, currency))


def _pdf(title: str, about: str, seller: str, invoice: Body, lines: list[pdf.Line]) -> Response:
    buyer = invoice["customer_name"] or invoice["customer_email"] or ""
    head = [
        pdf.Line(seller),
        pdf.Line(title, size=22),
        pdf.Line(about),
        pdf.Line(buyer),
        pdf.Line(""),
    ]
    end = [pdf.Line(""), pdf.Line("Sandbox: no real money moved.", size=9)]
    response = Response(pdf.document([*head, *lines, *end]), content_type="application/pdf")
    name = title.lower().replace(" ", "-")
    response.headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _date(moment: int) -> str:
    day = datetime.fromtimestamp(moment, UTC)
    return f"{day.day} {day:%B %Y}"
