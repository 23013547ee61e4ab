"""What a comparison found."""

from __future__ import annotations

import dataclasses

from ..sync import Kind


@dataclasses.dataclass(frozen=True)
class Drift:
    """A row that differed from Stripe's object.

    :param customer_id: whose it is; None where that is not known.
    :param fields: the columns that differed, never their values, which may be personal; empty
        where there was no row, or no object.
    :param repaired: whether the row is as Stripe has it now.
    :param why: where it could not be repaired.
    """

    kind: Kind
    stripe_id: str
    customer_id: int | None
    fields: tuple[str, ...] = ()
    repaired: bool = True
    why: str | None = None

    def __str__(self) -> str:
        whose = f" of customer {self.customer_id}" if self.customer_id is not None else ""
        what = ", ".join(self.fields) or ("not at Stripe" if self.why else "missing here")
        done = "repaired" if self.repaired else f"not repaired: {self.why}"
        return f"{self.kind} {self.stripe_id}{whose}: {what}; {done}"


@dataclasses.dataclass
class Report:
    """What a walk compared, and where it found differences."""

    compared: int = 0
    drifts: list[Drift] = dataclasses.field(default_factory=list)
    #: Whether it was stopped before its end.
    stopped: bool = False

    @property
    def unrepaired(self) -> list[Drift]:
        """What somebody has to look at."""
        return [drift for drift in self.drifts if not drift.repaired]

    def __str__(self) -> str:
        repaired = len(self.drifts) - len(self.unrepaired)
        told = f"compared {self.compared}, {len(self.drifts)} differed, {repaired} repaired"
        return f"{told}, stopped before the end" if self.stopped else told
