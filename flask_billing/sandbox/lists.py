"""List answers: filters in SQL, cursors, page size."""

from collections.abc import Iterable
from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_object
from flask_billing.sandbox.router import Call

_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def page(
    account: Account,
    call: Call,
    kind: str,
    *,
    customer: str | None = None,
    parent: str | None = None,
    where: Iterable[tuple[str, Any]] = (),
    one_of: tuple[str, Iterable[Any]] | None = None,
    none_of: tuple[str, Iterable[Any]] | None = None,
    holds: tuple[str, str, Any] | None = None,
    more: str | None = None,
) -> Body:
    """One page of the objects of a kind, newest first.

    ``where`` compares JSON paths; ``one_of`` and ``none_of`` take a path and values; ``holds``
    takes the path of a list, a path in its entries and a value that one of them has; ``more`` is
    a condition in SQL.
    """
    account.flush()
    params = call.params
    limit = page_size(params)
    conditions: list[str] = ["kind = ?", "json_extract(body, '$.deleted') IS NULL"]
    values: list[Any] = [kind]
    for column, value in (("customer", customer), ("parent", parent)):
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    for path, value in where:
        conditions.append("json_extract(body, ?) = ?")
        values.extend((path, value))
    for negation, choice in (("", one_of), ("NOT ", none_of)):
        if choice is not None:
            options = list(choice[1])
            marks = ", ".join("?" * len(options))
            conditions.append(f"json_extract(body, ?) {negation}IN ({marks})")
            values.extend((choice[0], *options))
    if holds is not None:
        conditions.append(
            "EXISTS (SELECT 1 FROM json_each(objects.body, ?) WHERE json_extract(value, ?) = ?)"
        )
        values.extend(holds)
    if more is not None:
        conditions.append(more)
    _created(params.get("created"), conditions, values)
    order = "DESC"
    after, before = cursors(params)
    cursor = after or before
    if cursor:
        conditions.append(f"seq {'<' if after else '>'} ?")
        values.append(_cursor(account, kind, cursor, after is not None))
        order = "DESC" if after else "ASC"
    rows = account.connection.execute(
        f"SELECT id, body FROM objects WHERE {' AND '.join(conditions)} "  # noqa: S608
        f"ORDER BY seq {order} LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    found = account.loaded(rows[:limit])
    if before and not after:
        found.reverse()
    return listing(
        "/" + call.path.strip("/"), [account.show(body) for body in found], len(rows) > limit
    )


def page_size(params: Body) -> int:
    """The ``limit`` of a list request, 10 if not given."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= 100:
        raise invalid(
            "Invalid limit: this value must be between 1 and 100",
            "limit",
            "parameter_invalid_integer",
        )
    return int(limit)


def cursors(params: Body) -> tuple[str | None, str | None]:
    """``starting_after`` and ``ending_before``, of which one may be given."""
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise invalid(
            "You may only specify one of these parameters: ending_before, starting_after.",
            "ending_before",
        )
    return after, before


def listing(url: str, data: list[Body], has_more: bool = False) -> Body:
    """The list object around the objects."""
    return {"object": "list", "data": data, "has_more": has_more, "url": url}


def counted(url: str, data: list[Body]) -> Body:
    """A list inside an object, with its total."""
    return {**listing(url, data), "total_count": len(data)}


def page_of(call: Call, bodies: list[Body]) -> Body:
    """One page of objects that are already in memory, such as the lines of an invoice."""
    params = call.params
    limit = page_size(params)
    ids = [body["id"] for body in bodies]
    after, before = cursors(params)
    cursor = after or before
    if cursor and cursor not in ids:
        param = "starting_after" if after else "ending_before"
        raise missing_object("object", cursor, param, 400)
    if before:
        end = ids.index(before)
        start = max(end - limit, 0)
        has_more = start > 0
    else:
        start = ids.index(after) + 1 if after else 0
        end = start + limit
        has_more = len(bodies) > end
    return listing("/" + call.path.strip("/"), bodies[start:end], has_more)


def _cursor(account: Account, kind: str, object_id: str, after: bool) -> int:
    row = account.connection.execute(
        "SELECT seq FROM objects WHERE id = ? AND kind = ?", (object_id, kind)
    ).fetchone()
    if row is None:
        label = kind.rsplit(".", 1)[-1].replace("_", " ")
        raise missing_object(label, object_id, "starting_after" if after else "ending_before", 400)
    return int(row[0])


def _created(created: Any, conditions: list[str], values: list[Any]) -> None:
    if isinstance(created, dict):
        for name, sign in _COMPARISONS.items():
            if name in created:
                conditions.append(f"created {sign} ?")
                values.append(created[name])
    elif created is not None:
        conditions.append("created = ?")
        values.append(created)
