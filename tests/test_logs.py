"""What our log lines tell: what went wrong, in a stable form, and nothing of people and secrets."""

from __future__ import annotations

import ast
import datetime as dt
import json
import logging
import re
import smtplib
import typing as t
from pathlib import Path

import pytest
from flask_mailman import Mail

import flask_billing
from flask_billing import billing_details, notifications
from flask_billing.invoices import payment
from flask_billing.models import Invoice, Outbox
from flask_billing.retention import acceptance
from flask_billing.subscriptions import intents

from .host import Host, make_host
from .retention.shop import catalog, settle
from .subscriptions.leaving import use_card
from .views.person import Person

PAGE: t.Final = Path(__file__).parents[1] / "docs" / "production.md"
LEVELS: t.Final = ("debug", "info", "warning", "error", "exception", "critical")
COMMENT: t.Final = "My diary says it is too dear"
NOW: t.Final = dt.timedelta(0)
TYPED: t.Final = {
    "name": "Ada Secretive",
    "email": "ada@secretive.example",
    "line1": "1 Hidden Lane",
    "city": "Bonn",
    "country": "DE",
}


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_no_line_names_a_person_a_card_or_a_secret(
    sqlite_url: str, told: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(
        sqlite_url, catalog(), MAIL_BACKEND="locmem", BILLING_BASE_URL="https://host.example"
    )
    Mail(host.app)
    monkeypatch.setattr("flask_mailman.EmailMultiAlternatives.send", _refused)
    person = settle(host)
    secrets = [host.sandbox.publishable_key, *host.state.stripe.webhook_secrets]
    secrets += _carry_on(host, person)
    _run_jobs(host)
    lines = [line for line in map(_line, told.records) if line.startswith("flask_billing")]
    host.close()

    assert any("did not leave" in line for line in lines), "or nothing was looked at"
    secrets += [*TYPED.values(), COMMENT, "user1@example.com", "User 1", "4242", person.token]
    # Whole words, as the letters of a country may be in any id.
    told_of = re.compile("|".join(rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in secrets))
    wrong = {line for line in lines if told_of.search(line)}
    assert wrong == set()
    assert [line for line in lines if re.search(r"_secret_|\b[sp]k_|whsec_|[?&]\w+=", line)] == []


def test_the_formatter_of_the_documentation_writes_every_record(
    sqlite_url: str, told: pytest.LogCaptureFixture
) -> None:
    host = make_host(sqlite_url, catalog(), BILLING_BASE_URL="https://host.example")
    _carry_on(host, settle(host))
    host.close()
    [code] = re.findall(r"```python\n(import json\n.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, t.Any] = {}
    exec(code, names)  # noqa: S102 - our own page
    records = [one for one in told.records if one.name.startswith("flask_billing.")]
    lines = [json.loads(names["JsonFormatter"]().format(record)) for record in records]

    assert len(lines) > 5
    assert {line["event"] for line in lines} <= set(_texts())
    assert all(isinstance(line["values"], list | dict | None) for line in lines)


def test_texts_are_constant_and_the_documentation_lists_the_loggers() -> None:
    assert all(isinstance(text, str) for text in _texts()), "values go beside the text"
    source = "".join(file.read_text() for file in _modules())
    used = set(re.findall(r'getLogger\("flask_billing\.(\w+)"\)', source))
    listed = PAGE.read_text().partition("## Logs")[2].partition("Each record")[0]
    assert set(re.findall(r"`(\w+)`", listed)) - {"logging"} == used


def _texts() -> list[object]:
    """What is written by each call of a logger; None where that is no constant."""
    return [
        call.args[0].value if isinstance(call.args[0], ast.Constant) else None
        for file in _modules()
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and re.match(r"(\w+\.)?log\.\w+\(.", ast.unparse(call))
        and call.func.attr in LEVELS  # type: ignore[attr-defined]
    ]


def _modules() -> list[Path]:
    """Ours, but for the sandbox, which is no part of production."""
    package = Path(flask_billing.__file__).parent
    return [file for file in package.rglob("*.py") if "sandbox" not in file.parts]


def _carry_on(host: Host, person: Person) -> list[str]:
    """Do what customers do, half of it while Stripe is down; the secrets met on the way."""
    cards = "/billing/payment-methods"
    person.open(f"{cards}/add")
    met = [person.press(f"{cards}/setup-intent").get_json()["client_secret"]]
    person.press("/billing/address", htmx=False, token=None, **TYPED)
    page = person.open("/billing/change?plan=pro").text
    quote = re.search(r'name="quote" value="([^"]+)"', page)
    assert quote is not None
    met.append(quote[1])
    use_card(host, "pm_card_chargeCustomerFail")
    assert person.press("/billing/change", quote=quote[1]).status_code == 402

    with host.sandbox.outage():
        person.press("/billing/address", htmx=False, token=None, **{**TYPED, "city": "Berlin"})
        person.press(f"{cards}/setup-intent")
        person.open("/billing/upcoming")
        assert person.press("/billing/cancel", comment=COMMENT).status_code == 503
        _run_jobs(host)

    # What Stripe says of a request it refuses may quote it.
    host.sandbox.fail("POST", "/v1/subscriptions/{id}", times=1, status=400, message=COMMENT)
    host.sandbox.fail("POST", "/v1/customers/{id}", times=1, status=400, message=TYPED["email"])
    _run_jobs(host)
    _run_jobs(host)
    host.sandbox.clock.advance(days=40)
    host.sandbox.webhooks.deliver()
    owed: Invoice = host.rows(Invoice)[-1]
    person.press(f"/billing/invoices/{owed.stripe_id}/pay")
    person.open(f"/billing/invoices/{owed.stripe_id}/view")
    host.app.test_client().post("/billing/webhooks/stripe", data=TYPED["email"])
    assert host.rows(Outbox, kind="mail") != []
    return met


def _run_jobs(host: Host) -> None:
    """What the jobs do, without waiting for it."""
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        intents.finish_open(min_age=NOW)
        billing_details.finish_open(min_age=NOW)
        payment.finish_open(min_age=NOW)
        acceptance.finish_open(min_age=NOW)
        notifications.send_waiting()


def _refused(message: t.Any, *_further: object) -> None:
    """As mail servers answer for an address they do not know."""
    raise smtplib.SMTPRecipientsRefused({message.to[0]: (550, b"no such user")})


def _line(record: logging.LogRecord) -> str:
    """A record as a handler writes it, with its traceback."""
    return f"{record.name}: {logging.Formatter().format(record)}"
