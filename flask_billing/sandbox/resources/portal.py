"""Customer portal sessions and configurations."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_FEATURES: Body = {
    "customer_update": {"allowed_updates": ["address", "name", "email"], "enabled": True},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {
            "enabled": False,
            "options": [
                "too_expensive",
                "missing_features",
                "switched_service",
                "unused",
                "other",
            ],
        },
        "enabled": True,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {
        "duration": {"interval_options": [], "type": "indefinite"},
        "enabled": False,
    },
    "subscription_update": {
        "default_allowed_updates": [],
        "enabled": False,
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}


@endpoint("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create(account: Account, call: Call) -> Body:
    """Open the portal for a customer."""
    params = call.params
    account.require("customer", params.get("customer"), param="customer")
    configuration = params.get("configuration") or _default(account)["id"]
    token = random_text(40)
    return account.add(
        {
            "id": new_id("bps"),
            "object": "billing_portal.session",
            "configuration": configuration,
            "created": account.now,
            "customer": params["customer"],
            "customer_account": None,
            "flow": None,
            "livemode": False,
            "locale": params.get("locale"),
            "on_behalf_of": None,
            "return_url": params.get("return_url"),
            "url": f"{account.public_url}/p/session/test_{token}",
            "_": {"token": token},
        }
    )


def _default(account: Account) -> Body:
    found = account.find("billing_portal.configuration", where=[("$.is_default", True)])
    return found[0] if found else _new_configuration(account, {}, is_default=True)


def _new_configuration(account: Account, params: Body, *, is_default: bool = False) -> Body:
    profile = params.get("business_profile") or {}
    features = {
        name: {**default, **((params.get("features") or {}).get(name) or {})}
        for name, default in _FEATURES.items()
    }
    return account.add(
        {
            "id": new_id("bpc"),
            "object": "billing_portal.configuration",
            "active": True,
            "application": None,
            "business_profile": {
                "headline": profile.get("headline"),
                "privacy_policy_url": profile.get("privacy_policy_url"),
                "terms_of_service_url": profile.get("terms_of_service_url"),
            },
            "created": account.now,
            "default_return_url": params.get("default_return_url") or None,
            "features": features,
            "is_default": is_default,
            "livemode": False,
            "login_page": {"enabled": False, "url": None},
            "metadata": fields.new_metadata(params),
            "name": params.get("name") or None,
            "updated": account.now,
        }
    )


@endpoint("POST", "/v1/billing_portal/configurations", "billing_portal.ConfigurationCreateParams")
def create_configuration(account: Account, call: Call) -> Body:
    """Create a configuration."""
    configuration = _new_configuration(account, call.params)
    account.emit("billing_portal.configuration.created", configuration)
    return configuration


@endpoint(
    "GET", "/v1/billing_portal/configurations/{id}", "billing_portal.ConfigurationRetrieveParams"
)
def retrieve_configuration(account: Account, call: Call) -> Body:
    """One configuration."""
    return account.require(
        "billing_portal.configuration", call.id, param="configuration!", label="configuration"
    )


@endpoint("GET", "/v1/billing_portal/configurations", "billing_portal.ConfigurationListParams")
def list_configurations(account: Account, call: Call) -> Body:
    """A page of configurations."""
    return page(account, call, "billing_portal.configuration")
