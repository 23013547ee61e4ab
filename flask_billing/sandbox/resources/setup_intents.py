"""Setup intents: saving a card for later without charging it."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, not_built
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, intent_rules, setup_confirmation
from flask_billing.sandbox.router import Call, endpoint
from flask_billing.sandbox.settings import PAYMENT_METHOD_CONFIGURATION_ID

_NOT_BUILT = (
    "attach_to_self",
    "confirmation_token",
    "customer_account",
    "flow_directions",
    "on_behalf_of",
    "payment_method_data",
    "single_use",
)


@endpoint("POST", "/v1/setup_intents", "SetupIntentCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a setup intent, and confirm it if asked."""
    params = call.params
    _check(account, params)
    if params.get("return_url") and not params.get("confirm"):
        raise invalid("`return_url` may only be given together with `confirm`.", "return_url")
    created = account.mark()
    intent = _new(account, params)
    if params.get("payment_method"):
        setup_confirmation.take_method(account, intent, params["payment_method"])
    if not params.get("confirm"):
        account.emit("setup_intent.created", intent)
        return intent

    intent_rules.check_return_url(intent, params)
    try:
        setup_confirmation.confirm_with(account, intent, return_url=params.get("return_url"))
    finally:
        account.emit("setup_intent.created", intent, at=created)
    return intent


def new_setup_intent(account: Account, params: Body, checkout_session: str | None = None) -> Body:
    """A setup intent that waits for a payment method."""
    intent = _new(account, params)
    intent["_"]["checkout_session"] = checkout_session
    account.emit("setup_intent.created", intent)
    return intent


def _new(account: Account, params: Body) -> Body:
    object_id = new_id("seti")
    automatic = params.get("automatic_payment_methods") or {"enabled": True}
    return account.add(
        {
            "id": object_id,
            "object": "setup_intent",
            "application": None,
            "automatic_payment_methods": {
                "allow_redirects": automatic.get("allow_redirects", "always"),
                "enabled": automatic.get("enabled", True),
            },
            "cancellation_reason": None,
            "client_secret": f"{object_id}_secret_{random_text(25)}",
            "created": account.now,
            "customer": params.get("customer"),
            "customer_account": None,
            "description": params.get("description"),
            "excluded_payment_method_types": params.get("excluded_payment_method_types"),
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "livemode": False,
            "mandate": None,
            "metadata": fields.new_metadata(params),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": {
                "id": PAYMENT_METHOD_CONFIGURATION_ID,
                "parent": None,
            },
            "payment_method_options": {
                "card": {
                    "mandate_options": None,
                    "network": None,
                    "request_three_d_secure": "automatic",
                    **_card_options(params),
                }
            },
            "payment_method_types": _types(account, params),
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": params.get("usage", "off_session"),
            "_": {},
        }
    )


def _check(account: Account, params: Body) -> None:
    for name in _NOT_BUILT:
        if name in params:
            raise not_built(f"`{name}` of setup intents", name)
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    fields.not_longer(params, "description", 1_000)


def _card_options(params: Body) -> Body:
    asked = (params.get("payment_method_options") or {}).get("card") or {}
    return {name: asked[name] for name in ("network", "request_three_d_secure") if name in asked}


def _types(account: Account, params: Body) -> list[str]:
    """The account's types of payment methods, filtered by what is allowed and excluded."""
    allowed = params.get("allowed_payment_method_types")
    excluded = params.get("excluded_payment_method_types") or ()
    types = [
        kind
        for kind in account.settings.payment_method_types
        if (not allowed or kind in allowed) and kind not in excluded
    ]
    if not types:
        raise invalid(
            "No payment method types are left: none of the allowed ones is enabled for this "
            "account.",
            "allowed_payment_method_types",
        )
    return types


@endpoint("GET", "/v1/setup_intents/{id}", "SetupIntentRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One setup intent."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require("setup_intent", object_id, param="intent!", label="setupintent")


@endpoint("POST", "/v1/setup_intents/{id}", "SetupIntentUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a setup intent; once it ended, only its description and metadata."""
    intent, params = _require(account, call.id), call.params
    _check(account, params)
    if params.keys() - {"description", "metadata", "expand"}:
        setup_confirmation.check_not_ended(account, intent, "update")
    fields.assign(intent, params, ("customer", "description"))
    fields.merge_metadata(intent, params)
    intent["payment_method_options"]["card"].update(_card_options(params))
    if {"allowed_payment_method_types", "excluded_payment_method_types"} & params.keys():
        intent["payment_method_types"] = _types(account, params)
    if params.get("payment_method"):
        setup_confirmation.take_method(account, intent, params["payment_method"])
    return account.save(intent)


@endpoint("POST", "/v1/setup_intents/{id}/cancel", "SetupIntentCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """Give a setup intent up."""
    intent = _require(account, call.id)
    setup_confirmation.refuse_in_checkout(account, intent, "cancel")
    setup_confirmation.check_not_ended(account, intent, "cancel")
    give_up(account, intent, call.params.get("cancellation_reason"))
    return intent


def give_up(account: Account, intent: Body, reason: str | None = None) -> None:
    """Cancel a setup intent that nobody will confirm."""
    intent.update(status="canceled", cancellation_reason=reason, next_action=None)
    account.save(intent)
    account.emit("setup_intent.canceled", intent)


@endpoint("GET", "/v1/setup_intents", "SetupIntentListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of setup intents, by customer and payment method."""
    params = call.params
    where = [("$.payment_method", params["payment_method"])] if "payment_method" in params else []
    return page(account, call, "setup_intent", customer=params.get("customer"), where=where)
