"""Test clocks: customers with a time of their own, moved forward by the API."""

from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.periods import boundary
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.inferred import TEST_CLOCK_CUSTOMERS
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import DAY

_KIND = "test_helpers.test_clock"
_KEPT = 30 * DAY


@endpoint("POST", "/v1/test_helpers/test_clocks", "test_helpers.TestClockCreateParams")
def create(account: Account, call: Call) -> Body:
    """A clock that stands at any time, for new customers or one that there is already."""
    params = call.params
    body = account.add(
        {
            "id": new_id("clock"),
            "object": _KIND,
            "created": account.wall,
            "deletes_after": account.wall + _KEPT,
            "frozen_time": params["frozen_time"],
            "livemode": False,
            "name": params.get("name"),
            "status": "ready",
            "status_details": {},
        }
    )
    account.schedule(body["deletes_after"], "test_clock.delete", body["id"])
    if "customer" in params:
        _bind(account, body, params["customer"])
    account.emit(f"{_KIND}.created", body)
    return body


def _bind(account: Account, test_clock: Body, customer_id: str) -> None:
    customer = account.require("customer", customer_id, param="customer")
    if customer["test_clock"] is not None:
        raise invalid(f"Customer {customer_id} is already attached to a test clock.", "customer")
    rows = account.connection.execute(
        "SELECT id, body FROM objects WHERE customer = ?", (customer_id,)
    ).fetchall()
    for body in [customer, *account.loaded(rows)]:
        if "test_clock" in body:
            body["test_clock"] = test_clock["id"]
            account.save(body)
        account.connection.execute(
            "UPDATE due SET clock = ? WHERE object = ?", (test_clock["id"], body["id"])
        )


@endpoint("GET", "/v1/test_helpers/test_clocks/{id}", "test_helpers.TestClockRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One clock."""
    return account.require(_KIND, call.id, param="test_clock!", label="test clock")


@endpoint("GET", "/v1/test_helpers/test_clocks", "test_helpers.TestClockListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of clocks."""
    return page(account, call, _KIND)


@endpoint(
    "POST", "/v1/test_helpers/test_clocks/{id}/advance", "test_helpers.TestClockAdvanceParams"
)
def advance(account: Account, call: Call) -> Body:
    """Start to move a clock forward; what falls due on the way happens after the answer."""
    body = account.require(_KIND, call.id, param="test_clock!", label="test clock")
    target = call.params["frozen_time"]
    if target <= body["frozen_time"]:
        raise invalid(
            "The frozen_time must be after the test clock's current frozen time.", "frozen_time"
        )
    if target > _furthest(account, body):
        raise invalid(
            "The frozen_time cannot be more than two intervals in the future from the shortest "
            "subscription in this test clock; without subscriptions, not more than two years.",
            "frozen_time",
        )
    body["status"] = "advancing"
    body["status_details"] = {"advancing": {"target_frozen_time": target}}
    account.save(body)
    account.emit(f"{_KIND}.advancing", body)
    account.schedule(account.wall, "test_clock.advance", body["id"])
    return body


def _furthest(account: Account, test_clock: Body) -> int:
    """Two of the shortest intervals ahead, two years without subscriptions."""
    now: int = test_clock["frozen_time"]
    limits = [boundary(now, "year", 1, 2)]
    for subscription in account.find("subscription", where=[("$.test_clock", test_clock["id"])]):
        if subscription["status"] in {"canceled", "incomplete_expired"}:
            continue
        for item in subscription["items"]["data"]:
            price = account.anything(item["price"])
            assert price is not None
            recurring = price["recurring"]
            limits.append(boundary(now, recurring["interval"], recurring["interval_count"], 2))
    return min(limits)


@endpoint("DELETE", "/v1/test_helpers/test_clocks/{id}", "test_helpers.TestClockDeleteParams")
def delete(account: Account, call: Call) -> Body:
    """Remove a clock with its customers and all that is theirs."""
    body = account.require(_KIND, call.id, param="test_clock!", label="test clock")
    remove(account, body)
    return fields.deleted(body)


def remove(account: Account, test_clock: Body) -> None:
    """Take a clock away, at once or when its 30 days are over."""
    object_id = test_clock["id"]
    for customer in account.find("customer", where=[("$.test_clock", object_id)]):
        rows = account.connection.execute(
            "SELECT id, body FROM objects WHERE customer = ?", (customer["id"],)
        ).fetchall()
        for body in [*account.loaded(rows), customer]:
            for payment in account.find("invoice_payment", parent=body["id"]):
                account.forget(payment)
            account.forget(body)
    account.connection.execute("DELETE FROM due WHERE clock = ? OR object = ?", (object_id,) * 2)
    account.emit("test_helpers.test_clock.deleted", test_clock)
    account.forget(test_clock)


def join(account: Account, object_id: str) -> None:
    """A new customer comes to a clock."""
    body = account.require(_KIND, object_id, param="test_clock", label="test clock")
    there = account.find("customer", where=[("$.test_clock", object_id)])
    if len(there) >= TEST_CLOCK_CUSTOMERS:
        raise invalid(
            f"A test clock can have up to {TEST_CLOCK_CUSTOMERS} customers.", "test_clock"
        )
    account.clock, account.now = object_id, body["frozen_time"]


def follow_named(account: Account, call: Call) -> None:
    """Take the time of the clock that an object in the path or the parameters is bound to."""
    for name in (*call.ids, *call.params.values()):
        if isinstance(name, str) and name and account.has_clocks:
            body = account.anything(name)
            if body is not None and body["object"] != _KIND:
                account.follow(body)


def filtered(call: Call) -> tuple[list[tuple[str, Any]], str | None]:
    """For lists: only what is on the clock that is named, or only what is on none."""
    if "test_clock" in call.params:
        return [("$.test_clock", call.params["test_clock"])], None
    return [], "json_extract(body, '$.test_clock') IS NULL"
