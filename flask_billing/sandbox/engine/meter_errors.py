"""Usage that could not be booked: collected for a while, then reported in a thin event."""

from collections.abc import Iterable
from datetime import UTC, datetime

from flask_billing.sandbox import outgoing
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id

_KIND = "sandbox.meter_failure"
_SAMPLES = 5


def note(account: Account, code: str, message: str, identifier: str, meter: Body | None) -> None:
    """Keep a failure; the first one makes an appointment for the report."""
    meter_id = meter["id"] if meter else None
    is_first = not account.find(_KIND, where=[("$.meter", meter_id or "")])
    failure = account.add(
        {
            "id": new_id("failure"),
            "object": _KIND,
            "created": account.wall,
            "meter": meter_id or "",
            "code": code,
            "message": message,
            "identifier": identifier,
        }
    )
    if is_first:
        wait = account.settings.meter_validation_seconds
        with account.at_clock(None):
            account.schedule(account.wall + wait, "meter.report_errors", failure["id"])


def report(account: Account, first: Body) -> None:
    """The validation window is over: one event about all its failures, per meter."""
    failures = account.find(_KIND, where=[("$.meter", first["meter"])])
    meter = account.get("billing.meter", first["meter"])
    count = len(failures)
    plural = "" if count == 1 else "s"
    data = {
        "developer_message_summary": f"There {'is' if count == 1 else 'are'} {count} invalid "
        f"event{plural}",
        "reason": {"error_count": count, "error_types": _types(failures)},
        "validation_end": moment(account.wall),
        "validation_start": moment(first["created"]),
    }
    name = "error_report_triggered" if meter else "no_meter_found"
    event: Body = {
        "id": new_id("evt_test").replace("evt_test_1", "evt_test_65", 1),
        "object": "v2.core.event",
        "context": None,
        "created": moment(account.wall),
        "livemode": False,
        "reason": None,
        "type": f"v1.billing.meter.{name}",
        "data": data,
    }
    if meter is not None:
        event["related_object"] = {
            "id": meter["id"],
            "type": "billing.meter",
            "url": f"/v1/billing/meters/{meter['id']}",
        }
    outgoing.queue_thin(account, event)
    for failure in failures:
        account.forget(failure)


def _types(failures: Iterable[Body]) -> list[Body]:
    by_code: dict[str, list[Body]] = {}
    for failure in failures:
        by_code.setdefault(failure["code"], []).append(failure)
    return [
        {
            "code": code,
            "error_count": len(found),
            "sample_errors": [
                {"error_message": one["message"], "request": {"identifier": one["identifier"]}}
                for one in found[:_SAMPLES]
            ],
        }
        for code, found in by_code.items()
    ]


def moment(seconds: int) -> str:
    """A time as the v2 API writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
