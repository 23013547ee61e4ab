"""A cassette played again: each request sent to a fresh sandbox at its recorded time."""

from __future__ import annotations

import collections.abc as c
from dataclasses import dataclass, field
from datetime import UTC, datetime

from flask_billing.sandbox import Sandbox
from flask_billing.sandbox.settings import Settings

from .cassettes import Body, Cassette, Exchange, objects_in
from .differences import Comparison, Difference
from .explained import Translation
from .ids import Ids
from .known import Known
from .references import catalog_of
from .staging import Stage
from .wire import Wire


@dataclass
class Played:
    """What came of it: how much was compared, what differs, and all bodies the sandbox made."""

    requests: int = 0
    fields: int = 0
    differences: list[Difference] = field(default_factory=list)
    bodies: list[Body] = field(default_factory=list)


def play(cassette: Cassette, known: Known, translations: c.Sequence[Translation]) -> Played:
    """Replay one cassette and compare every answer."""
    played = Played()
    catalog = catalog_of(cassette.exchanges, known)
    first = min([made for made, *_ in catalog if made], default=None)
    start = moment_of(cassette.exchanges[0], Ids())
    now = datetime.fromtimestamp(min(start, first or start), UTC)
    with Sandbox(now=now, settings=_settings(cassette)) as sandbox:
        wire, ids = Wire(sandbox), Ids()
        stage = Stage(sandbox, wire, ids, known)
        for made, kind, object_id in catalog:
            stage.wait_until(min(made, start))
            stage.ensure(kind, object_id, cassette.exchanges[0])
        for exchange in cassette.exchanges:
            _play_one(exchange, stage, wire, ids, translations, played)
        played.bodies += sandbox.events()
    return played


def _play_one(
    exchange: Exchange,
    stage: Stage,
    wire: Wire,
    ids: Ids,
    translations: c.Sequence[Translation],
    played: Played,
) -> None:
    stage.prepare(exchange)
    stage.wait_until(moment_of(exchange, ids))
    params = exchange.params
    for translation in translations:
        params = translation.applied(exchange, params)
    status, body = wire.send(exchange.method, ids.path(exchange.path), ids.params(params))
    compared = Comparison(ids, exchange.name, exchange.endpoint, exchange.api_version)
    compared.answers((exchange.status, status), exchange.body, body)
    played.requests += 1
    played.fields += compared.fields
    played.differences += compared.found
    played.bodies.append(body)


def moment_of(exchange: Exchange, ids: Ids) -> int:
    """When the real API did it: as what it made says, else when the answer came.

    The clock of who recorded may have been elsewhere; Stripe's never is.
    """
    made = [
        found["created"]
        for found in objects_in(exchange.body)
        if isinstance(found.get("created"), int)
        and exchange.method == "POST"
        and not ids.knows(found.get("id", ""))
        and found["object"] not in {"price", "plan", "product", "coupon", "promotion_code"}
    ]
    if made:
        return int(min(made))
    return int(exchange.recorded_at.timestamp())


def _settings(cassette: Cassette) -> Settings:
    """The name and country of the recorded account, as its invoices show them."""
    for exchange in cassette.exchanges:
        for found in objects_in(exchange.body):
            if found.get("account_name") and found.get("account_country"):
                return Settings(
                    account_name=found["account_name"], country=found["account_country"]
                )
    return Settings()
