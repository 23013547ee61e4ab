"""The language of the golden cases in ``tests/golden/webhooks``.

A case names its story, the rows to start with, steps and what holds in the end. In Stripe
objects ``{"like": "subscription", "items.data.0.price.id": "price_x"}`` is the object of that
name in ``tests/golden/webhook_objects.json`` with some fields changed, and ``"@2026-11-20"``
a moment in Stripe's Unix seconds.
"""

from __future__ import annotations

import collections.abc as c
import copy
import itertools
import json
import typing as t
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from flask_billing import Customer, webhooks
from flask_billing.access import access_for
from flask_billing.models import (
    Base,
    Checkout,
    CreditNote,
    Invoice,
    Outbox,
    PaymentMethod,
    StripePrice,
    Subscription,
    WebhookEvent,
)
from flask_billing.state import state

from ..stripe_double import CannedHost, StripeObject, event

Json = dict[str, t.Any]

FOLDER = Path(__file__).parent.parent / "golden"
OBJECTS: Json = json.loads((FOLDER / "webhook_objects.json").read_text(encoding="utf-8"))
NOW = "2026-11-20T12:00:00+00:00"

TABLES: t.Final[dict[str, type[Base]]] = {
    "customer": Customer,
    "subscription": Subscription,
    "invoice": Invoice,
    "credit_note": CreditNote,
    "payment_method": PaymentMethod,
    "checkout": Checkout,
    "price": StripePrice,
}

#: Columns that starting rows need not name.
STARTING: t.Final[dict[str, Json]] = {
    "customer": {"owner_type": "user", "created_at": NOW},
    "subscription": {
        "customer_id": 1, "status": "active", "quantity": 1, "currency": "usd", "synced_at": NOW,
    },
    "checkout": {
        "customer_id": 1, "plan": "starter", "interval": "month", "currency": "usd",
        "quantity": 1, "price": "price_starter", "trial_days": 0, "success_url": "/",
        "cancel_url": "/", "state": "open", "created_at": NOW,
        "expires_at": "2026-11-21T11:00:00+00:00",
    },
    "price": {"currency": "usd", "current": True, "synced_at": NOW},
    "payment_method": {"customer_id": 1, "type": "card", "synced_at": NOW},
    "invoice": {
        "customer_id": 1, "status": "open", "currency": "usd", "total": 2900,
        "amount_due": 2900, "amount_paid": 0, "issued_at": NOW, "synced_at": NOW,
    },
}  # fmt: skip


class Case(t.NamedTuple):
    """A golden case with its deliveries in one of its orders."""

    name: str
    content: Json
    order: tuple[int, ...]

    @property
    def catalog(self) -> Json | str | None:
        """The catalog of the case; None is the tests' usual one."""
        return t.cast("Json | str | None", self.content.get("catalog"))


def cases() -> list[Case]:
    """All cases, in every order of deliveries they ask for."""
    found = []

    for path in sorted((FOLDER / "webhooks").glob("*.json")):
        for content in json.loads(path.read_text(encoding="utf-8")):
            for order in _orders(content):
                suffix = "" if len(_orders(content)) == 1 else f" {order}"
                found.append(Case(f"{path.stem}: {content['story']}{suffix}", content, order))

    return found


def play(case: Case, host: CannedHost) -> None:
    """Run a case on an empty host and check what it expects."""
    with host.app.app_context():
        _insert(case.content.get("start", {}))

    steps = case.content["steps"]
    deliveries = [index for index, step in enumerate(steps) if "deliver" in step]
    turns = dict(zip(deliveries, (deliveries[place] for place in case.order), strict=True))

    for index in range(len(steps)):
        _take(steps[turns.get(index, index)], host)

    _check(case.content["expected"], host)


def moment_of(case: Case) -> datetime:
    """Business time during the case."""
    return datetime.fromisoformat(case.content.get("now", NOW))


def _orders(content: Json) -> list[tuple[int, ...]]:
    count = sum("deliver" in step for step in content["steps"])
    forward = tuple(range(count))
    wanted = content.get("orders")

    if wanted == "all":
        return list(itertools.permutations(forward))

    return [forward, forward[::-1]] if wanted == "both" else [forward]


def _insert(start: Json) -> None:
    session = state().db.session

    for table, rows in start.items():
        for row in rows:
            session.add(TABLES[table](**_typed(TABLES[table], STARTING[table] | row)))
            session.flush()

    session.commit()


def _typed(model: type[Base], row: Json) -> Json:
    """The row with moments where the table has them."""
    return {
        name: datetime.fromisoformat(value)
        if isinstance(value, str) and name.endswith(("_at", "_end", "_start", "_since", "anchor"))
        else value
        for name, value in row.items()
    }


def _take(step: Json, host: CannedHost) -> None:
    if "stripe" in step:
        host.stripe.put(*(_object(spec, host) for spec in step["stripe"]))
    elif "gone" in step:
        host.stripe.remove(step["gone"])
    elif "down" in step:
        host.stripe.fail(step["down"], times=3)  # the SDK tries three times
    elif "retry" in step:
        _retry(host)
    else:
        _deliver(step, host)


def _deliver(step: Json, host: CannedHost) -> None:
    sent = event(step["deliver"], _object(step["object"], host), **step.get("event", {}))
    sent["id"] = step.get("id", sent["id"])

    for _ in range(step.get("times", 1)):
        answer = host.deliver(sent)

    assert answer.status_code == step.get("answers", 200), answer.text
    assert answer.json is not None
    assert answer.json["outcome"] == step.get("outcome", answer.json["outcome"])


def _retry(host: CannedHost) -> None:
    with host.app.app_context():
        session = host.db.session
        long_ago = datetime.now(UTC) - timedelta(days=1)
        session.execute(
            sa.update(WebhookEvent)
            .where(WebhookEvent.next_attempt_at.is_not(None))
            .values(next_attempt_at=long_ago)
        )
        session.commit()
        webhooks.retry_due()


def _object(spec: Json | str, host: CannedHost) -> StripeObject:
    """An object as Stripe holds it, by its path, or one described."""
    if isinstance(spec, str):
        return copy.deepcopy(host.stripe.objects[spec])

    return described(spec)


def described(spec: Json) -> StripeObject:
    """The object a case describes by its likeness."""
    made: Json = _timed(copy.deepcopy(OBJECTS[spec["like"]]))

    for path, value in spec.items():
        if path != "like":
            _set(made, path.split("."), _timed(value))

    return made


def _set(holder: t.Any, path: list[str], value: object) -> None:
    *way, last = path

    for name in way:
        holder = holder[int(name)] if isinstance(holder, list) else holder.setdefault(name, {})

    if isinstance(holder, list):
        holder[int(last)] = value
    elif value == "(absent)":
        holder.pop(last, None)
    else:
        holder[last] = value


def _timed(value: t.Any) -> t.Any:
    """The value with ``"@..."`` as Unix seconds."""
    if isinstance(value, dict):
        return {name: _timed(held) for name, held in value.items()}

    if isinstance(value, list):
        return [_timed(held) for held in value]

    if isinstance(value, str) and value.startswith("@"):
        return int(datetime.fromisoformat(value[1:]).replace(tzinfo=UTC).timestamp())

    return value


def _check(expected: Json, host: CannedHost) -> None:
    with host.app.app_context():
        for table, rows in expected.get("rows", {}).items():
            assert _rows(table, rows) == rows, table

        if "inbox" in expected:
            assert _inbox(expected["inbox"]) == expected["inbox"]

        if "outbox" in expected:
            assert _outbox() == sorted(expected["outbox"])

        if "access" in expected:
            assert _access(expected["access"]) == expected["access"]


def _rows(table: str, wanted: c.Sequence[Json]) -> list[Json]:
    """The table's rows, each with the columns the expected row at its place names."""
    model = TABLES[table]
    found = state().db.session.scalars(sa.select(model).order_by(model.__table__.c.id)).all()
    assert len(found) == len(wanted), table
    return [
        {name: _plain(getattr(row, name)) for name in names}
        for row, names in zip(found, wanted, strict=True)
    ]


def _inbox(wanted: Json) -> Json:
    rows = state().db.session.execute(sa.select(WebhookEvent.stripe_id, WebhookEvent.state))
    return {row.stripe_id: row.state for row in rows if row.stripe_id in wanted}


def _outbox() -> list[str]:
    rows = state().db.session.execute(
        sa.select(Outbox.kind, Outbox.name, Outbox.customer_id).order_by(Outbox.id)
    )
    return sorted(
        f"{row.kind} {row.name}" + ("" if row.customer_id else " of nobody") for row in rows
    )


def _access(wanted: Json) -> Json:
    customer = state().db.session.get_one(Customer, wanted.get("customer", 1))
    access = access_for(customer)
    limits = (
        access.plan.limits_for(trialing=access.trialing)
        if access.plan
        else state().catalog.default_limits
    )
    found = {
        "customer": customer.id,
        "allowed": access.allowed,
        "plan": access.plan.key if access.plan else None,
        "reason": access.reason,
        "until": _plain(access.until),
        "limits": {limit.meter: limit.included for limit in limits},
    }
    return {name: found[name] for name in wanted}


def _plain(value: object) -> object:
    return value.strftime("%Y-%m-%dT%H:%M:%S") if isinstance(value, datetime) else value
