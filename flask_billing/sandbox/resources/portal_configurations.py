"""Portal configurations: what the customer portal lets customers do."""

from typing import Any

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body, copy_of
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_REASONS = ["too_expensive", "missing_features", "switched_service", "unused", "other"]
_OFF: Body = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": _REASONS},
        "enabled": False,
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

#: What one gets by saving the portal's settings in the dashboard as they are.
_DEFAULT: Body = {
    "customer_update": {"allowed_updates": ["address", "name", "email"], "enabled": True},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True},
}
_LISTS = frozenset(["allowed_updates", "default_allowed_updates", "feedback_options", "options"])
_NO_DEFAULT = (
    "No configuration provided and your test mode default configuration has not been created. "
    "Provide a configuration or create your default by saving your customer portal settings in "
    "test mode at https://dashboard.stripe.com/test/settings/billing/portal."
)


def default(account: Account) -> Body:
    """The configuration of sessions that name none."""
    found = account.find("billing_portal.configuration", where=[("$.is_default", True)])
    if found:
        return found[0]
    if not account.settings.portal_is_set_up:
        raise invalid(_NO_DEFAULT)
    return _new(account, {"features": _DEFAULT}, is_default=True)


def require(account: Account, object_id: str, param: str = "configuration!") -> Body:
    """The configuration with this id."""
    return account.require(
        "billing_portal.configuration", object_id, param=param, label="configuration"
    )


def _new(account: Account, params: Body, *, is_default: bool = False) -> Body:
    configuration: Body = {
        "id": new_id("bpc"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {
            "headline": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
        },
        "created": account.now,
        "default_return_url": None,
        "features": copy_of(_OFF),
        "is_default": is_default,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": account.now,
        "_": {"products": []},
    }
    _change(account, configuration, params)
    return account.add(configuration)


def _change(account: Account, configuration: Body, params: Body) -> None:
    if (params.get("login_page") or {}).get("enabled"):
        raise not_built("the portal's login page", "login_page[enabled]")
    fields.assign(configuration, params, ("active", "default_return_url", "name"))
    profile = params.get("business_profile") or {}
    fields.not_longer(profile, "headline", 60)
    fields.assign(configuration["business_profile"], profile, configuration["business_profile"])
    fields.merge_metadata(configuration, params)
    for name, asked in (params.get("features") or {}).items():
        _change_feature(account, configuration, name, asked)
    configuration["updated"] = account.now


def _change_feature(account: Account, configuration: Body, name: str, asked: Body) -> None:
    feature = configuration["features"][name]
    where = f"features[{name}]"
    for key, value in asked.items():
        if key == "products":
            configuration["_"]["products"] = _products(account, value or [], f"{where}[products]")
        elif key == "duration":
            feature[key] = _duration(value)
        elif key == "cancellation_reason":
            feature[key].update({field: _kept(field, found) for field, found in value.items()})
        else:
            feature[key] = _kept(key, value)

    if not feature["enabled"]:
        return
    if name == "customer_update" and not feature["allowed_updates"]:
        raise missing_param(f"{where}[allowed_updates]")
    if name == "subscription_pause":
        raise not_built("pauses in the portal", f"{where}[enabled]")
    if name == "subscription_update":
        if not feature["default_allowed_updates"]:
            raise missing_param(f"{where}[default_allowed_updates]")
        if not configuration["_"]["products"]:
            raise missing_param(f"{where}[products]")


def _kept(name: str, value: Any) -> Any:
    """A field of a feature: an empty string is an empty list where the field is a list."""
    if value == "":
        return [] if name in _LISTS else None
    return value


def _duration(asked: Body) -> Body:
    options = [{"interval_count": 1, **option} for option in asked.get("interval_options") or []]
    return {"interval_options": options, "type": asked["type"]}


def _products(account: Account, asked: list[Body], where: str) -> list[Body]:
    for index, entry in enumerate(asked):
        inside = f"{where}[{index}]"
        product = account.require("product", entry["product"], param=f"{inside}[product]")
        if not entry["prices"]:
            raise missing_param(f"{inside}[prices]")
        for number, price_id in enumerate(entry["prices"]):
            param = f"{inside}[prices][{number}]"
            price = account.require("price", price_id, param=param)
            if price["product"] != product["id"] or not price["recurring"]:
                raise invalid(
                    f"The price {price_id} is no recurring price of {product['id']}.", param
                )
    return [{"product": entry["product"], "prices": entry["prices"]} for entry in asked]


@endpoint("POST", "/v1/billing_portal/configurations", "billing_portal.ConfigurationCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a configuration; what it does not name is off."""
    configuration = _new(account, call.params)
    account.emit("billing_portal.configuration.created", configuration)
    return configuration


@endpoint(
    "GET", "/v1/billing_portal/configurations/{id}", "billing_portal.ConfigurationRetrieveParams"
)
def retrieve(account: Account, call: Call) -> Body:
    """One configuration."""
    return require(account, call.id)


@endpoint(
    "POST", "/v1/billing_portal/configurations/{id}", "billing_portal.ConfigurationUpdateParams"
)
def update(account: Account, call: Call) -> Body:
    """Change a configuration; the default one stays active."""
    configuration = require(account, call.id)
    if configuration["is_default"] and call.params.get("active") is False:
        raise invalid("The default configuration cannot be deactivated.", "active")
    with account.changing(configuration, "billing_portal.configuration.updated"):
        _change(account, configuration, call.params)
    return configuration


@endpoint("GET", "/v1/billing_portal/configurations", "billing_portal.ConfigurationListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of configurations."""
    where = [
        (f"$.{name}", call.params[name]) for name in ("active", "is_default") if name in call.params
    ]
    return page(account, call, "billing_portal.configuration", where=where)
