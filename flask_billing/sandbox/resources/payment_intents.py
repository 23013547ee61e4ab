"""Payment intents."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import holds, intents, minimum, pricing
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields, intent_rules, payment_methods
from flask_billing.sandbox.resources import payment_confirmation as confirmation
from flask_billing.sandbox.router import Call, endpoint

_TOO_SMALL = (
    "The amount must be greater than or equal to the minimum charge amount allowed for your "
    "account and the currency set "
    "(https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save "
    "a Payment Method for future use without an immediate payment, use a Setup Intent instead: "
    "https://docs.stripe.com/payments/setup-intents"
)


_LARGEST = 99_999_999
_PLAIN = (
    "description",
    "receipt_email",
    "setup_future_usage",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_group",
)


@endpoint("POST", "/v1/payment_intents", "PaymentIntentCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a payment intent, and confirm it if asked."""
    params = call.params
    _check_amount(account, params["amount"], params["currency"].lower())
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    intent = intents.new_intent(
        account,
        amount=params["amount"],
        currency=params["currency"].lower(),
        customer=params.get("customer"),
        metadata=fields.new_metadata(params),
        capture_method=params.get("capture_method"),
    )
    _change(account, intent, params)
    if params.get("automatic_payment_methods"):
        intent["automatic_payment_methods"].update(params["automatic_payment_methods"])
    account.emit("payment_intent.created", intent)
    if params.get("confirm"):
        intent_rules.check_return_url(intent, params)
        confirmation.confirm_with(
            account,
            intent,
            off_session=bool(params.get("off_session")),
            return_url=params.get("return_url"),
            refuse_challenge=params.get("error_on_requires_action", False),
        )
    return intent


def _check_amount(account: Account, amount: int, currency: str) -> None:
    if amount < minimum.charge(account, currency):
        raise invalid(_TOO_SMALL, "amount", "parameter_invalid_integer")
    if amount > _LARGEST:
        largest = pricing.money(_LARGEST, currency)
        raise invalid(f"Amount must be no more than {largest}", "amount", "amount_too_large")


def _change(account: Account, intent: Body, params: Body) -> None:
    fields.assign(intent, params, _PLAIN)
    if "shipping" in params:
        intent["shipping"] = fields.shipping(params["shipping"])
    if params.get("payment_method"):
        method = payment_methods.usable(account, params["payment_method"], "payment_method")
        intent_rules.check_owner(intent, method)
        intent.update(payment_method=method["id"], status="requires_confirmation")
    fields.merge_metadata(intent, params)
    account.save(intent)


@endpoint("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One payment intent."""
    return _require(account, call.id)


def _require(account: Account, object_id: str) -> Body:
    return account.require("payment_intent", object_id, param="intent!")


@endpoint("POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change a payment intent before it is paid."""
    intent, params = _require(account, call.id), call.params
    if "amount" in params or "currency" in params or "customer" in params:
        _check_changeable(account, intent)
        currency = (params.get("currency") or intent["currency"]).lower()
        amount: int = intent["amount"] if params.get("amount") is None else params["amount"]
        _check_amount(account, amount, currency)
        intent["currency"] = currency
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    fields.assign(intent, params, ("amount", "customer"))
    _change(account, intent, params)
    return intent


def _check_changeable(account: Account, intent: Body) -> None:
    if intent["_"]["invoice"]:
        raise invalid(
            "This PaymentIntent collects an invoice; its amount and customer follow the invoice."
        )
    if intent["status"] not in {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
    }:
        raise intent_rules.unexpected_state(
            account,
            intent,
            "This PaymentIntent's amount could not be updated because it has a status of "
            f"{intent['status']}. You may only update the amount of a PaymentIntent with one of "
            "the following statuses: requires_payment_method, requires_confirmation, "
            "requires_action.",
        )


@endpoint("POST", "/v1/payment_intents/{id}/capture", "PaymentIntentCaptureParams")
def capture(account: Account, call: Call) -> Body:
    """Take what was held, or a part of it."""
    intent = _require(account, call.id)
    holds.capture(account, intent, call.params.get("amount_to_capture"))
    fields.merge_metadata(intent, call.params)
    return account.save(intent)


@endpoint("POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams")
def cancel(account: Account, call: Call) -> Body:
    """Give a payment intent up; what it holds is released."""
    intent = _require(account, call.id)
    if intent["_"].get("invoice"):
        raise invalid(
            "You cannot cancel a PaymentIntent that belongs to an invoice; void the invoice."
        )
    if intent["status"] in {"succeeded", "canceled", "processing"}:
        raise intent_rules.unexpected_state(
            account,
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. "
            "Only a PaymentIntent with one of the following statuses may be canceled: "
            "requires_payment_method, requires_capture, requires_confirmation, requires_action, "
            "processing.",
        )
    if intent["status"] == "requires_capture":
        holds.release(account, intent)
    intent.update(
        status="canceled",
        canceled_at=account.now,
        cancellation_reason=call.params.get("cancellation_reason"),
        next_action=None,
    )
    account.save(intent)
    account.emit("payment_intent.canceled", intent)
    return intent


@endpoint("GET", "/v1/payment_intents", "PaymentIntentListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of payment intents, by customer."""
    return page(account, call, "payment_intent", customer=call.params.get("customer"))
