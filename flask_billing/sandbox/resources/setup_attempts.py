"""Setup attempts: each try to set a card up, and how it ended."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.router import Call, endpoint


def record(
    account: Account, intent: Body, method: Body, status: str, error: Body | None = None
) -> None:
    """Note an attempt on the intent; one that waited for the bank is brought to its end."""
    attempt = account.get("setup_attempt", intent["latest_attempt"])
    if attempt is None or attempt["status"] != "requires_action":
        attempt = account.add(_new(account, intent, method))
        intent["latest_attempt"] = attempt["id"]

    attempt.update(status=status, setup_error=error)
    account.save(attempt)


def _new(account: Account, intent: Body, method: Body) -> Body:
    return {
        "id": new_id("setatt"),
        "object": "setup_attempt",
        "application": None,
        "created": account.now,
        "customer": intent["customer"],
        "customer_account": None,
        "flow_directions": None,
        "livemode": False,
        "on_behalf_of": None,
        "payment_method": method["id"],
        "payment_method_details": _details(method),
        "setup_error": None,
        "setup_intent": intent["id"],
        "status": "requires_confirmation",
        "usage": intent["usage"],
    }


def _details(method: Body) -> Body:
    if method["type"] != "card":
        return {method["type"]: {}, "type": method["type"]}

    card = method["card"]
    names = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding")
    return {
        "card": {
            **{name: card[name] for name in names},
            "last4": card["last4"],
            "network": card["brand"],
            "three_d_secure": None,
            "wallet": None,
        },
        "type": "card",
    }


@endpoint("GET", "/v1/setup_attempts", "SetupAttemptListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of the attempts of a setup intent."""
    intent = call.params["setup_intent"]
    account.require("setup_intent", intent, param="setup_intent", label="setupintent")
    return page(account, call, "setup_attempt", where=[("$.setup_intent", intent)])
