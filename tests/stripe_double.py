"""Stripe answered from memory, and deliveries signed as Stripe signs them.

For what has to be exact and fast: golden cases, faults of single requests, benchmarks.
Stories that need Stripe to behave run on the sandbox.
"""

from __future__ import annotations

import collections.abc as c
import copy
import dataclasses
import hmac
import itertools
import json
import time
import typing as t
import urllib.parse
from pathlib import Path

import stripe
from flask import Flask
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase
from werkzeug.test import TestResponse

from flask_billing import Billing
from flask_billing.clock import Source
from flask_billing.database import close
from flask_billing.extension import CatalogSource
from flask_billing.state import BillingState

from . import tables
from .patience import patient

StripeObject = dict[str, t.Any]

API_KEY = "sk_test_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests"
WEBHOOK_PATH = "/billing/webhooks/stripe"
LADDER = Path(__file__).parent / "catalogs" / "ladder.toml"

#: Kind of object -> where it is read.
PATHS: t.Final = {
    "subscription": "/v1/subscriptions",
    "invoice": "/v1/invoices",
    "customer": "/v1/customers",
    "payment_method": "/v1/payment_methods",
    "checkout.session": "/v1/checkout/sessions",
    "product": "/v1/products",
    "invoice_payment": "/v1/invoice_payments",
    "credit_note": "/v1/credit_notes",
}

#: Kinds that are asked for as lists.
LISTED: t.Final = ("/v1/invoice_payments", "/v1/credit_notes")


@dataclasses.dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    form: dict[str, list[str]]
    headers: c.Mapping[str, str]


@dataclasses.dataclass
class Fault:
    """An answer instead of the right one: a status with a body, or no answer at all."""

    status: int | None
    body: object = dataclasses.field(default_factory=dict)
    times: int = 1


class CannedStripe(stripe.HTTPClient):
    """An HTTP client of the SDK that answers from the objects it was given."""

    name = "canned"

    def __init__(self, *objects: StripeObject) -> None:
        super().__init__()
        self.objects: dict[str, StripeObject] = {}
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        #: Called with each request before it is answered, to wait or to raise.
        self.before_answer: c.Callable[[Request], object] | None = None
        #: Called with each answer before it is given back: when it has been read.
        self.before_return: c.Callable[[Request], object] | None = None
        self._answers: dict[str, str] = {}
        self.put(*objects)

    def put(self, *objects: StripeObject) -> None:
        """Hold these objects, in place of those with the same id."""
        for held in objects:
            self.objects[f"{PATHS[held['object']]}/{held['id']}"] = copy.deepcopy(held)

        self._answers.clear()

    def remove(self, path: str) -> None:
        """Know nothing of it any more."""
        del self.objects[path]
        self._answers.clear()

    def fail(self, status: int | None, body: object = None, *, times: int = 1) -> None:
        """Answer the next requests so; None breaks the connection."""
        self.faults.append(Fault(status, body or {"error": {"type": "api_error"}}, times))

    def request(
        self,
        method: str,
        url: str,
        headers: c.Mapping[str, str] | None,
        post_data: t.Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, c.Mapping[str, str]]:
        """Answer one request of the SDK."""
        parts = urllib.parse.urlsplit(url)
        query = urllib.parse.parse_qs(parts.query)
        form = urllib.parse.parse_qs(post_data or "")
        received = Request(method.upper(), parts.path, query, form, headers or {})
        self.requests.append(received)

        if self.before_answer is not None:
            self.before_answer(received)

        body, status = self._faulty() or self._answer(received, url)

        if self.before_return is not None:
            self.before_return(received)

        return body, status, {"request-id": f"req_{len(self.requests)}"}

    def close(self) -> None:
        """Nothing is held open."""

    def _sleep_time_seconds(self, num_retries: int) -> float:
        return 0.0

    def _faulty(self) -> tuple[str, int] | None:
        if not self.faults:
            return None

        fault = self.faults[0]
        fault.times -= 1

        if fault.times == 0:
            self.faults.pop(0)

        if fault.status is None:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                "Connection refused", should_retry=True
            )

        text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
        return text, fault.status

    def _answer(self, request: Request, url: str) -> tuple[str, int]:
        if (known := self._answers.get(url)) is not None:
            return known, 200

        held = self.objects.get(request.path)

        if request.method == "GET" and request.path in LISTED:
            return json.dumps({"object": "list", "data": self._listed(request)}), 200

        if request.method != "GET" or held is None:
            name = request.path.rpartition("/")[2]
            return json.dumps({"error": _not_found(name)}), 404

        paths = sorted(value for key, values in request.query.items() for value in values)
        found = copy.deepcopy(held)

        for path in paths:
            self._expand(found, path.split("."))

        answer = self._answers[url] = json.dumps(found)
        return answer, 200

    def _listed(self, request: Request) -> list[StripeObject]:
        """What is held of that kind and meets the filters, as ``payment[payment_intent]``."""
        found = [held for path, held in self.objects.items() if path.startswith(request.path)]

        for name, (value, *_further) in request.query.items():
            if not name.startswith(("limit", "expand")):
                way = name.replace("]", "").split("[")
                found = [held for held in found if _at(held, way) == value]

        return found

    def _expand(self, holder: t.Any, path: list[str]) -> None:
        """Put the object in the place of its id, where the path leads to one."""
        name, *rest = path

        if not isinstance(holder, dict) or holder.get(name) is None:
            return

        if isinstance(holder[name], list):
            holder[name] = [self._found(entry) for entry in holder[name]]
            return

        holder[name] = self._found(holder[name])

        if rest:
            self._expand(holder[name], rest)

    def _found(self, reference: t.Any) -> t.Any:
        for path, held in self.objects.items():
            if isinstance(reference, str) and path.endswith(f"/{reference}"):
                return copy.deepcopy(held)

        return reference


def _at(holder: t.Any, way: list[str]) -> object:
    """What stands there, by its id where it is an object."""
    for name in way:
        holder = holder.get(name) if isinstance(holder, dict) else None

    return holder["id"] if isinstance(holder, dict) else holder


@dataclasses.dataclass
class CannedHost:
    """An app whose Stripe is canned."""

    app: Flask
    db: SQLAlchemy
    billing: Billing
    stripe: CannedStripe

    @property
    def state(self) -> BillingState:
        """What the app knows of its billing."""
        found: BillingState = self.app.extensions["billing"]
        return found

    def deliver(self, event: StripeObject, **options: t.Any) -> TestResponse:
        """Post an event to the app's route, signed."""
        return deliver(self.app.test_client(), event, **options)

    def close(self) -> None:
        """Give back all connections."""
        with self.app.app_context():
            close(self.state)
            self.db.session.remove()
            self.db.engine.dispose()


def canned_host(
    database_url: str,
    *objects: StripeObject,
    catalog: CatalogSource = LADDER,
    now: Source | None = None,
    create: bool = True,
    **settings: object,
) -> CannedHost:
    """A host app with billing on a canned Stripe, its tables created.

    :param create: whether to create the tables, or leave an existing database alone.
    """

    class HostBase(DeclarativeBase):
        """The host's own declarative base."""

    app = Flask("canned_host")
    app.config.update(
        SQLALCHEMY_DATABASE_URI=database_url,
        SECRET_KEY="of the tests",
        **{**patient(database_url), **settings},
    )
    db = SQLAlchemy(app, model_class=HostBase)
    billing = Billing(db=db, catalog=catalog)
    billing.init_app(app)
    canned = CannedStripe(*objects)
    app.extensions["billing"].use_stripe(
        http_client=lambda: canned, api_key=API_KEY, webhook_secrets=(WEBHOOK_SECRET,), now=now
    )

    if create:
        with app.app_context():
            tables.create(db)

    return CannedHost(app, db, billing, canned)


_event_numbers = itertools.count(1)


def event(kind: str, about: StripeObject, **fields: object) -> StripeObject:
    """An event as Stripe renders it."""
    return {
        "id": f"evt_{next(_event_numbers)}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        "data": {"object": about},
        **fields,
    }


def signature(body: bytes, secret: str = WEBHOOK_SECRET, at: float | None = None) -> str:
    """The ``Stripe-Signature`` header of a body.

    :param at: when it is signed, in seconds; now if not given.
    """
    timestamp = int(time.time() if at is None else at)
    digest = hmac.digest(secret.encode(), b"%d." % timestamp + body, "sha256").hex()
    return f"t={timestamp},v1={digest}"


def deliver(
    client: FlaskClient,
    event: StripeObject,
    *,
    secret: str = WEBHOOK_SECRET,
    at: float | None = None,
) -> TestResponse:
    """Post an event, signed."""
    body = json.dumps(event).encode()
    return client.post(
        WEBHOOK_PATH,
        data=body,
        headers={"Stripe-Signature": signature(body, secret, at)},
        content_type="application/json",
    )


def _not_found(name: str) -> StripeObject:
    return {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "message": f"No such object: '{name}'",
    }
