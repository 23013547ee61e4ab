"""Streams whose cost is known only when they end: reserve first, settle what was sent."""

from __future__ import annotations

import collections.abc as c
import typing as t
from datetime import timedelta

from ..errors import InvalidUsageError
from ..models import Customer
from .dimensions import Dimensions
from .reservations import Reservation, reserve

Chunk = t.TypeVar("Chunk")


class MeteredStream(c.Iterator[Chunk], t.Generic[Chunk]):
    """Chunks on their way to a client, which settle a reservation when they end.

    Also when the client goes away: a server closes what it streams, even before the first
    chunk, where a generator's ``finally`` would not run.

    :ivar used: units of the chunks so far.
    """

    def __init__(
        self,
        reservation: Reservation,
        chunks: c.Iterable[Chunk],
        cost: c.Callable[[Chunk], int],
    ) -> None:
        self.reservation = reservation
        self.used = 0
        self._source = chunks
        self._chunks = iter(chunks)
        self._cost = cost
        self._ended = False

    def __next__(self) -> Chunk:
        if self._ended:
            raise StopIteration

        try:
            chunk = next(self._chunks)
            self.used += _checked(self._cost(chunk))
        except BaseException:  # the end of the chunks is one of them
            self.close()
            raise

        return chunk

    def close(self) -> None:
        """Settle what was used so far. Once, however often called."""
        if self._ended:
            return

        self._ended = True

        try:
            for closing in (self._chunks, self._source):
                if callable(close := getattr(closing, "close", None)):
                    close()
        finally:
            self.reservation.settle(self.used)


def metered_stream(
    meter: str,
    estimate: int,
    chunks: c.Iterable[Chunk],
    *,
    cost: c.Callable[[Chunk], int],
    key: str | None = None,
    ttl: timedelta | None = None,
    customer: Customer | None = None,
    **dimensions: t.Unpack[Dimensions],
) -> MeteredStream[Chunk]:
    """Hold an estimate, pass the chunks on, and settle what they really cost.

    It settles when the chunks end, break off by an exception or are closed by the server.

    :param estimate: units to hold; a refusal comes before the first chunk.
    :param cost: units of one chunk; 0 for all but the last where only that one tells. What is no
        whole number from 0 breaks the stream off, with an ``InvalidUsageError``.
    :raises QuotaExceeded: where the estimate is not left.
    """
    reservation = reserve(meter, estimate, key=key, ttl=ttl, customer=customer, **dimensions)
    return MeteredStream(reservation, chunks, cost)


def _checked(cost: int) -> int:
    if type(cost) is not int or cost < 0:
        raise InvalidUsageError(
            f"A chunk cannot cost {cost!r}. What was sent before it is settled. Let 'cost' return "
            "a whole number from 0, in the meter's smallest unit."
        )

    return cost
