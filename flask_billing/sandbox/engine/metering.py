"""What customers used, added up from the events that were reported."""

from collections.abc import Iterable
from decimal import Decimal

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body

Reading = tuple[int, Decimal]


def readings(account: Account, meter: Body, customer: str, start: int, end: int) -> list[Reading]:
    """(timestamp, value) of the events in [start, end) that were not canceled, by time."""
    account.flush()
    rows = account.connection.execute(
        "SELECT json_extract(body, '$.timestamp') AS at, json_extract(body, ?)"
        " FROM objects WHERE kind = 'billing.meter_event' AND customer = ? AND parent = ?"
        " AND json_extract(body, '$.canceled') IS NULL AND at >= ? AND at < ? ORDER BY at, seq",
        (
            f'$.payload."{meter["value_settings"]["event_payload_key"]}"',
            customer,
            meter["event_name"],
            start,
            end,
        ),
    )
    return [(at, Decimal(value or 0)) for at, value in rows]


def aggregated(meter: Body, found: Iterable[Reading]) -> Decimal:
    """Readings by the meter's formula: their sum, their number or the last one."""
    values = [value for _at, value in found]
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(values))
    if formula == "last":
        return values[-1] if values else Decimal(0)
    return sum(values, Decimal(0))


def usage(account: Account, meter: Body, customer: str, start: int, end: int) -> Decimal:
    """What a customer used in [start, end)."""
    return aggregated(meter, readings(account, meter, customer, start, end))
