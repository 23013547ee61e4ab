"""Cards in the customer portal: added, made the default, removed."""

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine.card_form import check_card
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages.card_entry import PLACES, TEST_CARDS, Form
from flask_billing.sandbox.pages.portal_visit import Visit, visiting
from flask_billing.sandbox.pages.render import see_other
from flask_billing.sandbox.resources import payment_methods, setup_confirmation, setup_intents

_FEATURE = "payment_method_update"


def cards_of(visit: Visit) -> list[Body]:
    """The customer's cards, the default one first."""
    found = visit.account.find(
        "payment_method", customer=visit.customer["id"], where=[("$.type", "card")]
    )
    default = visit.customer["invoice_settings"]["default_payment_method"]
    used = {
        one["default_payment_method"]
        for one in visit.account.find("subscription", customer=visit.customer["id"])
        if one["status"] not in {"canceled", "incomplete_expired"}
    }
    shown = [
        {
            **one["card"],
            "id": one["id"],
            "default": one["id"] == default,
            "used": one["id"] in used,
        }
        for one in found
    ]
    return sorted(shown, key=lambda card: not card["default"])


def add(room: EngineRoom, request: Request, token: str) -> Response:
    """The form for a new card; a card that was confirmed at the bank comes back here."""
    with visiting(room, request, token) as visit:
        visit.must_allow(_FEATURE)
        intent = visit.account.get("setup_intent", request.args.get("setup_intent"))
        if intent is None or intent["customer"] != visit.customer["id"]:
            return _form(visit, Form())
        if intent["status"] == "succeeded":
            _make_default(visit, intent["payment_method"])
            return visit.done(_FEATURE)
        error = intent["last_setup_error"] or {}
        return _form(visit, Form(errors={"card": error.get("message") or "Try again."}), 402)


def save(room: EngineRoom, request: Request, token: str) -> Response:
    """Save the card that was typed."""
    form = Form.of(request)
    try:
        with visiting(room, request, token) as visit:
            visit.must_allow(_FEATURE)
            if request.form.get("fill"):
                form.fill(request.form["fill"])
                return _form(visit, form)
            form.check_card()
            if form.errors:
                return _form(visit, form, 422)
            return _save(visit, form)
    except ApiError as error:
        form.errors[PLACES.get(error.param or "", "card")] = error.message
        with visiting(room, request, token) as visit:
            return _form(visit, form, error.status)


def _save(visit: Visit, form: Form) -> Response:
    account, typed = visit.account, form.card()
    found = check_card(account, typed)
    assert found is not None
    method = payment_methods.mint(
        account,
        found,
        exp_month=typed.exp_month,
        exp_year=typed.exp_year,
        billing={"name": form.name},
        unchecked=True,
    )
    intent = setup_intents.new_setup_intent(account, {"customer": visit.customer["id"]})
    setup_confirmation.take_method(account, intent, method["id"])
    back = account.public_url + visit.home.removeprefix(visit.request.script_root) + "/card"
    setup_confirmation.confirm_with(account, intent, return_url=back)
    if intent["next_action"]:
        url: str = intent["next_action"]["redirect_to_url"]["url"]
        return see_other(visit.request.script_root + url.removeprefix(account.public_url))
    _make_default(visit, method["id"])
    return visit.done(_FEATURE)


def _form(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("portal_card.html", status, form=form, test_cards=TEST_CARDS)


def _make_default(visit: Visit, method: str) -> None:
    with visit.account.changing(visit.customer, "customer.updated"):
        visit.customer["invoice_settings"]["default_payment_method"] = method


def change(room: EngineRoom, request: Request, token: str, object_id: str) -> Response:
    """Make a card the default, or remove it."""
    with visiting(room, request, token) as visit:
        visit.must_allow(_FEATURE)
        card = next((card for card in cards_of(visit) if card["id"] == object_id), None)
        if card is None:
            raise NotFound
        if request.form.get("do") == "default":
            _make_default(visit, object_id)
        elif not card["default"] and not card["used"]:
            payment_methods.detach_from(visit.account, object_id)
        return see_other(visit.home + "?home=1")
