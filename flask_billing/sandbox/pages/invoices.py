"""The hosted page of an invoice, which stands in for its PDF as well."""

from datetime import UTC, datetime

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.render import rendered


def show(room: EngineRoom, request: Request, account: str, token: str) -> Response:
    """An invoice, for whoever holds its link."""
    with room.account() as books:
        row = books.connection.execute(
            "SELECT id FROM objects WHERE kind = 'invoice'"
            " AND instr(json_extract(body, '$.hosted_invoice_url'), ?) > 0",
            (f"/i/{account}/{token}?",),
        ).fetchone()
        if row is None:
            raise NotFound
        invoice = books.require("invoice", row[0])
        day = datetime.fromtimestamp(invoice["created"], UTC)
        return rendered(
            request,
            "invoice.html",
            invoice=invoice,
            date=f"{day.day} {day:%B %Y}",
            seller=books.settings.account_name,
        )
