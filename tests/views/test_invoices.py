"""The invoice history: pages of it, filters, links to Stripe, and paying what is open."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import re
import typing as t

import pytest

from flask_billing.models import Customer, CustomerChange, Invoice

from ..host import Host
from ..invoices.debtor import ASKS_THE_BANK, DECLINED_LATER, charges, in_debt
from .person import Person, words

MakeApp = c.Callable[..., Host]

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def billed(host: Host, count: int, *, owner_id: str = "1", **columns: t.Any) -> None:
    """Invoices of a customer, a day apart; ``in_<owner>_0`` is the oldest."""
    with host.app.app_context():
        customer = host.customer(owner_id)

        for number in range(count):
            values: dict[str, t.Any] = {
                "stripe_id": f"in_{owner_id}_{number}",
                "number": f"A{owner_id}-{number:04}",
                "status": "paid",
                "currency": "usd",
                "total": 2900,
                "amount_due": 2900,
                "amount_paid": 2900,
                "issued_at": NOW + dt.timedelta(days=number),
                "synced_at": NOW,
            }
            host.db.session.add(Invoice(customer_id=customer.id, **values | columns))

        host.db.session.commit()


def bought(host: Host) -> tuple[Person, Invoice]:
    """A customer of Starter, and their first invoice."""
    person = Person(host)
    person.buy("starter")
    host.sandbox.webhooks.deliver()
    (invoice,) = host.rows(Invoice)
    return person, invoice


def shown(html: str) -> list[str]:
    """The numbers of the invoices in a page, from the top down."""
    return re.findall(r"<bdi>(A\d+-\d+)</bdi>", html)


def more(html: str) -> str | None:
    """Where "Load more" leads."""
    found = re.search(r'href="([^"]+)"[^>]*>Load more', html)
    return found and found[1].replace("&amp;", "&")


def test_the_history_is_read_page_by_page_without_scripts(any_host: Host) -> None:
    billed(any_host, 45)
    person = Person(any_host)
    address: str | None = "/billing/invoices"
    pages = []

    while address is not None:
        page = person.open(address)
        pages.append(shown(page.text))
        address = more(page.text)

    assert [len(page) for page in pages] == [20, 20, 5]
    seen = [number for page in pages for number in page]
    assert seen == [f"A1-{number:04}" for number in reversed(range(45))]


def test_load_more_adds_rows_and_replaces_its_link(host: Host) -> None:
    billed(host, 21)
    person = Person(host)
    first = person.open("/billing/invoices")
    assert "20 of 21 invoices" in words(first)

    rest = person.open(more(first.text) or "", htmx=True)

    assert shown(rest.text) == ["A1-0000"]
    assert rest.text.lstrip().startswith("<tbody")
    assert 'tabindex="-1" autofocus' in rest.text
    assert '<span id="fb-inv-shown" hx-swap-oob="true">21 invoices</span>' in rest.text
    assert '<div id="fb-inv-more" hx-swap-oob="true"></div>' in rest.text
    assert "<html" not in rest.text


def test_invoices_of_one_moment_are_all_shown_once(any_host: Host) -> None:
    billed(any_host, 30, issued_at=NOW)
    person = Person(any_host)
    first = person.open("/billing/invoices")
    second = person.open(more(first.text) or "")

    assert sorted(shown(first.text) + shown(second.text)) == [f"A1-{n:04}" for n in range(30)]


def test_one_that_arrives_meanwhile_moves_nothing(host: Host) -> None:
    billed(host, 25)
    person = Person(host)
    first = person.open("/billing/invoices")
    billed(host, 1, stripe_id="in_new", number="A1-9999", issued_at=NOW + dt.timedelta(days=99))

    second = person.open(more(first.text) or "", htmx=True)

    assert shown(second.text) == [f"A1-{number:04}" for number in reversed(range(5))]


STATUSES: list[tuple[dict[str, t.Any], str]] = [
    ({"status": "paid"}, "Paid"),
    ({"status": "open", "amount_paid": 0, "due_at": NOW}, "Due Nov 20, 2026"),
    ({"status": "open", "amount_paid": 0, "attempt_count": 1}, "Payment failed"),
    ({"status": "draft", "number": None, "amount_paid": 0}, "Draft"),
    ({"status": "void"}, "Void"),
    ({"status": "uncollectible", "amount_paid": 0}, "Uncollectible"),
    ({"status": "paid", "amount_refunded": 2900}, "Refunded"),
    ({"status": "paid", "amount_refunded": 500}, "Partly refunded"),
]


@pytest.mark.parametrize(("columns", "word"), STATUSES)
def test_every_status_is_a_word(host: Host, columns: dict[str, t.Any], word: str) -> None:
    billed(host, 1, **columns)
    page = Person(host).open("/billing/invoices")

    assert word in words(page)
    assert ("/pdf" in page.text) == (columns["status"] != "draft")
    assert ("Pay $29.00" in words(page)) == (columns["status"] in ("open", "uncollectible"))


def test_a_line_says_what_for_and_for_which_days(host: Host) -> None:
    billed(
        host,
        1,
        description="1 × Starter (at $29.00 / month)",
        period_start=NOW,
        period_end=NOW.replace(month=12),
    )

    page = words(Person(host).open("/billing/invoices"))
    assert "1 × Starter (at $29.00 / month)" in page
    assert "Nov 20 – Dec 20, 2026" in page


@pytest.mark.parametrize(
    ("only", "seen"),
    [("", 5), ("unpaid", 2), ("paid", 1), ("refunded", 1), ("void", 1)],
)
def test_a_filter_shows_some(any_host: Host, only: str, seen: int) -> None:
    kinds: list[dict[str, t.Any]] = [
        {"status": "open", "amount_paid": 0},
        {"status": "uncollectible", "amount_paid": 0},
        {"status": "paid"},
        {"status": "paid", "amount_refunded": 100},
        {"status": "void"},
    ]

    for number, columns in enumerate(kinds):
        billed(any_host, 1, stripe_id=f"in_{number}", number=f"A1-{number}", **columns)

    person = Person(any_host)
    page = person.open(f"/billing/invoices?status={only}")
    part = person.open(f"/billing/invoices?status={only}", htmx=True)

    assert len(shown(page.text)) == len(shown(part.text)) == seen
    assert part.text.lstrip().startswith('<div id="fb-invoices"')
    assert f'value="{only}" selected' in page.text


def test_a_filter_goes_on_over_pages(host: Host) -> None:
    billed(host, 22, status="void")
    address = more(Person(host).open("/billing/invoices?status=void").text) or ""

    assert "status=void" in address
    assert len(shown(Person(host).open(address).text)) == 2


def test_an_empty_history_says_when_the_first_comes(host: Host) -> None:
    person = Person(host)

    assert "Your first one appears after your first payment." in words(
        person.open("/billing/invoices")
    )
    assert "No unpaid invoices." in words(person.open("/billing/invoices?status=unpaid"))


def test_a_database_that_fails_is_said(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    person = Person(host)
    person.open("/billing/")

    with host.app.app_context(), host.db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE billing_invoice RENAME TO elsewhere")

    page = person.open("/billing/invoices")
    assert page.status_code == 503
    assert "We couldn't load your invoices. Try again" in words(page)


@pytest.mark.parametrize(
    "query", ["status=gold", "cursor=in_2_0", "cursor=in_unknown", "cursor=%00", "status=%ff"]
)
def test_addresses_that_show_nothing_of_yours_are_not_found(any_host: Host, query: str) -> None:
    billed(any_host, 1, owner_id="2")

    assert Person(any_host).open(f"/billing/invoices?{query}").status_code == 404


def test_pdf_and_page_lead_to_links_fetched_now(host: Host) -> None:
    person, invoice = bought(host)
    host.sandbox.forget_requests()

    for what in ("pdf", "view"):
        answer = person.open(f"/billing/invoices/{invoice.stripe_id}/{what}")
        assert answer.status_code == 303
        assert "/sandbox/stripe/" in answer.headers["Location"]
        assert answer.headers["Cache-Control"] == "private, no-store"

    asked = [request.path for request in host.sandbox.requests]
    assert asked == [f"/v1/invoices/{invoice.stripe_id}"] * 2
    followed = person.open(answer.headers["Location"].removeprefix("http://localhost"))
    assert "Starter" in words(followed)


def test_a_link_to_anywhere_else_is_not_followed(host: Host) -> None:
    person, first = bought(host)
    host.sandbox.public_url = "https://evil.example"
    host.sandbox.clock.advance(days=32)
    host.sandbox.webhooks.deliver()
    invoice = host.rows(Invoice)[-1]
    assert invoice.stripe_id != first.stripe_id

    assert person.open(f"/billing/invoices/{invoice.stripe_id}/pdf").status_code == 404
    assert person.open(f"/billing/invoices/{invoice.stripe_id}/view").status_code == 404


def test_invoices_outlive_their_customer_at_stripe(any_host: Host) -> None:
    person, invoice = bought(any_host)
    [customer] = any_host.rows(Customer)
    any_host.sandbox.client().v1.customers.delete(customer.stripe_id)
    any_host.sandbox.webhooks.deliver()

    assert person.open(f"/billing/invoices/{invoice.stripe_id}/pdf").status_code == 303
    person.buy("pro")
    any_host.sandbox.webhooks.deliver()
    assert person.open(f"/billing/invoices/{invoice.stripe_id}/view").status_code == 303


def test_what_stripe_says_is_another_customers_is_not_shown(any_host: Host) -> None:
    _, invoice = bought(any_host)
    stranger = Person(any_host, "2")
    stranger.open("/billing/invoices")

    with any_host.app.app_context():  # a row that went wrong
        any_host.db.session.get_one(Invoice, invoice.id).customer_id = any_host.customer("2").id
        any_host.db.session.commit()

    assert stranger.open(f"/billing/invoices/{invoice.stripe_id}/pdf").status_code == 404


def test_somebody_elses_invoice_is_nobodys_business(any_host: Host) -> None:
    invoice = in_debt(any_host)
    stranger = Person(any_host, "2")
    stranger.open("/billing/invoices")
    stranger.open("/billing/plans")
    before = charges(any_host)

    for number in (invoice.stripe_id, "in_unknown", "%00", "..%2fcustomers"):
        assert stranger.open(f"/billing/invoices/{number}/pdf").status_code == 404
        assert stranger.open(f"/billing/invoices/{number}/view").status_code == 404
        assert stranger.press(f"/billing/invoices/{number}/pay").status_code == 404

    assert charges(any_host) == before
    assert any_host.rows(CustomerChange) == []


def test_an_open_invoice_is_paid_without_scripts(any_host: Host) -> None:
    invoice = in_debt(any_host)
    person = Person(any_host)
    assert "Pay $29.00" in words(person.open("/billing/invoices"))

    answer = person.press(f"/billing/invoices/{invoice.stripe_id}/pay")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/billing/invoices")
    page = words(person.open("/billing/invoices"))
    assert "Paid $29.00. Thank you." in page
    assert "Pay $29.00" not in page


def test_with_scripts_its_line_is_replaced_and_the_page_told(host: Host) -> None:
    invoice = in_debt(host)
    person = Person(host)
    person.open("/billing/invoices")

    answer = person.press(f"/billing/invoices/{invoice.stripe_id}/pay", htmx=True)

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith(
        f'<tbody class="fb-inv-one" id="fb-inv-{invoice.stripe_id}"'
    )
    assert "Paid" in words(answer)
    assert "/pay" not in answer.text
    assert 'id="fb-inv-banner" hx-swap-oob="true"></div>' in answer.text
    assert 'hx-swap-oob="beforeend:#fb-toasts"' in answer.text
    assert answer.headers["HX-Trigger"] == "billing:changed"


def test_a_decline_says_so_and_leaves_the_button(host: Host) -> None:
    invoice = in_debt(host, card=DECLINED_LATER)
    person = Person(host)
    person.open("/billing/invoices")

    page = person.press(f"/billing/invoices/{invoice.stripe_id}/pay")
    line = person.press(f"/billing/invoices/{invoice.stripe_id}/pay", htmx=True)

    assert page.status_code == line.status_code == 402
    assert "Nothing was charged." in words(page)
    assert "Nothing was charged." in words(line)
    assert "Pay $29.00" in words(line)
    assert 'hx-swap-oob="beforeend:#fb-alerts"' in line.text


def test_a_bank_that_asks_first_is_led_to(host: Host) -> None:
    invoice = in_debt(host, card=ASKS_THE_BANK)
    person = Person(host)
    person.open("/billing/invoices")

    page = person.press(f"/billing/invoices/{invoice.stripe_id}/pay")
    line = person.press(f"/billing/invoices/{invoice.stripe_id}/pay", htmx=True)

    for answer in (page, line):
        assert answer.status_code == 402
        assert "You haven't been charged yet." in words(answer)
        assert f'href="/billing/invoices/{invoice.stripe_id}/view"' in answer.text
        assert "data-fb-client-secret" in answer.text


def test_a_button_elsewhere_pays_and_shows_the_overview(host: Host) -> None:
    invoice = in_debt(host)
    person = Person(host)
    person.open("/billing/invoices")
    path = f"/billing/invoices/{invoice.stripe_id}/pay?to=overview"

    answer = person.press(path, htmx=True)

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/billing/")
    assert "Paid $29.00. Thank you." in words(person.open("/billing/"))
    assert person.press(path).headers["Location"] == "/billing/"


def test_a_button_elsewhere_leads_to_a_page_to_confirm_on(host: Host) -> None:
    invoice = in_debt(host, card=ASKS_THE_BANK)
    person = Person(host)
    person.open("/billing/invoices")
    path = f"/billing/invoices/{invoice.stripe_id}"

    there = person.press(f"{path}/pay?to=overview", htmx=True).headers["HX-Redirect"]
    page = person.open(there)

    assert there == f"{path}/confirm"
    assert page.status_code == 200
    assert "You haven't been charged yet." in words(page)
    assert "data-fb-client-secret" in page.text
    assert Person(host, "2").open(there).status_code == 404

    host.sandbox.client().v1.invoices.void_invoice(invoice.stripe_id)
    assert person.open(there).status_code == 409


def test_a_decline_of_a_button_elsewhere_is_an_alert(host: Host) -> None:
    invoice = in_debt(host, card=DECLINED_LATER)
    person = Person(host)
    person.open("/billing/invoices")
    path = f"/billing/invoices/{invoice.stripe_id}/pay?to=overview"
    answer = person.press(path, htmx=True)

    assert answer.status_code == 402
    assert answer.headers["HX-Reswap"] == "none"
    assert "Nothing was charged." in words(answer)


def test_without_scripts_the_bank_is_asked_from_the_page_at_stripe(host: Host) -> None:
    invoice = in_debt(host, card=ASKS_THE_BANK)
    person = Person(host)
    person.open("/billing/invoices")
    person.press(f"/billing/invoices/{invoice.stripe_id}/pay")
    there = person.open(f"/billing/invoices/{invoice.stripe_id}/view").headers["Location"]
    hosted = there.removeprefix("http://localhost")
    assert "Confirm with your bank" in words(person.open(hosted))

    bank = person.client.post(hosted, data={"do": "confirm"}).headers["Location"]
    path, _, secret = bank.partition("?client_secret=")
    person.client.post(path, data={"client_secret": secret, "answer": "complete"})
    host.sandbox.webhooks.deliver()

    assert host.rows(Invoice, stripe_id=invoice.stripe_id)[0].status == "paid"


def test_while_stripe_is_silent_nobody_says_that_nothing_was_charged(host: Host) -> None:
    invoice = in_debt(host)
    person = Person(host)
    person.open("/billing/invoices")

    with host.sandbox.outage():
        answer = person.press(f"/billing/invoices/{invoice.stripe_id}/pay", htmx=True)

    assert answer.status_code == 503
    assert "you can't be charged twice" in words(answer)
    assert "Nothing was" not in words(answer)
    assert person.press(f"/billing/invoices/{invoice.stripe_id}/pay").status_code == 303


def test_a_void_invoice_has_nothing_to_pay(host: Host) -> None:
    billed(host, 1, status="void")
    person = Person(host)
    person.open("/billing/plans")
    person.choose("starter")

    assert person.press("/billing/invoices/in_1_0/pay").status_code == 409


def test_only_those_who_may_manage_billing_pay(host: Host) -> None:
    invoice = in_debt(host)
    person = Person(host)
    person.open("/billing/invoices")
    host.billing.can_manage_billing(lambda: False)

    assert "Pay $29.00" not in words(person.open("/billing/invoices"))
    assert person.press(f"/billing/invoices/{invoice.stripe_id}/pay").status_code == 403


def test_refunds_and_credit_notes_are_shown(any_host: Host) -> None:
    person, invoice = bought(any_host)
    client = any_host.sandbox.client()
    client.v1.credit_notes.create(
        {"invoice": invoice.stripe_id, "amount": 500, "refund_amount": 500}
    )
    any_host.sandbox.webhooks.deliver()
    page = person.open("/billing/invoices")

    assert "Partly refunded" in words(page)
    assert "$5.00 refunded" in words(page)
    assert "-$5.00" in words(page)
    link = re.search(r"/billing/invoices/credit-notes/cn_\w+/pdf", page.text)
    assert link is not None
    assert person.open(link[0]).status_code == 303
    assert Person(any_host, "2").open(link[0]).status_code == 404

    payments = client.v1.invoice_payments.list({"invoice": invoice.stripe_id}).data
    intent = payments[0].payment.payment_intent
    assert isinstance(intent, str)
    client.v1.refunds.create({"payment_intent": intent})
    any_host.sandbox.webhooks.deliver()

    assert "$29.00 refunded" in words(person.open("/billing/invoices"))
    assert any_host.rows(Invoice)[0].amount_refunded == 2900


def test_the_overview_leads_to_all_invoices(host: Host) -> None:
    person, _invoice = bought(host)

    assert 'href="/billing/invoices">All invoices' in person.open("/billing/").text
