"""Names as long as a shop may give them, and amounts to match, on wide and narrow screens."""

from __future__ import annotations

import collections.abc as c
import typing as t

import pytest
from playwright.sync_api import Browser

from flask_billing import clock
from flask_billing.models import PaymentMethod

from ..host import Host
from ..views.person import Person
from .conftest import Serve
from .guest import furnish, sign_in, use

MakeApp = c.Callable[..., Host]

WORD: t.Final = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen"
WORDS: t.Final = "Professional Plus for Multinational Organisations with Several Subsidiaries"

PAGES: t.Final = (
    "/billing/",
    "/billing/plans",
    "/billing/plans?interval=year",
    "/billing/usage",
    "/billing/change?plan=word",
    "/billing/change?plan=small",
    "/billing/cancel",
    "/billing/payment-methods",
    "/billing/history",
    "/billing/invoices",
    "/billing/upcoming",
)


@pytest.mark.parametrize("width", [360, 1280])
def test_long_names_stay_within_the_page(
    make_app: MakeApp, serve: Serve, browser: Browser, width: int
) -> None:
    host = furnish(make_app(catalog=_catalog()))
    Person(host).buy("words")
    host.sandbox.webhooks.deliver()
    use(host, "word", 6_000_000)
    _add_bank_account(host)
    address, wrong = serve(host), []

    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = context.new_page()

        for path in PAGES:
            sign_in(page, address, path)
            page.wait_for_load_state("networkidle")

            if (needed := page.evaluate("document.documentElement.scrollWidth")) > width:
                wrong.append(f"{path} needs {needed} px")

            if (out := page.evaluate(_OUTSIDE)) != []:
                wrong.append(f"{path} lets out of its card: {out}")

    assert not wrong, "\n".join(wrong)


def _catalog() -> dict[str, t.Any]:
    limit = {"meter": "word", "included": 2_000_000, "policy": "overage", "overage_rate": 2000}

    def plan(key: str, name: str, rank: int, amount: int) -> dict[str, t.Any]:
        prices = [
            {"interval": "month", "amount": amount},
            {"interval": "year", "amount": amount * 10},
        ]
        features = [WORD, {"text": WORDS, "key": "words"}]
        parts = {"features": features, "prices": prices, "limits": [limit]}
        return {"key": key, "name": name, "rank": rank, **parts}

    return {
        "currency": "jpy",
        "meters": [{"key": "word", "name": WORD, "unit": WORD.lower()}],
        "plans": [
            plan("small", "Small", 1, 123_456),
            plan("words", WORDS, 2, 1_234_567),
            plan("word", WORD, 3, 9_876_543),
        ],
    }


def _add_bank_account(host: Host) -> None:
    with host.app.app_context():
        method = PaymentMethod(
            customer_id=host.customer().id,
            stripe_id="pm_account",
            type="us_bank_account",
            last4="6789",
            synced_at=clock.now(),
        )
        host.db.session.add(method)
        host.db.session.commit()


#: What is wider than its card, though nothing there is meant to scroll.
_OUTSIDE: t.Final = """() => [...document.querySelectorAll('.fb-card, .fb-plan-body')]
  .filter(card => card.checkVisibility() && card.scrollWidth > card.clientWidth)
  .map(card => card.textContent.trim().slice(0, 40))"""
