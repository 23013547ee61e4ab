"""A cassette played again: each request sent to a fresh sandbox at its recorded time."""

from __future__ import annotations

import collections.abc as c
from contextlib import suppress
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
from .staging import NotStagedError, Stage
from .wire import Wire

#: Made long before a cassette, and shown in it.
UNDATED = {"price", "plan", "product", "coupon", "promotion_code"}


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
    start = _start_of(cassette)
    catalog = catalog_of(cassette.exchanges, known, start)
    first = min([made for made, *_ in catalog if made], default=None)
    now = datetime.fromtimestamp(min(start, first or start), UTC)
    with Sandbox(now=now, settings=_settings(cassette)) as sandbox:
        wire, ids = Wire(sandbox), Ids()
        stage = Stage(sandbox, wire, ids, known)
        for made, kind, object_id in catalog:
            stage.wait_until(min(made, start))
            with suppress(NotStagedError):  # told of when a request names it
                stage.ensure(kind, object_id, cassette.exchanges[0])
        stage.wait_until(start)
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
    compared = Comparison(ids, exchange.name, exchange.endpoint, exchange.api_version)
    played.requests += 1
    try:
        stage.prepare(exchange)
    except NotStagedError as error:
        compared.answers((exchange.status, 0), {}, {"id": f"not staged, {error}"})
        played.fields += compared.fields
        played.differences += compared.found
        return
    stage.follow(moment_of(exchange, ids), exchange.recorded_at)
    params = exchange.params
    for translation in translations:
        params = translation.applied(exchange, params)
    status, body = wire.send(exchange.method, ids.path(exchange.path), ids.params(params))
    compared.answers((exchange.status, status), exchange.body, body)
    played.fields += compared.fields
    played.differences += compared.found
    played.bodies.append(body)


def moment_of(exchange: Exchange, ids: Ids) -> int | None:
    """When the real API acted, if its answer tells: by what it made.

    Who recorded may have set their own clock to another day; Stripe's never is.
    """
    if exchange.method != "POST":
        return None
    made = [found for found in _dated(exchange) if not ids.knows(found.get("id", ""))]
    if made and made[0] is exchange.body:
        return int(exchange.body["created"])
    return max((int(found["created"]) for found in made), default=None)


def _dated(exchange: Exchange) -> list[Body]:
    return [
        found
        for found in objects_in(exchange.body)
        if isinstance(found.get("created"), int) and found["object"] not in UNDATED
    ]


def _start_of(cassette: Cassette) -> int:
    """The oldest moment in a cassette; by the recorder's clock when no answer tells one."""
    told = [found["created"] for exchange in cassette.exchanges for found in _dated(exchange)]
    return int(min(told, default=cassette.exchanges[0].recorded_at.timestamp()))


def _settings(cassette: Cassette) -> Settings:
    """The name of the recorded account, as its invoices and sessions show it."""
    for exchange in cassette.exchanges:
        for found in objects_in(exchange.body):
            shown = (found.get("branding_settings") or {}).get("display_name")
            if name := found.get("account_name") or shown:
                return Settings(account_name=name)
    return Settings()
