"""A host app as a browser meets it: sign-in page, strict CSP, a page with our macros."""

from __future__ import annotations

import typing as t

from flask import Response, redirect, render_template_string, request, session
from flask.typing import ResponseReturnValue
from playwright.sync_api import Page

from flask_billing.models import Customer

from ..host import Host

STRICT = (
    "default-src 'self'; script-src 'self' https://js.stripe.com; style-src 'self'; "
    "frame-src https://js.stripe.com https://hooks.stripe.com; "
    "connect-src 'self' https://api.stripe.com"
)

#: What a host may set on its body, in both spellings; nothing of it may reach our pages.
HOSTILE = " ".join(
    f'{name}="{value}" {name}:inherited="{value}"'
    for name, value in {
        "hx-boost": "true",
        "hx-select": "#nothing",
        "hx-target": "body",
        "hx-push-url": "true",
        "hx-confirm": "Really?",
        "hx-vals": "{&quot;stray&quot;: 1}",
    }.items()
)

DASHBOARD = """<!doctype html>
<html lang="en"><head><title>Dashboard</title>{{ billing_head() }}</head>
<body {{ body_attributes|safe }}>
  <main><h1>Dashboard</h1>
    {{ billing_toasts() }}{{ billing_banner() }}{{ billing_meter("tokens") }}
    {{ billing_plan_badge() }}{{ billing_paywall("sso") }}
    <details><summary>More</summary>Text</details>
    <p>Host text</p>
  </main>
  <footer>{{ billing_footer_links() }}</footer>
</body></html>"""


def furnish(host: Host, *, body_attributes: str = "") -> Host:
    """Add to the test host what a browser needs."""
    app = host.app

    @app.get("/signin")
    def signin() -> ResponseReturnValue:
        session["user"] = request.args.get("user", "1")
        return redirect(request.args.get("next", "/billing/"))

    @app.get("/dashboard")
    def dashboard() -> ResponseReturnValue:
        return render_template_string(DASHBOARD, body_attributes=body_attributes)

    @app.get("/favicon.ico")
    def favicon() -> ResponseReturnValue:
        return "", 204

    @app.after_request
    def strict(response: Response) -> Response:
        if not request.path.startswith("/sandbox"):
            response.headers["Content-Security-Policy"] = STRICT

        return response

    return host


def sign_in(page: Page, address: str, path: str = "/billing/", user: str = "1") -> None:
    """Sign in and open a page."""
    page.goto(f"{address}/signin?user={user}")
    page.goto(f"{address}{path}")


def use(host: Host, meter: str, quantity: int, user: str = "1") -> None:
    """Book usage of a customer."""
    with host.app.app_context():
        customer: Customer = host.customer(user)
        host.billing.record(meter, quantity, customer=customer)


class Complaints(list[str]):
    """What a page complained of: errors of scripts, the console and the CSP."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.append(str(error)))

    def _console(self, message: t.Any) -> None:
        if message.type in ("error", "warning"):
            self.append(message.text)
