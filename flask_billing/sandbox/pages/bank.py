"""The bank's 3-D Secure page: the person proves that the card is theirs, or fails to."""

import hmac

from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import completion
from flask_billing.sandbox.checkout.amounts import due_now
from flask_billing.sandbox.checkout.session import way_back
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError
from flask_billing.sandbox.pages import checkout as checkout_page
from flask_billing.sandbox.pages.render import rendered, see_other
from flask_billing.sandbox.resources import payment_confirmation, setup_confirmation


def show_for_session(room: EngineRoom, request: Request, object_id: str) -> Response:
    """The challenge of a Checkout Session."""
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        if session["status"] != "open" or "challenge" not in session["_"]:
            return see_other(f"{request.script_root}/c/pay/{object_id}")
        return rendered(
            request,
            "bank.html",
            leads_to=(way_back(session), session["cancel_url"]),
            action=f"{request.script_root}/c/pay/{object_id}/bank",
            secret="",
            amount=due_now(account, session),
            currency=session["currency"],
            seller=account.settings.account_name,
        )


def answer_for_session(room: EngineRoom, request: Request, object_id: str) -> Response:
    """The person's answer: on with the payment, or back to the form with a sentence."""
    with room.account() as account:
        session = account.require("checkout.session", object_id)
        if session["status"] != "open" or "challenge" not in session["_"]:
            return see_other(f"{request.script_root}/c/pay/{object_id}")
        try:
            completion.authenticate(
                account, session, success=request.form.get("answer") == "complete"
            )
        except ApiError as error:
            if not error.keep:
                raise
            return checkout_page.refused(account, request, session, error)
        return checkout_page.after(request, session)


def show(room: EngineRoom, request: Request, object_id: str) -> Response:
    """The challenge of a payment or setup intent."""
    with room.account() as account:
        intent = _intent(account, object_id, request.args.get("client_secret", ""))
        if intent["status"] != "requires_action":
            return rendered(
                request,
                "message.html",
                title="Nothing to confirm",
                text="This payment does not wait for a confirmation any more.",
                back=_return_url(intent),
            )
        return rendered(
            request,
            "bank.html",
            leads_to=(_return_url(intent),),
            action=f"{request.script_root}/3ds/{object_id}",
            secret=intent["client_secret"],
            amount=intent.get("amount", 0),
            currency=intent.get("currency"),
            seller=account.settings.account_name,
        )


def answer(room: EngineRoom, request: Request, object_id: str) -> Response:
    """The person's answer, then back to the address the app gave."""
    with room.account() as account:
        intent = _intent(account, object_id, request.form.get("client_secret", ""))
        if intent["status"] == "requires_action":
            _resolve(account, intent, success=request.form.get("answer") == "complete")
        back = _return_url(intent)
        if back is None:
            return rendered(
                request, "message.html", title="Thank you", text="You can close this page."
            )
        kind = intent["object"]
        outcome = "succeeded" if intent["status"] == "succeeded" else "failed"
        mark = "&" if "?" in back else "?"
        return see_other(
            f"{back}{mark}{kind}={intent['id']}&{kind}_client_secret={intent['client_secret']}"
            f"&redirect_status={outcome}"
        )


def _intent(account: Account, object_id: str, secret: str) -> Body:
    intent = account.get("payment_intent", object_id) or account.get("setup_intent", object_id)
    if intent is None or not hmac.compare_digest(
        intent["client_secret"].encode(), secret.encode(errors="replace")
    ):
        raise NotFound
    return intent


def _return_url(intent: Body) -> str | None:
    url: str | None = (intent.get("_") or {}).get("return_url")
    return url


def _resolve(account: Account, intent: Body, *, success: bool) -> None:
    paying = intent["object"] == "payment_intent"
    if not success:
        failed_by = payment_confirmation if paying else setup_confirmation
        failed_by.fail_challenge(account, intent)
        return
    try:
        if paying:
            payment_confirmation.confirm_with(
                account, intent, authenticated=True, return_url=_return_url(intent)
            )
        else:
            setup_confirmation.confirm_with(
                account, intent, authenticated=True, return_url=_return_url(intent)
            )
    except ApiError as error:
        if not error.keep:
            raise
