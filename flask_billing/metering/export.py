"""Usage on its way to Stripe's Billing Meters, which bill it: each unit once.

What a counter holds beyond what it has reported is recorded and committed as an export, and then
sent under an identifier that Stripe takes once. A crash between any two steps leaves an open
export, which is sent again under the same identifier; after a day, when Stripe has forgotten
identifiers, its total of the period is asked first.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import logging
import typing as t
from datetime import timedelta

from .. import clock, database
from ..catalog import Meter
from ..errors import BillingError, StripeError, StripeRejectedError
from ..state import BillingState, state
from ..stripe_gateway import gateway
from . import export_confirming, export_rows, stripe_meters
from .buckets import PREFIXES
from .export_due import due
from .export_keys import Key
from .export_periods import find, moment
from .export_rows import Export

log = logging.getLogger("flask_billing.metering")

_CHUNK: t.Final = 100
#: After so many calls in a row without an answer, the rest is left to the next run.
_PATIENCE: t.Final = 3
_SECOND: t.Final = timedelta(seconds=1)


@dataclasses.dataclass
class Exported:
    """What an export came to, in exports: each is some units of one customer's meter."""

    sent: int = 0
    confirmed: int = 0
    failed: int = 0
    #: Stripe's answer is not known; they are sent again.
    unanswered: int = 0
    #: Of periods too long ago for Stripe: they are billed nowhere. Or taken back too late.
    late: int = 0

    def __str__(self) -> str:
        text = f"sent {self.sent}, confirmed {self.confirmed}"
        text += f", {self.failed} refused" if self.failed else ""
        text += f", {self.late} too late for Stripe" if self.late else ""
        return text + (f", {self.unanswered} to be sent again" if self.unanswered else "")


class _SilentError(Exception):
    """Stripe does not answer, so the rest of a run is left."""


def export_usage(
    goes_on: c.Callable[[], bool] = lambda: True, *, of_any_age: bool = False
) -> Exported:
    """Report to Stripe what was used of the meters it bills, and confirm what it has counted.

    Any number of processes may do this at once.

    :param goes_on: asked between customers whether there is time for more.
    :param of_any_age: whether to look for late facts of all periods there were, to tell of them:
        Stripe takes what was used within 35 days.
    :raises HostSessionBusyError: where the host's session holds a write on SQLite.
    """
    current = state()
    billed = _billed(current)
    result = Exported()

    if not billed:
        return result

    database.refuse_busy_session("export usage")
    run = _Run(current, billed, result, goes_on, of_any_age)

    try:
        run.send_again()
        run.confirm()
        run.send_new()
    except _SilentError:
        log.warning("Stripe does not answer; usage that is not reported yet waits")

    return result


def export_usage_of(customer_id: int) -> None:
    """Report what one customer has used at once, where a change is about to bill it.

    It is dated a second ago, and so before the moment that the change is reckoned for. What cannot
    be reported just now is left to the job. Nothing is done where usage is booked in
    the host's transaction, which is not ours to commit.
    """
    current = state()
    billed = _billed(current)

    if billed and database.has_own_connection():
        run = _Run(current, billed, Exported(), lambda: True, False, customer_id)

        with contextlib.suppress(_SilentError):
            run.send_new()


def _billed(current: BillingState) -> dict[str, tuple[Meter, str]]:
    """The meters that are reported, each with how the keys of its reported counters begin."""
    found = {}

    for meter in current.catalog.meters:
        if meter.stripe_event is not None:
            window = current.catalog.reported_window(meter.key)

            if window is not None:
                found[meter.key] = (meter, PREFIXES[window])

    return found


@dataclasses.dataclass
class _Run:
    """One walk over what is to be reported."""

    current: BillingState
    billed: dict[str, tuple[Meter, str]]
    result: Exported
    goes_on: c.Callable[[], bool]
    of_any_age: bool
    #: Whose usage is sent, before a change of plan; None is everybody's.
    customer_id: int | None = None
    #: Calls in a row that were not answered.
    silent: int = 0

    def send_again(self) -> None:
        """Send the exports that a crash or a silent Stripe left open."""
        last = 0

        while ids := export_rows.open_ids(last, _CHUNK):
            for last in ids:
                if not self.goes_on():
                    return

                export = export_rows.claim(self.current, last)
                self._keep()

                if export is not None and export.key.meter in self.billed:
                    self._carefully(export, self._send_if_missing)

    def confirm(self) -> None:
        """Look which exports Stripe has counted."""
        last: tuple[int, str] | None = None

        while keys := export_confirming.unconfirmed(last, _CHUNK):
            for key in keys:
                last = key[:2]

                if not self.goes_on():
                    return

                try:
                    self.result.confirmed += export_confirming.confirm(self.current, key)
                except StripeError as error:
                    log.warning("Whether Stripe counted %s is not known: %s", key, error)
                    self._count_silence()
                else:
                    self.silent = 0
                    self._keep()

    def send_new(self) -> None:
        """Record and send what was used since."""
        for meter, prefix in self.billed.values():
            stripe_meter = stripe_meters.meter_id(meter)

            if stripe_meter is None:
                log.warning(
                    "Usage of the meter %r waits: Stripe named no active meter that adds up the "
                    "event %r. 'flask billing catalog push' makes one.",
                    meter.key,
                    meter.stripe_event,
                )
                continue

            for key in due(
                meter.key, prefix, of_any_age=self.of_any_age, customer_id=self.customer_id
            ):
                if not self.goes_on():
                    return

                self._send_all(key, stripe_meter)

    def _send_all(self, key: Key, stripe_meter: str) -> None:
        """Send what a counter holds: at most twice, where a subscription began in its period."""
        for _part in range(2):
            ago = timedelta(0) if self.customer_id is None else _SECOND
            export = export_rows.record(self.current, key, stripe_meter, ago=ago)
            self._keep()

            if export is None:
                return

            if export.state == "open":
                self._carefully(export, self._send)
            elif export.state == "late":
                log.error(
                    "%s units of customer %s's %s %s",
                    abs(export.quantity),
                    key.customer_id,
                    key.meter,
                    "came too late for Stripe and are billed nowhere"
                    if export.quantity > 0
                    else "were taken back when their invoice was final, and are to be credited",
                )
                self.result.late += 1

    def _carefully(self, export: Export, send: c.Callable[[Export], None]) -> None:
        try:
            send(export)
        except StripeRejectedError as error:
            if _is_there_already(error):
                self._delivered(export)
            else:
                self._refused(export, str(error))
        except StripeError as error:
            self._unanswered(export, str(error))
            self._count_silence()
            return

        self.silent = 0

    def _send_if_missing(self, export: Export) -> None:
        """Send an export again, unless Stripe's total shows that it has it."""
        if export.created_at > clock.now() - export_confirming.DEDUPED_FOR:
            self._send(export)
            return

        lacking = export_confirming.missing(export.key)

        if lacking == 0:
            self._delivered(export)
        elif lacking == export.quantity:
            self._send(export)
        else:
            self._unanswered(
                export,
                f"Stripe's total lacks {lacking} units of what was reported, which is neither none "
                f"nor these {export.quantity}. They were not sent again, so as not to be billed "
                "twice.",
            )

    def _send(self, export: Export) -> None:
        with database.reading() as connection:
            counter = find(connection, export.key)
            assert counter is not None, "counters stay"
            at = moment(connection, counter, export.target, export.created_at)

        if counter.stripe_id is None:
            self._refused(export, "The customer is no longer at Stripe.")
            return

        meter, _prefix = self.billed[export.key.meter]
        self._keep()  # no transaction is open during the call
        gateway().post(
            "/v1/billing/meter_events",
            {
                "event_name": meter.stripe_event,
                "payload": {
                    "stripe_customer_id": counter.stripe_id,
                    "value": str(export.quantity),
                },
                "timestamp": int(at.timestamp()),
                "identifier": export.identifier,
            },
        )
        self._delivered(export)

    def _delivered(self, export: Export) -> None:
        export_rows.delivered(self.current, export)
        self.result.sent += 1
        self._keep()

    def _refused(self, export: Export, reason: str) -> None:
        log.error("Usage of customer %s was not taken: %s", export.key.customer_id, reason)
        export_rows.fail(self.current, export, reason)
        self.result.failed += 1
        self._keep()

    def _unanswered(self, export: Export, reason: str) -> None:
        export_rows.release(self.current, export, reason)
        self.result.unanswered += 1
        self._keep()

    def _keep(self) -> None:
        """Commit what was written, where that was in ``db.session``."""
        if not database.has_own_connection():
            self.current.db.session.commit()

    def _count_silence(self) -> None:
        self.silent += 1

        if self.silent >= _PATIENCE:
            raise _SilentError


def _is_there_already(error: BillingError) -> bool:
    """Whether Stripe refused an identifier because it has it."""
    known = isinstance(error, StripeError) and (
        error.code == "resource_already_exists" or error.param == "identifier"
    )
    return known and "already exists" in str(error)
