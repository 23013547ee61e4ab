"""Somebody at a browser: opens pages, presses buttons, pays at the hosted checkout."""

from __future__ import annotations

import re
from html import unescape

from werkzeug.test import TestResponse

from ..host import Host

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


class Person:
    """A visitor of the billing pages, signed in unless ``owner_id`` is None."""

    def __init__(self, host: Host, owner_id: str | None = "1") -> None:
        self.host = host
        self.client = host.client(owner_id)
        self.token = ""

    def open(self, path: str, *, htmx: bool = False, **headers: str) -> TestResponse:
        """Look at a page, or as htmx at a fragment."""
        answer = self.client.get(path, headers=_headers(htmx, headers))
        self._remember_token(answer)
        return answer

    def press(
        self, path: str, *, htmx: bool = False, token: str | None = None, **form: str
    ) -> TestResponse:
        """Send a form with the token of the pages seen so far."""
        fields = {"csrf_token": self.token if token is None else token, **form}
        return self.client.post(path, data=fields, headers=_headers(htmx, {}))

    def choose(self, plan: str, interval: str = "month", **form: str) -> TestResponse:
        """Press "Choose" on the plans page."""
        self.open("/billing/plans")
        fields = {"plan": plan, "interval": interval, **form}
        return self.press("/billing/checkout", htmx=False, token=None, **fields)

    def buy(self, plan: str, interval: str = "month") -> TestResponse:
        """Go through checkout with a card that pays, and come back."""
        return self.open(self.pay(plan, interval))

    def pay(
        self, plan: str = "starter", interval: str = "month", card: str = "4242424242424242"
    ) -> str:
        """Pay at checkout; where the browser would go next."""
        hosted = self.choose(plan, interval).headers["Location"]
        outcome = self.host.sandbox.checkout(session_id_of(hosted)).pay(card)
        assert outcome.redirect is not None
        return outcome.redirect.removeprefix("http://localhost")

    def _remember_token(self, answer: TestResponse) -> None:
        if found := re.search(r'name="csrf_token" value="([^"]+)"', answer.text):
            self.token = unescape(found[1])


def session_id_of(url: str) -> str:
    """The checkout session in a hosted page's address."""
    found = re.search(r"cs_test_\w+", url)
    assert found is not None, url
    return found[0]


def words(answer: TestResponse) -> str:
    """What a page says, without its markup."""
    visible = re.sub(
        r"<(style|script|template|dialog)\b.*?</\1>", " ", answer.text, flags=re.DOTALL
    )
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", visible))).strip()


def _headers(htmx: bool, further: dict[str, str]) -> dict[str, str]:
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    return {**accept, **(HTMX if htmx else {}), **further}
