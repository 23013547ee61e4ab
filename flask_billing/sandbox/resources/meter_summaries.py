"""Usage of a customer between two moments, whole or by hour or day."""

from dataclasses import dataclass
from hashlib import sha256

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import metering
from flask_billing.sandbox.errors import invalid, missing_object
from flask_billing.sandbox.lists import cursors, listing, page_size
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY, HOUR

_WINDOWS = {"hour": HOUR, "day": DAY}
_MINUTE = 60


@dataclass(frozen=True)
class _Windows:
    """The windows of a customer's usage, numbered from the newest on."""

    meter: Body
    customer: str
    start: int
    end: int
    seconds: int

    @property
    def count(self) -> int:
        return (self.end - self.start) // self.seconds

    def times(self, number: int) -> tuple[int, int]:
        """When a window starts and ends."""
        end = self.end - number * self.seconds
        return end - self.seconds, end

    def object_id(self, number: int) -> str:
        """The same id for the same window, which ends with the window's end."""
        start, end = self.times(number)
        text = f"{self.meter['id']}:{self.customer}:{start}:{end}"
        return f"mtrusg_test_61{sha256(text.encode()).hexdigest()[:16]}{end:08x}"

    def number(self, object_id: str, param: str) -> int:
        """Which window an id names; cursors come as ids."""
        try:
            found = (self.end - int(object_id[-8:], 16)) // self.seconds
        except ValueError:
            found = -1
        if not 0 <= found < self.count or self.object_id(found) != object_id:
            raise missing_object("billing meter event summary", object_id, param, 400)
        return found


@endpoint("GET", "/v1/billing/meters/{id}/event_summaries", "billing.MeterEventSummaryListParams")
def summaries(account: Account, call: Call) -> Body:
    """A page of windows, the newest first; without grouping there is one."""
    params = call.params
    meter = account.require("billing.meter", call.id)
    account.require("customer", params["customer"], param="customer")
    start, end = params["start_time"], params["end_time"]
    grouping = params.get("value_grouping_window")
    step = _WINDOWS[grouping] if grouping is not None else _MINUTE
    _check_aligned(start, end, step, grouping or "minute")
    windows = _Windows(
        meter, params["customer"], start, end, step if grouping is not None else end - start
    )
    first, last, has_more = _paged(call, windows)
    data = [_summary(account, windows, number) for number in range(first, last)]
    return listing("/" + call.path.strip("/"), data, has_more)


def _check_aligned(start: int, end: int, step: int, name: str) -> None:
    for param, moment in (("start_time", start), ("end_time", end)):
        if moment % step:
            raise invalid(f"The {param} must be aligned with {name} boundaries.", param)
    if end <= start:
        raise invalid("The end_time must be after the start_time.", "end_time")


def _paged(call: Call, windows: _Windows) -> tuple[int, int, bool]:
    """The numbers of the windows on the page, and whether there are more."""
    limit = page_size(call.params)
    after, before = cursors(call.params)
    if before:
        end = windows.number(before, "ending_before")
        return max(end - limit, 0), end, end > limit
    first = windows.number(after, "starting_after") + 1 if after else 0
    return first, min(first + limit, windows.count), first + limit < windows.count


def _summary(account: Account, windows: _Windows, number: int) -> Body:
    start, end = windows.times(number)
    used = metering.usage(account, windows.meter, windows.customer, start, end)
    return {
        "id": windows.object_id(number),
        "object": "billing.meter_event_summary",
        "aggregated_value": float(used),
        "end_time": end,
        "livemode": False,
        "meter": windows.meter["id"],
        "start_time": start,
    }
