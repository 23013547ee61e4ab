"""What a person does on the hosted Checkout page, without a browser."""

from __future__ import annotations

from dataclasses import dataclass

from flask_billing.sandbox.checkout import completion, promotion
from flask_billing.sandbox.checkout.session import way_back
from flask_billing.sandbox.engine import bank_debits
from flask_billing.sandbox.engine.card_form import Card
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError, SandboxError


class CardDeclinedError(SandboxError):
    """The card was refused; the session stays open and may be paid with another card."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.code = error.code
        self.decline_code = error.more.get("decline_code")


@dataclass(frozen=True)
class Outcome:
    """Where a person is after a step on the page.

    ``status`` is ``complete``, ``challenge`` (the bank wants to see them) or ``abandoned``;
    ``redirect`` is where the browser goes next.
    """

    status: str
    redirect: str | None


class PersonAtCheckout:
    """`sandbox.checkout(session_id)`: pay, authenticate, enter a code, or leave."""

    def __init__(self, room: EngineRoom, session_id: str) -> None:
        self._room = room
        self._id = session_id

    def pay(
        self,
        card: str = "4242424242424242",
        *,
        name: str = "Jenny Rosen",
        email: str = "jenny@example.com",
        promotion_code: str | None = None,
    ) -> Outcome:
        """Type a card and press the button; a refused card raises `CardDeclinedError`."""
        cvc = "1234" if card.startswith("37") else "123"
        typed = Card(card, 12, 2034, cvc, name, email)
        try:
            with self._room.account() as account:
                session = account.require("checkout.session", self._id)
                if promotion_code:
                    promotion.enter_code(account, session, promotion_code)
                result = completion.submit(account, session, typed)
                return Outcome(result, way_back(session) if result == "complete" else None)
        except ApiError as error:
            raise _refusal(error) from error

    def pay_by_bank(self, *, fails: bool = False) -> Outcome:
        """Pay by bank debit: complete at once, while the payment processes for four days.

        ``fails`` says how it ends when the clock gets there; `settle` ends it before.
        """
        with self._room.account() as account:
            session = account.require("checkout.session", self._id)
            person = Card("", 0, 0, "", "Jenny Rosen", "jenny@example.com")
            completion.submit_bank_account(account, session, person, fails=fails)
            return Outcome("complete", way_back(session))

    def settle(self, *, success: bool = True) -> None:
        """The bank answers a debit that is processing."""
        with self._room.account() as account:
            session = account.require("checkout.session", self._id)
            intent = bank_debits.latest_of(account, session)
            bank_debits.settle(account, intent, success=success)

    def authenticate(self, *, success: bool = True) -> Outcome:
        """Answer the bank's 3-D Secure challenge; failing it raises `CardDeclinedError`."""
        refusal = None
        with self._room.account() as account:
            session = account.require("checkout.session", self._id)
            try:
                completion.authenticate(account, session, success=success)
            except ApiError as error:
                if not error.keep:
                    raise
                refusal = error
        if refusal is not None:
            raise _refusal(refusal)
        return Outcome("complete", way_back(session))

    def abandon(self) -> Outcome:
        """Press the back link: the session stays open."""
        with self._room.account() as account:
            session = account.require("checkout.session", self._id)
            return Outcome("abandoned", session["cancel_url"])


def _refusal(error: ApiError) -> Exception:
    return CardDeclinedError(error) if error.status == 402 else error
