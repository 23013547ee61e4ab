"""The stage: makes what is missing by the maker of its kind."""

from __future__ import annotations

import collections.abc as c
from datetime import UTC, datetime

from flask_billing.sandbox import Sandbox

from ..cassettes import Body, Exchange
from ..ids import Ids
from ..known import Known
from ..references import references
from ..wire import Wire

#: Seconds after which a recorder's clock is not believed: tests travel in time, Stripe does not.
_TRAVELLED = 3_600


class NotStagedError(Exception):
    """The sandbox refused to make what a request needs, or too little is shown of it."""


class Stage:
    """Makes what is missing, and remembers which of our ids stands for which."""

    def __init__(self, sandbox: Sandbox, wire: Wire, ids: Ids, known: Known) -> None:
        self.sandbox = sandbox
        self.wire = wire
        self.ids = ids
        self.known = known
        self.customer: str | None = None

    @property
    def now(self) -> float:
        """The sandbox's time in epoch seconds."""
        return self.sandbox.clock.now().timestamp()

    def prepare(self, exchange: Exchange) -> None:
        """Make what this request names and nothing made so far."""
        for kind, object_id in references(exchange):
            if kind == "customer":
                self.customer = object_id
            self.ensure(kind, object_id, exchange)
        for prepare in _REQUESTS:
            prepare(self, exchange)

    def ensure(self, kind: str, object_id: str, exchange: Exchange) -> None:
        """Make one object unless it is here, or the recorded account had none either."""
        if self.ids.knows(object_id) or object_id.startswith(("pm_card_", "tok_")):
            return
        if exchange.status >= 400 and _was_refused(object_id, exchange):
            return
        maker = _MAKERS.get(kind)
        if maker is None:
            return
        try:
            maker(self, object_id, exchange)
        except (IndexError, KeyError, TypeError) as error:
            raise NotStagedError(f"{object_id}: what is shown of it lacks {error}") from error

    def make(self, path: str, params: Body, object_id: str) -> Body:
        """POST to the sandbox what stands for a recorded object."""
        status, body = self.wire.send("POST", path, params)
        if status != 200:
            raise NotStagedError(f"{object_id}: {body['error']['message']}")
        self.ids.learn(object_id, body["id"])
        return body

    def wait_until(self, moment: int | None) -> None:
        """Let the sandbox's clock go on to a moment; one that is past changes nothing."""
        if moment is not None and moment > self.now:
            self.sandbox.clock.advance(to=datetime.fromtimestamp(moment, UTC))

    def follow(self, told: int | None, recorded_at: datetime) -> None:
        """Go to the moment an answer tells, else to the recorder's, unless that is far off."""
        if told is None:
            told = int(recorded_at.timestamp())
            if told - self.now > _TRAVELLED:
                return
        self.wait_until(told)


Maker = c.Callable[[Stage, str, Exchange], None]
_MAKERS: dict[str, Maker] = {}
_REQUESTS: list[c.Callable[[Stage, Exchange], None]] = []


def makes(kind: str) -> c.Callable[[Maker], Maker]:
    """Register what makes objects of a kind."""

    def register(maker: Maker) -> Maker:
        _MAKERS[kind] = maker
        return maker

    return register


def prepares(
    prepare: c.Callable[[Stage, Exchange], None],
) -> c.Callable[[Stage, Exchange], None]:
    """Register what a request needs without naming it by an id."""
    _REQUESTS.append(prepare)
    return prepare


def _was_refused(object_id: str, exchange: Exchange) -> bool:
    message = (exchange.body.get("error") or {}).get("message") or ""
    return f"'{object_id}'" in message
