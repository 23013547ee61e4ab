"""Why a plan cannot be changed so now. Each says what to do first; nothing was charged."""

from __future__ import annotations

import typing as t

from ..errors import ChangeRefusedError

if t.TYPE_CHECKING:
    from .quote import Quote


class SamePlanError(ChangeRefusedError):
    """The customer has exactly that already."""

    code = "same_plan"

    def __init__(self) -> None:
        super().__init__("This is the plan the customer has. Nothing was charged or changed.")


class PayFirstError(ChangeRefusedError):
    """An invoice is unpaid, so a change would be settled against money that never came."""

    code = "pay_first"

    def __init__(self) -> None:
        super().__init__(
            "The last payment for this plan failed, so it cannot be changed. Nothing further was "
            "charged. Pay the open invoice first."
        )


class ResumeFirstError(ChangeRefusedError):
    """The plan is paused, or about to be."""

    code = "resume_first"

    def __init__(self) -> None:
        super().__init__(
            "This plan is paused, so it cannot be changed. Nothing was charged. Resume it first."
        )


class KeepFirstError(ChangeRefusedError):
    """The plan is going to end, so whoever changes it would pay for what ends."""

    code = "keep_first"

    def __init__(self) -> None:
        super().__init__(
            "This plan is going to end, so it cannot be changed. Nothing was charged. "
            "Keep it first, then change it."
        )


class FirstPaymentOpenError(ChangeRefusedError):
    """The plan waits for its first payment."""

    code = "first_payment_open"

    def __init__(self) -> None:
        super().__init__(
            "The first payment for this plan is not complete, so it cannot be changed. Nothing "
            "further was charged. Complete the payment, or let it expire and choose again."
        )


class ForeignScheduleError(ChangeRefusedError):
    """A subscription schedule that is not ours decides what happens to the plan."""

    code = "foreign_schedule"

    def __init__(self) -> None:
        super().__init__(
            "This subscription is managed by a schedule that was made outside of this app, so it "
            "cannot be changed here. Nothing was charged. Release the schedule in Stripe's "
            "dashboard, or change it there."
        )


class SentInvoicesError(ChangeRefusedError):
    """The plan is paid by invoices that are sent, so nothing can be charged at once."""

    code = "sent_invoices"

    def __init__(self) -> None:
        super().__init__(
            "This plan is paid by invoices that are sent, so it cannot be changed here. "
            "Nothing was charged. Change it in Stripe's dashboard."
        )


class NoPaymentMethodError(ChangeRefusedError):
    """There is something to pay and nothing to pay it with."""

    code = "no_payment_method"

    def __init__(self) -> None:
        super().__init__(
            "There is no card on file to charge. Nothing was charged or changed. Add a card first."
        )


class NothingToUndoError(ChangeRefusedError):
    """No change waits for its date or its payment."""

    code = "nothing_to_undo"

    def __init__(self) -> None:
        super().__init__("No change of this plan is waiting. Nothing was charged or changed.")


class NotADowngradeError(ChangeRefusedError):
    """What was asked for as a downgrade would give more, and so would have to be paid for."""

    code = "not_a_downgrade"

    def __init__(self) -> None:
        super().__init__(
            "That is no smaller plan than the customer has. Nothing was charged or changed. "
            "Quote it with quote_change() and confirm it with change_plan()."
        )


class StaleChangeError(ChangeRefusedError):
    """The subscription is not any more what the change was made for."""

    code = "stale_change"

    def __init__(self) -> None:
        super().__init__(
            "The subscription was changed meanwhile, so this change does not fit it any more. "
            "Nothing was charged or changed. Look at the plan as it is now, and decide again."
        )


class QuoteInvalidError(ChangeRefusedError):
    """The confirmation is not one that was given to this customer."""

    code = "quote_invalid"

    def __init__(self) -> None:
        super().__init__(
            "This confirmation was not given to this customer, or was altered. Nothing was "
            "charged or changed. Open the change anew and confirm that."
        )


class QuoteChangedError(ChangeRefusedError):
    """What was confirmed does not hold any more. ``quote`` is what holds now.

    :param why: ``amount`` for other terms than were shown, ``expired``, or ``used`` for a
        confirmation that was carried out, or failed, before.
    """

    code = "quote_changed"

    def __init__(self, why: t.Literal["amount", "expired", "used"], quote: Quote) -> None:
        self.why = why
        self.quote = quote
        super().__init__(_WHY[why] + " Nothing was charged.")


_WHY: t.Final = {
    "amount": "The amount changed while you were reviewing.",
    "expired": "What was shown is out of date.",
    "used": "This confirmation was used before.",
}
