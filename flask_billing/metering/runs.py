"""What one run (a job, session or document) took: tokens by phase, time and cost."""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime

import sqlalchemy as sa

from .. import database
from ..models import Customer, UsageEvent
from ..owners import id_of
from ..state import state
from . import store
from .accounts import current_customer_id


@dataclasses.dataclass(frozen=True, slots=True)
class PhaseSum:
    """One step of a run, or all of it. Costs are in millionths of the minor unit.

    :param phase: empty where none was named, and for the whole run.
    :param calls: bookings, less those that were taken back.
    :param tokens: in and out; where only a total was told, the units booked.
    """

    phase: str
    calls: int = 0
    tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    latency_ms: int = 0
    cost_prompt: int = 0
    cost_completion: int = 0
    cost_cached: int = 0
    cost_total: int = 0
    cost_saved: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class RunSummary:
    """A run by phase, in the order the phases began.

    :param started_at: of the first use, ``ended_at`` of the last; None where there is none.
    """

    run: str
    phases: list[PhaseSum]
    total: PhaseSum
    started_at: datetime | None
    ended_at: datetime | None


_SUMS = tuple(field.name for field in dataclasses.fields(PhaseSum))[3:]


def run_summary(run: str, *, customer: Customer | None = None) -> RunSummary:
    """What a run took. Its own events are read, and no others.

    :param customer: None is the signed-in owner's; another owner's run is empty.
    """
    current = state()
    customer_id = id_of(customer) if customer is not None else current_customer_id(current)
    statement = _statement(customer_id, run)

    def attempt() -> list[t.Any]:
        with database.reading() as connection:
            return list(connection.execute(statement))

    rows = store.persistently(current, attempt)
    phases = [
        PhaseSum(row.phase, row.calls, row.tokens, *(getattr(row, name) for name in _SUMS))
        for row in rows
    ]
    names = ("calls", "tokens", *_SUMS)
    total = PhaseSum("", *(sum(getattr(one, name) for one in phases) for name in names))
    return RunSummary(
        run,
        phases,
        total,
        min((row.started_at for row in rows), default=None),
        max((row.ended_at for row in rows), default=None),
    )


def _statement(customer_id: int, run: str) -> sa.Select[t.Any]:
    phase = sa.func.coalesce(UsageEvent.phase, "").label("phase")
    read, written = UsageEvent.input_tokens, UsageEvent.output_tokens
    tokens = sa.case(
        (sa.and_(read.is_(None), written.is_(None)), UsageEvent.quantity),
        else_=sa.func.coalesce(read, 0) + sa.func.coalesce(written, 0),
    )
    # What takes a use back has the opposite sign.
    calls = sa.case((UsageEvent.quantity < 0, -1), else_=1)
    began = sa.func.min(UsageEvent.occurred_at)
    columns: list[sa.ColumnElement[t.Any]] = [
        phase,
        _sum(calls).label("calls"),
        _sum(tokens).label("tokens"),
        *(_sum(getattr(UsageEvent, name)).label(name) for name in _SUMS),
        began.label("started_at"),
        sa.func.max(UsageEvent.occurred_at).label("ended_at"),
    ]
    return (
        sa.select(*columns)
        .where(UsageEvent.customer_id == customer_id, UsageEvent.run == run)
        .group_by(phase)
        .order_by(began, phase)
    )


def _sum(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    # PostgreSQL makes a NUMERIC of a sum; one of nothing is NULL.
    return sa.cast(sa.func.coalesce(sa.func.sum(column), 0), sa.BigInteger())
