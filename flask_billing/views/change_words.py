"""A quote in words: what changes, what it costs, what is gained and lost."""

from __future__ import annotations

import dataclasses
from datetime import UTC

from .. import formatting
from ..catalog import UNLIMITED, Limit, Plan
from ..state import state
from ..subscriptions import Quote
from ..subscriptions.consequences import LimitChange, OverLimit
from ..subscriptions.preview import Line
from ..translation import gettext as _
from ..translation import ngettext
from . import limit_lines, payment_labels, usage_rates
from .usage_rates import UsageRate


@dataclasses.dataclass(frozen=True)
class Shown:
    """A quote as the page shows it.

    :param title: what the page is about.
    :param before: plan and price as they are; ``after`` as they would be.
    :param usage: what use costs on what is changed to.
    :param lines: label and amount of each line above what is due.
    :param button: says what pressing it does, with the amount.
    :param notes: sentences below the button.
    :param warnings: sentences to read before it.
    """

    title: str
    before: tuple[str, str]
    after: tuple[str, str]
    usage: tuple[UsageRate, ...]
    begins: str
    lines: tuple[tuple[str, str], ...]
    due: str | None
    next_charge: str | None
    card: str | None
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    button: str


def shown(quote: Quote) -> Shown:
    """The words of a quote."""
    gained, lost = _gained(quote), _lost(quote)
    return Shown(
        title=_title(quote),
        before=(
            _name(quote.from_plan, quote.from_quantity),
            _price(quote.from_amount, quote.from_interval, quote.currency),
        ),
        after=(
            _name(quote.plan, quote.quantity),
            _price(quote.amount, quote.interval, quote.currency),
        ),
        usage=_usage(quote),
        begins=_begins(quote),
        lines=tuple((_label(line, quote), _money(line.amount, quote)) for line in quote.lines),
        due=_money(quote.due_now, quote) if quote.kind in ("upgrade", "end_trial") else None,
        next_charge=_next_charge(quote),
        card=None if quote.card is None else payment_labels.full(quote.card),
        gained=gained,
        lost=lost,
        warnings=tuple(_warnings(quote)),
        notes=tuple(_notes(quote)),
        button=_button(quote),
    )


def happened(plan: Plan | None) -> str:
    """What is said once a change was carried out."""
    return _("You're on %(plan)s.", plan=plan.name if plan is not None else _("your new plan"))


def _title(quote: Quote) -> str:
    if quote.kind == "end_trial" and quote.plan == quote.from_plan:
        return _("End your trial of %(plan)s", plan=quote.plan.name)

    if quote.plan != quote.from_plan:
        pattern = {
            "upgrade": _("Upgrade to %(plan)s"),
            "downgrade": _("Downgrade to %(plan)s"),
        }.get(quote.kind, _("Switch to %(plan)s"))
        return pattern % {"plan": quote.plan.name}

    if quote.interval != quote.from_interval:
        return _("Pay by the year") if quote.interval == "year" else _("Pay by the month")

    return _("Add seats") if quote.quantity > quote.from_quantity else _("Fewer seats")


def _button(quote: Quote) -> str:
    if quote.kind == "end_trial":
        return _("End trial and pay %(amount)s now", amount=_money(quote.due_now, quote))

    if quote.kind == "switch":
        assert quote.trial_end is not None, "only a trial is switched"
        return _("Switch; trial continues until %(date)s", date=formatting.day(quote.trial_end))

    if quote.kind == "downgrade":
        assert quote.effective_at is not None, "a downgrade has its date"
        return _later(quote) % {"date": formatting.day(quote.effective_at)}

    if quote.due_now == 0:
        return {"plan": _("Upgrade now"), "interval": _("Switch now"), "seats": _("Add seats now")}[
            _what(quote)
        ]

    pattern = {
        "plan": _("Upgrade and pay %(amount)s now"),
        "interval": _("Switch and pay %(amount)s now"),
        "seats": _("Add seats and pay %(amount)s now"),
    }[_what(quote)]
    return pattern % {"amount": _money(quote.due_now, quote)}


def _later(quote: Quote) -> str:
    return {
        "plan": _("Downgrade on %(date)s"),
        "interval": _("Switch on %(date)s"),
        "seats": _("Reduce seats on %(date)s"),
    }[_what(quote)]


def _what(quote: Quote) -> str:
    """What changes first of all."""
    if quote.plan != quote.from_plan:
        return "plan"

    return "interval" if quote.interval != quote.from_interval else "seats"


def _usage(quote: Quote) -> tuple[UsageRate, ...]:
    """The rates of another plan or interval. Who keeps both keeps the prices they have."""
    if (quote.plan, quote.interval) == (quote.from_plan, quote.from_interval):
        return ()

    return usage_rates.of_plan(quote.plan, quote.interval, quote.currency)


def _begins(quote: Quote) -> str:
    if quote.effective_at is not None:
        return formatting.day(quote.effective_at)

    if quote.kind == "switch" and quote.trial_end is not None:
        return _("Now. Your trial goes on until %(date)s.", date=formatting.day(quote.trial_end))

    return _("Now")


def _name(plan: Plan | None, quantity: int) -> str:
    name = plan.name if plan is not None else _("Your plan")

    if plan is None or plan.seats is None:
        return name

    seats = ngettext("%(num)s seat", "%(num)s seats", quantity)
    return _("%(plan)s, %(seats)s", plan=name, seats=seats)


def _price(amount: int | None, interval: str | None, currency: str) -> str:
    if amount is None:
        return ""

    return f"{formatting.price(amount, currency)} {formatting.interval_name(interval)}".strip()


def _label(line: Line, quote: Quote) -> str:
    before = quote.from_plan.name if quote.from_plan is not None else _("your plan")
    match line.kind:
        case "unused":
            return _("Unused time on %(plan)s", plan=before)
        case "charge" if quote.next_at is not None:
            return _(
                "%(plan)s until %(date)s",
                plan=quote.plan.name,
                date=formatting.day(quote.next_at),
            )
        case "charge":
            return quote.plan.name
        case "usage":
            return _("Usage beyond %(plan)s until now", plan=before)
        case "other":
            return _("Other charges that were waiting")
        case "further":
            return _("Further lines of this invoice")
        case "discount":
            return _("Discount")
        case "tax":
            return _("Tax")
        case "balance":
            return _("Your credit") if line.amount < 0 else _("Carried over from before")
        case "carried":
            return _("Too little to charge now, moved to your next invoice")
        case "kept":
            return _("Kept as credit for your next invoices")


def _next_charge(quote: Quote) -> str | None:
    if quote.next_at is None:
        return None

    pattern = _("%(amount)s on %(date)s")

    if quote.bills_usage:
        pattern = _("%(amount)s on %(date)s, plus usage")

    return pattern % {
        "amount": _money(quote.next_amount, quote),
        "date": formatting.day(quote.next_at),
    }


def _gained(quote: Quote) -> tuple[str, ...]:
    more = [_limit(change, quote) for change in quote.consequences.limits if _grows(change)]
    return (*more, *_unsaid(quote.consequences.gained, quote.plan))


def _lost(quote: Quote) -> tuple[str, ...]:
    less = [_limit(change, quote) for change in quote.consequences.limits if not _grows(change)]
    return (*less, *_unsaid(quote.consequences.lost, quote.from_plan))


def _unsaid(features: tuple[str, ...], plan: Plan | None) -> list[str]:
    """The features that are no limit in other words."""
    said = {line.casefold() for line in limit_lines.lines(plan, state().catalog)} if plan else set()
    return [text for text in features if text.casefold() not in said]


def _grows(change: LimitChange) -> bool:
    return _size(change.after) > _size(change.before)


def _size(limit: Limit | None) -> float:
    if limit is None:
        return 0

    if limit_lines.is_by_use(limit):
        return 0.5  # more than none, and less than any that are included

    return float("inf") if limit.included == UNLIMITED else limit.included


def _limit(change: LimitChange, quote: Quote) -> str:
    catalog = state().catalog
    meter = limit_lines.meter_inside(change.meter.name)
    held = change.before
    before = limit_lines.amount(held, catalog) if held is not None and held.included else None

    if not _size(change.after):
        return _("No %(meter)s instead of %(before)s", meter=meter, before=before)

    assert change.after is not None, "it includes something"
    line = limit_lines.line(change.after, catalog)

    if before is None:
        return line

    return _("%(line)s instead of %(before)s", line=line, before=before)


def _warnings(quote: Quote) -> list[str]:
    found = [_over(one, quote) for one in quote.consequences.over_limits]

    if quote.replaces is not None:
        found.append(_replaced(quote))

    if quote.from_plan is not None and quote.from_plan.archived:
        found.append(
            _(
                "%(plan)s is not sold any more. Once you leave it, you can't come back to it.",
                plan=quote.from_plan.name,
            )
        )

    return found


def _over(one: OverLimit, quote: Quote) -> str:
    pattern = _("You use %(used)s %(meter)s; %(plan)s includes %(included)s.")

    if one.limit.policy == "overage":
        pattern = _(
            "You use %(used)s %(meter)s; %(plan)s includes %(included)s and bills what is beyond."
        )

    return pattern % {
        "used": formatting.compact(formatting.in_units(one.used, one.meter)),
        "meter": limit_lines.meter_inside(one.meter.name),
        "plan": quote.plan.name,
        "included": limit_lines.amount(one.limit, state().catalog),
    }


def _replaced(quote: Quote) -> str:
    waiting = quote.replaces
    assert waiting is not None
    plan = state().catalog.plan(waiting.to_plan)
    name = plan.name if plan is not None else _("another plan")

    if waiting.effective_at is None:
        return _("This takes the place of the change to %(plan)s you haven't confirmed.", plan=name)

    return _(
        "This takes the place of the switch to %(plan)s on %(date)s.",
        plan=name,
        date=formatting.day(waiting.effective_at),
    )


def _notes(quote: Quote) -> list[str]:
    found = []

    if quote.tax_inside:
        found.append(_("Includes %(amount)s tax.", amount=_money(quote.tax_inside, quote)))

    if quote.kind == "downgrade":
        found.append(_("Until then everything stays as it is."))

    if quote.kind in ("downgrade", "switch"):
        found.append(_("Nothing is charged now."))

    time = f"{quote.made_at.astimezone(UTC):%H:%M} UTC"
    found.append(_("Calculated at %(time)s.", time=time))
    return found


def _money(amount: int, quote: Quote) -> str:
    return formatting.price(amount, quote.currency)
