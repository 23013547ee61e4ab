"""The hosted Checkout page."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import amounts, completion, promotion
from flask_billing.sandbox.checkout import session as sessions
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.engine.card_form import Card
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages.render import rendered, see_other

TEST_CARDS = (
    ("4242424242424242", "Pays"),
    ("4000000000000002", "Is declined"),
    ("4000002760003184", "Asks for 3-D Secure"),
    ("4000000000009995", "Has no funds"),
    ("4000000000000341", "Pays now, fails later"),
)
_FIELDS = {"number": "number", "exp_month": "expiry", "exp_year": "expiry", "cvc": "cvc"}
_LONGEST = 200


@dataclass
class Form:
    """What was typed, kept when something is wrong with it."""

    number: str = ""
    expiry: str = ""
    cvc: str = ""
    name: str = ""
    email: str = ""
    code: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Form:
        """The form of a request, each field within reason."""
        names = ("number", "expiry", "cvc", "name", "email", "code")
        form = cls()
        for name in names:
            setattr(form, name, request.form.get(name, "").strip()[:_LONGEST])
        return form


def show(room: EngineRoom, request: Request, object_id: str) -> Response:
    """The page, or what became of the session."""
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        return _page(account, request, session, Form())


def pay(room: EngineRoom, request: Request, object_id: str) -> Response:
    """Pay with the card that was typed; a refusal is shown where it belongs."""
    form = Form.of(request)
    if request.form.get("fill"):
        return _filled(room, request, object_id, form)
    try:
        with room.account() as account:
            session = account.require("checkout.session", object_id)
            if session["status"] != "open":
                return _page(account, request, session, form)
            if not _complete(account, session, form):
                return _page(account, request, session, form, status=422)
            result = completion.submit(account, session, _card(form))
            if result == "challenge":
                return see_other(f"{request.script_root}/c/pay/{object_id}/bank")
            return after(request, session)
    except ApiError as error:
        where = _FIELDS.get(error.param or "", "card")
        form.errors[where] = error.message
        with room.account() as account:
            session = account.require("checkout.session", object_id)
            return _page(account, request, session, form, status=error.status)


def code(room: EngineRoom, request: Request, object_id: str) -> Response:
    """Apply or remove a promotion code."""
    form = Form.of(request)
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        sessions.must_be_open(session)
        try:
            if request.form.get("remove"):
                promotion.remove_code(account, session)
            elif form.code:
                promotion.enter_code(account, session, form.code)
            else:
                form.errors["code"] = "Enter a promotion code."
        except ApiError as error:
            form.errors["code"] = error.message
        if form.errors:
            return _page(account, request, session, form, status=422)
        return see_other(f"{request.script_root}/c/pay/{object_id}")


def after(request: Request, session: Body) -> Response:
    """Back to the app, with the session's id in the address."""
    url = session["success_url"]
    if not url:
        return rendered(
            request, "message.html", title="Thank you", text="The payment went through."
        )
    return see_other(url.replace("{CHECKOUT_SESSION_ID}", session["id"]))


def refused(account: Account, request: Request, session: Body, error: ApiError) -> Response:
    """The form again, with the reason the bank gave."""
    form = Form(errors={"card": error.message})
    return _page(account, request, session, form, status=error.status)


def _filled(room: EngineRoom, request: Request, object_id: str, form: Form) -> Response:
    number = request.form["fill"]
    if number in {card for card, _ in TEST_CARDS}:
        form.number = " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        form.expiry = form.expiry or "12 / 34"
        form.cvc = form.cvc or "123"
        form.name = form.name or "Jenny Rosen"
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        return _page(account, request, session, form)


def _complete(account: Account, session: Body, form: Form) -> bool:
    """Is everything typed that is needed? Says at each field what is missing."""
    if not session["customer"] and "@" not in form.email:
        form.errors["email"] = "Enter an email address, such as jenny@example.com."
    if sessions.needs_no_card(account, session) and not form.number:
        return not form.errors
    if not form.number:
        form.errors["number"] = "Enter the card number."
    if _expiry(form.expiry) is None:
        form.errors["expiry"] = "Enter the expiry date as month and year, such as 12 / 34."
    if not form.cvc:
        form.errors["cvc"] = "Enter the security code."
    return not form.errors


def _expiry(text: str) -> tuple[int, int] | None:
    digits = "".join(char for char in text if char.isascii() and char.isdigit())
    if len(digits) == 4:
        return int(digits[:2]), 2000 + int(digits[2:])
    if len(digits) == 6:
        return int(digits[:2]), int(digits[2:])
    return None


def _card(form: Form) -> Card:
    month, year = _expiry(form.expiry) or (0, 0)
    return Card(form.number, month, year, form.cvc, form.name, form.email)


def _page(
    account: Account, request: Request, session: Body, form: Form, status: int = 200
) -> Response:
    if session["status"] != "open":
        return _closed(request, session)
    trial_end = amounts.trial_end(account, session)
    lines = [_line(account, session, line, trial_end) for line in session["_"]["lines"]]
    due = amounts.due_now(account, session)
    coupon = account.get("coupon", session["_"].get("coupon"))
    customer = account.get("customer", session["customer"])
    return rendered(
        request,
        "checkout.html",
        status=status,
        leads_to=(session["success_url"], session["cancel_url"]),
        session=session,
        lines=lines,
        form=form,
        due=due,
        discount=_discount_words(coupon, session),
        trial_end=_date(trial_end) if trial_end else None,
        email=customer["email"] if customer else session["customer_email"],
        needs_email=customer is None,
        test_cards=TEST_CARDS,
        button=_button(session, due, trial_end),
        seller=account.settings.account_name,
        later=_later(account, session, coupon, trial_end),
        card_optional=sessions.needs_no_card(account, session),
    )


def _closed(request: Request, session: Body) -> Response:
    complete = session["status"] == "complete"
    return rendered(
        request,
        "message.html",
        status=200 if complete else 410,
        title="This payment is complete" if complete else "This checkout has expired",
        text="You can close this page."
        if complete
        else "You haven't been charged. Go back and start again.",
        back=session["success_url"].replace("{CHECKOUT_SESSION_ID}", session["id"])
        if complete and session["success_url"]
        else session["cancel_url"],
    )


def _line(account: Account, session: Body, line: Body, trial_end: int | None) -> Body:
    price = account.anything(line["price"])
    assert price is not None
    recurring = price["recurring"]
    quantity = line["quantity"]
    return {
        "name": line["description"],
        "quantity": quantity,
        "amount": pricing.amount(price, quantity) if quantity is not None else None,
        "per": f"per {recurring['interval']}"
        if recurring and recurring["interval_count"] == 1
        else pricing.interval_text(recurring)
        if recurring
        else None,
        "trial": bool(recurring) and trial_end is not None,
        "currency": line["currency"],
    }


def _later(
    account: Account, session: Body, coupon: Body | None, trial_end: int | None
) -> str | None:
    """What is paid after today, where that differs from what is due today."""
    if session["mode"] != "subscription":
        return None
    prices = [account.anything(line["price"]) or {} for line in session["_"]["lines"]]
    recurring = [
        (price, line["quantity"])
        for price, line in zip(prices, session["_"]["lines"], strict=True)
        if price["recurring"] and line["quantity"] is not None
    ]
    if not recurring or (trial_end is None and coupon is None and len(recurring) == len(prices)):
        return None
    total = sum(pricing.amount(price, quantity) for price, quantity in recurring)
    interval = recurring[0][0]["recurring"]["interval"]
    amount = f"{pricing.money(total, session['currency'])} per {interval}"
    if trial_end is not None:
        return f"Free until {_date(trial_end)}, then {amount}."
    if coupon is not None and coupon["duration"] == "forever":
        return None
    if coupon is not None and coupon["duration"] == "repeating":
        return f"After {coupon['duration_in_months']} months {amount}."
    return f"Then {amount}."


def _discount_words(coupon: Body | None, session: Body) -> Body | None:
    if coupon is None:
        return None
    off = (
        f"{coupon['percent_off']:g} % off"
        if coupon["percent_off"]
        else f"{pricing.money(coupon['amount_off'], coupon['currency'])} off"
    )
    length = {
        "once": "",
        "forever": " forever",
        "repeating": f" for {coupon['duration_in_months']} months",
    }[coupon["duration"]]
    return {
        "name": coupon["name"] or coupon["id"],
        "words": off + length,
        "amount": session["total_details"]["amount_discount"],
        "removable": bool(session["allow_promotion_codes"]),
    }


def _button(session: Body, due: int, trial_end: int | None) -> str:
    if session["mode"] == "setup":
        return "Save card"
    if trial_end is not None and not due:
        return "Start trial"
    if session["mode"] == "subscription":
        return "Subscribe"
    return f"Pay {pricing.money(due, session['currency'])}"


def _date(moment: int) -> str:
    day = datetime.fromtimestamp(moment, UTC)
    return f"{day.day} {day:%B %Y}"
