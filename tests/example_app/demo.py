"""The demo as a visitor without a browser uses it: pages, and the forms on them."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from example_app.extensions import billing, db
from example_app.live_sandbox import sandbox_of
from example_app.models import Workspace
from flask_billing import Customer
from flask_billing.sandbox import Sandbox

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@dataclasses.dataclass
class Demo:
    """A running demo and its folder."""

    app: Flask
    folder: Path

    @property
    def sandbox(self) -> Sandbox:
        """Its Stripe."""
        return sandbox_of(self.app)

    def visitor(self, workspace: str | None = None) -> Visitor:
        """Somebody at the front page, or signed in as a workspace."""
        visitor = Visitor(self.app.test_client())

        if workspace is not None:
            visitor.sign_in(workspace)

        return visitor

    def customer(self, workspace: str) -> Customer:
        """The customer of a workspace. Needs an app context."""
        found = db.session.scalar(sa.select(Workspace).where(Workspace.name == workspace))
        return billing.customer_for(found)


class Visitor:
    """Reads pages and sends their forms, with the token each carries."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def sign_in(self, workspace: str) -> TestResponse:
        """Click a workspace on the front page."""
        front = self.client.get("/").text
        found = re.search(rf'value="(\d+)">(?:(?!</button>).)*{workspace}', front, re.DOTALL)
        assert found is not None, f"{workspace} is not on the front page"
        return self.submit("/", "/sign-in", workspace=found[1])

    def page(self, path: str) -> str:
        """The text of a page, without markup."""
        response = self.client.get(path, follow_redirects=True)
        assert response.status_code == 200, response.status
        return words(response.text)

    def submit(
        self, page: str, action: str, headers: dict[str, str] | None = None, /, **fields: str
    ) -> TestResponse:
        """Send a form of a page: its hidden fields, and what is filled in."""
        shown = self.client.get(page).text
        hidden = dict(
            re.findall(r'<input type="hidden"(?: id="\w+")? name="(\w+)" value="([^"]*)"', shown)
        )
        return self.client.post(action, data={**hidden, **fields}, headers=headers)

    def generate(
        self, length: str, topic: str = "tide tables", *, htmx: bool = False, **fields: str
    ) -> TestResponse:
        """Press Generate."""
        headers = HTMX if htmx else BROWSER
        return self.submit("/write", "/generate", headers, topic=topic, length=length, **fields)

    def lever(self, path: str, **fields: str) -> str:
        """Use a lever of the demo panel; the panel's words afterwards."""
        response = self.submit("/demo/", f"/demo/{path}", **fields)
        assert response.status_code == 303, response.text
        return self.page("/demo/")


def words(markup: str) -> str:
    """Markup as plain text with single spaces."""
    without_code = re.sub(
        r"<(script|style|template|dialog)\b.*?</\1>", " ", markup, flags=re.DOTALL
    )
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", without_code)).split())
