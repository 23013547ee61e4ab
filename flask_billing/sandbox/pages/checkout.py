"""The hosted Checkout page."""

from __future__ import annotations

from datetime import UTC, datetime

from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import amounts, completion, promotion
from flask_billing.sandbox.checkout import session as sessions
from flask_billing.sandbox.engine import pricing
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages.card_entry import PLACES, TEST_CARDS, Form
from flask_billing.sandbox.pages.render import rendered, see_other

_COUNTRIES = (
    ("AU", "Australia"),
    ("AT", "Austria"),
    ("CA", "Canada"),
    ("FR", "France"),
    ("DE", "Germany"),
    ("IE", "Ireland"),
    ("IT", "Italy"),
    ("JP", "Japan"),
    ("NL", "Netherlands"),
    ("ES", "Spain"),
    ("CH", "Switzerland"),
    ("GB", "United Kingdom"),
    ("US", "United States"),
)
_TAX_IDS = (
    ("eu_vat", "EU VAT"),
    ("gb_vat", "UK VAT"),
    ("us_ein", "US EIN"),
    ("au_abn", "Australian ABN"),
    ("ch_vat", "Swiss VAT"),
    ("no_vat", "Norwegian VAT"),
)


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
            result = completion.submit(account, session, form.card())
            if result == "challenge":
                return see_other(f"{request.script_root}/c/pay/{object_id}/bank")
            return after(request, session)
    except ApiError as error:
        where = PLACES.get(error.param or "", "card")
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
    url = sessions.way_back(session)
    if not url:
        return rendered(
            request, "message.html", title="Thank you", text="The payment went through."
        )
    return see_other(url)


def refused(account: Account, request: Request, session: Body, error: ApiError) -> Response:
    """The form again, with the reason the bank gave."""
    form = Form(errors={"card": error.message})
    return _page(account, request, session, form, status=error.status)


def _filled(room: EngineRoom, request: Request, object_id: str, form: Form) -> Response:
    form.fill(request.form["fill"])
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        return _page(account, request, session, form)


def _complete(account: Account, session: Body, form: Form) -> bool:
    """Is everything typed that is needed? Says at each field what is missing."""
    if not session["customer"] and "@" not in form.email:
        form.errors["email"] = "Enter an email address, such as jenny@example.com."
    if session["billing_address_collection"] == "required":
        form.check_address()
    if session["phone_number_collection"]["enabled"] and not form.phone:
        form.errors["phone"] = "Enter a phone number."
    if form.tax_id and not form.tax_id_type:
        form.errors["tax_id_type"] = "Choose the kind of tax ID."
    if sessions.needs_no_card(account, session) and not form.number:
        return not form.errors
    form.check_card()
    return not form.errors


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
        leads_to=(sessions.way_back(session), session["cancel_url"]),
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
        countries=_COUNTRIES,
        tax_ids=_TAX_IDS if (session.get("tax_id_collection") or {}).get("enabled") else (),
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
        back_words="Continue" if complete else "Go back",
        back=sessions.way_back(session) if complete else session["cancel_url"],
    )


def _line(account: Account, session: Body, line: Body, trial_end: int | None) -> Body:
    price = account.anything(line["price"])
    assert price is not None
    recurring = price["recurring"]
    quantity = line["quantity"]
    return {
        "name": line["description"],
        "words": _words(price, quantity, trial=bool(recurring) and trial_end is not None),
        "amount": pricing.amount(price, quantity) if quantity is not None else None,
        "per": f"per {recurring['interval']}"
        if recurring and recurring["interval_count"] == 1
        else pricing.interval_text(recurring)
        if recurring
        else None,
        "currency": line["currency"],
    }


def _words(price: Body, quantity: int | None, *, trial: bool) -> str:
    """What a line costs, in small print: ``3 × $25.00 per month``."""
    if quantity is None:
        return "Billed by usage"
    if trial:
        return "Free trial"
    recurring = price["recurring"]
    per = f" / {pricing.interval_text(recurring)}" if recurring else ""
    if price["billing_scheme"] == "tiered":
        return f"{quantity} units{per}"
    one = pricing.money(pricing.amount(price, 1), price["currency"])
    return f"{quantity} × {one}{per}" if quantity > 1 or per else ""


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
