"""Buying on the host's own pages, with the host's own test client."""

from __future__ import annotations

import re
import typing as t
from html import unescape

from ..sandbox import SandboxError

if t.TYPE_CHECKING:
    from werkzeug.test import Client, TestResponse

    from .sandbox import StripeSandbox

_TOKEN: t.Final = re.compile(r'name="csrf_token" value="([^"]+)"')
_SESSION: t.Final = re.compile(r"cs_test_\w+")


class Visit:
    """Somebody on the billing pages, signed in or not as the client is."""

    def __init__(self, sandbox: StripeSandbox, client: Client) -> None:
        self._sandbox = sandbox
        self._client = client
        self._prefix: str = sandbox.app.config["BILLING_URL_PREFIX"]

    def buy(self, plan: str, interval: str | None, quantity: int | None, card: str) -> TestResponse:
        """Choose, pay, and come back."""
        # A context of the test's own would serve all requests, and its "g" hold another's token.
        with self._sandbox.app.app_context():
            return self._bought(plan, interval, quantity, card)

    def _bought(
        self, plan: str, interval: str | None, quantity: int | None, card: str
    ) -> TestResponse:
        hosted = self._sandbox.checkout(self._choose(plan, interval, quantity))
        outcome = hosted.pay(card)

        if outcome.status == "challenge":
            outcome = hosted.authenticate()

        assert outcome.redirect is not None, "a paid session leads back to the app"
        # The host is the test client's own, whatever BILLING_BASE_URL says.
        path = "/" + outcome.redirect.split("://", 1)[-1].partition("/")[2]
        return self._client.get(path, follow_redirects=True)

    def _choose(self, plan: str, interval: str | None, quantity: int | None) -> str:
        """Press the button of a plan; the id of the Checkout Session that opens."""
        page = self._client.get(f"{self._prefix}/plans")
        token = _TOKEN.search(page.text)

        if token is None:
            raise SandboxError(
                f"The plans page has nothing to buy. It was answered {page.status}. Is the client "
                "signed in, and has the owner no live subscription yet?"
            )

        form = {
            "csrf_token": unescape(token[1]),
            "plan": plan,
            "interval": interval or self._first_interval(plan),
        }

        if quantity is not None:
            form["quantity"] = str(quantity)

        answer = self._client.post(f"{self._prefix}/checkout", data=form)
        session = _SESSION.search(answer.headers.get("Location", ""))

        if session is None:
            raise SandboxError(
                f"No checkout of {plan!r} opened: the app answered {answer.status} with "
                f"{answer.headers.get('Location') or _words(answer)!r}."
            )

        return session[0]

    def _first_interval(self, plan: str) -> str:
        found = self._sandbox.app.extensions["billing"].catalog.plan(plan)
        return found.prices[0].interval if found is not None and found.prices else "month"


def _words(answer: TestResponse) -> str:
    text = re.sub(r"<(style|script)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return unescape(" ".join(text.split()))[:300]
