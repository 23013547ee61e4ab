"""A visit of the customer portal: whose it is, and what its configuration allows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.render import rendered, see_other


@dataclass
class Visit:
    """One request of somebody who holds the link of a portal session."""

    account: Account
    request: Request
    session: Body
    configuration: Body
    customer: Body

    @property
    def home(self) -> str:
        """The path of the portal's first page."""
        return f"{self.request.script_root}/p/session/test_{self.session['_']['token']}"

    def allows(self, feature: str) -> bool:
        """Is the feature enabled?"""
        return bool(self.configuration["features"][feature]["enabled"])

    def must_allow(self, feature: str) -> Body:
        """The feature, or the page that is not there."""
        if not self.allows(feature):
            raise NotFound
        found: Body = self.configuration["features"][feature]
        return found

    def subscription(self, object_id: str) -> Body:
        """A subscription of this customer that has not ended."""
        found = self.account.get("subscription", object_id)
        if found is None or found["customer"] != self.customer["id"]:
            raise NotFound
        if found["status"] in {"canceled", "incomplete_expired"}:
            raise NotFound
        return found

    def page(self, template: str, status: int = 200, **context: object) -> Response:
        """A page of the portal."""
        headline = self.configuration["business_profile"]["headline"]
        return rendered(
            self.request,
            template,
            status=status,
            leads_to=(self.session["return_url"], self._after("redirect", "return_url")),
            home=self.home,
            back=self.session["return_url"],
            seller=self.account.settings.account_name,
            headline=headline,
            profile=self.configuration["business_profile"],
            customer=self.customer,
            visit=self,
            **context,
        )

    def done(self, flow: str) -> Response:
        """Where a person goes after a step: home, or where the session's flow says."""
        if (self.session["flow"] or {}).get("type") != flow:
            return see_other(self.home)

        redirect = self._after("redirect", "return_url")
        if redirect:
            return see_other(redirect)
        if self.session["flow"]["after_completion"]["type"] == "hosted_confirmation":
            words = self._after("hosted_confirmation", "custom_message")
            return self.page("message.html", title="Done", text=words or "Your change was saved.")
        return see_other(self.home + "?home=1")

    def _after(self, name: str, field: str) -> str | None:
        given = ((self.session["flow"] or {}).get("after_completion") or {}).get(name)
        found: str | None = (given or {}).get(field)
        return found


@contextmanager
def visiting(room: EngineRoom, request: Request, token: str) -> Iterator[Visit]:
    """A visit with the link's token."""
    with room.account() as account:
        found = account.find(
            "billing_portal.session", where=[("$._.token", token.removeprefix("test_"))]
        )
        customer = account.get("customer", found[0]["customer"]) if found else None
        if customer is None:
            raise NotFound
        configuration = account.require("billing_portal.configuration", found[0]["configuration"])
        yield Visit(account, request, found[0], configuration, customer)


def day(moment: int) -> str:
    """``3 March 2026``."""
    date = datetime.fromtimestamp(moment, UTC)
    return f"{date.day} {date:%B %Y}"
