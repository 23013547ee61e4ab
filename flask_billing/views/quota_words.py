"""A refusal for lack of quota, in words."""

from __future__ import annotations

import dataclasses
import typing as t

from .. import formatting
from ..state import state
from ..translation import gettext as _
from . import limit_lines

if t.TYPE_CHECKING:
    from ..catalog import Meter
    from ..metering import Usage


@dataclasses.dataclass(frozen=True)
class QuotaWords:
    """A sentence for what happened, and one for what comes next."""

    heading: str
    text: str


def words(usage: Usage) -> QuotaWords:
    """What to say to someone who ran out of a meter."""
    meter = state().catalog.meter(usage.meter)

    if usage.stops_at == 0:
        return QuotaWords(
            _("%(meter)s aren't part of your plan", meter=meter.name),
            _("Nothing was used or charged."),
        )

    heading = _heading(usage, meter)

    if usage.resets_at is None:
        return QuotaWords(heading, _("This was a one-time allowance. Nothing was charged."))

    if usage.goes_on:  # what was used before is charged
        return QuotaWords(
            heading,
            _(
                "This was not used and not charged. It starts anew %(relative)s (%(moment)s).",
                relative=formatting.until(usage.resets_at),
                moment=formatting.short_moment(usage.resets_at),
            ),
        )

    return QuotaWords(
        heading,
        _(
            "Nothing was charged. It starts anew %(relative)s (%(moment)s).",
            relative=formatting.until(usage.resets_at),
            moment=formatting.short_moment(usage.resets_at),
        ),
    )


def _heading(usage: Usage, meter: Meter) -> str:
    """Whether nothing is left, or just less than was asked for."""
    name = limit_lines.meter_inside(meter.name)
    limit = formatting.exact(formatting.in_units(usage.stops_at or 0, meter))
    left = usage.left or 0

    if not left:
        return _("You've reached your limit of %(limit)s %(meter)s", limit=limit, meter=name)

    return _(
        "This needs more than the %(left)s %(meter)s you have left",
        left=formatting.exact(formatting.in_units(left, meter)),
        meter=name,
    )
