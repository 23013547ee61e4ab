"""Phases of a subscription schedule: read from parameters, given their times, and compared."""

from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import items, taxes
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.engine.periods import boundary
from flask_billing.sandbox.errors import invalid, missing_param
from flask_billing.sandbox.resources import payment_methods

MOST_PHASES = 10
_REDUCTIONS = ("coupon", "discount", "promotion_code")


def read(account: Account, asked: list[Body], start: int | None, customer: str) -> list[Body]:
    """The phases of a request, one after the other from ``start`` or from their own dates.

    Every phase but the last says how long it lasts; the last lasts one billing period if it
    does not.
    """
    if not asked:
        raise missing_param("phases")
    if len(asked) > MOST_PHASES:
        raise invalid(f"A subscription schedule can have at most {MOST_PHASES} phases.", "phases")
    found: list[Body] = []
    for index, params in enumerate(asked):
        where = f"phases[{index}]"
        begins = _start_of(account, params, found[-1]["end_date"] if found else start, where)
        phase = _phase(account, params, begins, customer, where)
        following = asked[index + 1] if index + 1 < len(asked) else None
        phase["end_date"] = _end_of(account, params, phase, following, where)
        _set_trial(account, phase, params, where)
        found.append(phase)
    if len({phase["currency"] for phase in found}) > 1:
        raise invalid("All phases of a schedule must use the same currency.", "phases")
    return found


def _start_of(account: Account, params: Body, expected: int | None, where: str) -> int:
    given = params.get("start_date")
    begins: int | None = account.now if given == "now" else given
    if begins is None:
        begins = expected
    if begins is None:
        raise invalid(
            "The subscription schedule update is missing at least one phase with a `start_date` "
            "to anchor end dates to.",
            "phases",
        )
    if expected is not None and begins != expected:
        raise invalid(
            "The start date of a phase must be the end date of the phase before it.",
            f"{where}[start_date]",
        )
    return begins


def _end_of(account: Account, params: Body, phase: Body, following: Body | None, where: str) -> int:
    end, duration = params.get("end_date"), params.get("duration")
    if end is not None and duration:
        raise invalid(
            "You may only specify one of these parameters: duration, end_date.",
            f"{where}[duration]",
        )
    start: int = phase["start_date"]
    if end == "now":
        end = account.now
    elif duration:
        end = boundary(start, duration["interval"], duration.get("interval_count", 1), 1)
    elif end is None and following is not None:
        end = account.now if following.get("start_date") == "now" else following.get("start_date")
        if end is None:
            raise missing_param(f"{where}[end_date]")
    elif end is None:
        recurring = shape.price_of(account, phase["items"][0])["recurring"]
        end = boundary(start, recurring["interval"], recurring["interval_count"], 1)
    if end <= start:
        raise invalid("The end date of a phase must be after its start date.", f"{where}[end_date]")
    return int(end)


def _phase(account: Account, params: Body, start: int, customer: str, where: str) -> Body:
    entries = items.read(account, params.get("items") or [], f"{where}[items]")
    method = params.get("default_payment_method")
    if method:
        payment_methods.of_customer(account, method, customer, f"{where}[default_payment_method]")
    settings = params.get("invoice_settings")
    return new_phase(
        start=start,
        end=start,
        currency=items.one_currency(account, entries, f"{where}[items]"),
        items=[_item(entry) for entry in entries],
        discounts=_reductions(account, params.get("discounts") or [], f"{where}[discounts]"),
        metadata=dict(params.get("metadata") or {}),
        add_invoice_items=[_extra(entry) for entry in params.get("add_invoice_items") or []],
        billing_cycle_anchor=params.get("billing_cycle_anchor"),
        collection_method=params.get("collection_method"),
        default_payment_method=method,
        default_tax_rates=taxes.checked(
            account, params.get("default_tax_rates"), f"{where}[default_tax_rates]"
        ),
        description=params.get("description") or None,
        invoice_settings=settings and _invoice_settings(settings),
        proration_behavior=params.get("proration_behavior", "create_prorations"),
    )


def new_phase(
    *, start: int, end: int, currency: str, items: list[Body], discounts: list[Body], **more: Any
) -> Body:
    """A phase with all its fields."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "billing_thresholds": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": discounts,
        "end_date": end,
        "invoice_settings": None,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
        **more,
    }


def _item(entry: Body) -> Body:
    return {
        "billing_thresholds": None,
        "discounts": [_reduction(one) for one in entry.get("discounts") or []],
        "metadata": dict(entry.get("metadata") or {}),
        "plan": entry["price"],
        "price": entry["price"],
        "quantity": entry["quantity"],
        "tax_rates": list(entry.get("tax_rates") or []),
    }


def _reductions(account: Account, entries: list[Body], where: str) -> list[Body]:
    for index, entry in enumerate(entries):
        for name in _REDUCTIONS:
            if entry.get(name):
                account.require(
                    name,
                    entry[name],
                    param=f"{where}[{index}][{name}]",
                    label=name.replace("_", " "),
                )
    return [_reduction(entry) for entry in entries]


def _reduction(entry: Body) -> Body:
    return {name: entry.get(name) or None for name in _REDUCTIONS}


def _extra(entry: Body) -> Body:
    return {
        "discountable": None,
        "discounts": [],
        "metadata": dict(entry.get("metadata") or {}),
        "period": {
            "end": {"type": "min_item_period_end"},
            "start": {"type": "max_item_period_start"},
        },
        "price": entry.get("price"),
        "quantity": entry.get("quantity") or 1,
        "tax_rates": [],
    }


def _invoice_settings(settings: Body) -> Body:
    return {
        "account_tax_ids": None,
        "custom_fields": None,
        "days_until_due": settings.get("days_until_due"),
        "description": None,
        "footer": None,
        "issuer": None,
    }


def _set_trial(account: Account, phase: Body, params: Body, where: str) -> None:
    end = params.get("trial_end")
    if end == "now":
        end = None
    if params.get("trial"):
        if end is not None and end != phase["end_date"]:
            raise invalid(
                "With `trial=true` the end of the trial must be the end date of the phase.",
                f"{where}[trial_end]",
            )
        end = phase["end_date"]
    if end is not None and not phase["start_date"] < end <= phase["end_date"]:
        raise invalid("The end of the trial must be within the phase.", f"{where}[trial_end]")
    phase["trial_end"] = end


def of_subscription(account: Account, subscription: Body) -> Body:
    """The phase a subscription is in without a schedule: its current period."""
    held = subscription["items"]["data"]
    settings = {"days_until_due": subscription["days_until_due"]}
    by_invoice = subscription["collection_method"] == "send_invoice"
    return new_phase(
        start=max(item["current_period_start"] for item in held),
        end=shape.next_turn(subscription),
        currency=subscription["currency"],
        items=[_item(item) for item in held],
        discounts=[
            {"coupon": None, "discount": object_id, "promotion_code": None}
            for object_id in subscription["discounts"]
        ],
        metadata=dict(subscription["metadata"]),
        default_tax_rates=list(subscription["default_tax_rates"]),
        collection_method=subscription["collection_method"] if by_invoice else None,
        invoice_settings=_invoice_settings(settings) if by_invoice else None,
        trial_end=subscription["trial_end"] if subscription["status"] == "trialing" else None,
    )


def current(schedule: Body) -> Body | None:
    """The phase that runs now."""
    span = schedule["current_phase"]
    return next(
        (one for one in schedule["phases"] if span and one["start_date"] == span["start_date"]),
        None,
    )


def following(schedule: Body) -> Body | None:
    """The phase after the current one."""
    span = schedule["current_phase"]
    return next(
        (one for one in schedule["phases"] if span and one["start_date"] >= span["end_date"]),
        None,
    )


def span_of(phase: Body) -> Body:
    """A phase as ``current_phase`` names it."""
    return {"end_date": phase["end_date"], "start_date": phase["start_date"]}
