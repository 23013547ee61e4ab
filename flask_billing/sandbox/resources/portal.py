"""Customer portal sessions, and the flow a session may lead into."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.ids import new_id, random_text
from flask_billing.sandbox.resources import portal_configurations
from flask_billing.sandbox.router import Call, endpoint

_FLOWS = (
    "customer_update",
    "subscription_cancel",
    "subscription_pause",
    "subscription_update",
    "subscription_update_confirm",
)

#: The feature of the configuration that a flow needs.
_FEATURES = {"subscription_update_confirm": "subscription_update"}
_ENDED = frozenset(["canceled", "incomplete_expired"])


@endpoint("POST", "/v1/billing_portal/sessions", "billing_portal.SessionCreateParams")
def create(account: Account, call: Call) -> Body:
    """Open the portal for a customer."""
    params = call.params
    for name in ("after_expiration", "customer_account", "on_behalf_of"):
        if name in params:
            raise not_built(f"`{name}` of portal sessions", name)
    if not params.get("customer"):
        raise missing_param("customer")
    account.require("customer", params["customer"], param="customer")

    if params.get("configuration"):
        configuration = portal_configurations.require(
            account, params["configuration"], "configuration"
        )
        if not configuration["active"]:
            raise invalid("The configuration is not active.", "configuration")
    else:
        configuration = portal_configurations.default(account)

    token = random_text(40)
    session = account.add(
        {
            "id": new_id("bps"),
            "object": "billing_portal.session",
            "configuration": configuration["id"],
            "created": account.now,
            "customer": params["customer"],
            "customer_account": None,
            "flow": _flow(account, params, configuration),
            "livemode": False,
            "locale": params.get("locale"),
            "on_behalf_of": None,
            "return_url": params.get("return_url") or configuration["default_return_url"],
            "url": f"{account.public_url}/p/session/test_{token}",
            "_": {"token": token},
        }
    )
    account.emit("billing_portal.session.created", session)
    return session


def _flow(account: Account, params: Body, configuration: Body) -> Body | None:
    asked = params.get("flow_data")
    if not asked:
        return None

    kind = asked["type"]
    if not configuration["features"][_FEATURES.get(kind, kind)]["enabled"]:
        raise invalid(
            f"The flow `{kind}` cannot be used: its feature is disabled in the portal "
            "configuration.",
            "flow_data[type]",
        )

    for name in _FLOWS:
        if name in asked and name != kind:
            raise invalid(
                f"`{name}` may only be given for flows of this type.", f"flow_data[{name}]"
            )

    if kind.startswith("subscription_"):
        if kind not in asked:
            raise missing_param(f"flow_data[{kind}]")
        _check_subscription(account, params["customer"], asked[kind], f"flow_data[{kind}]")

    after = asked.get("after_completion") or {"type": "portal_homepage"}
    if after["type"] == "redirect" and not after.get("redirect"):
        raise missing_param("flow_data[after_completion][redirect]")
    return {
        "after_completion": {
            "hosted_confirmation": _or_none(after.get("hosted_confirmation"), "custom_message"),
            "redirect": after.get("redirect"),
            "type": after["type"],
        },
        **dict.fromkeys(_FLOWS),
        **_details(kind, asked.get(kind)),
        "type": kind,
    }


def _or_none(given: Body | None, *names: str) -> Body | None:
    return None if given is None else {name: given.get(name) for name in names}


def _details(kind: str, given: Body | None) -> Body:
    if given is None:
        return {}
    if kind == "subscription_cancel":
        return {kind: {"retention": given.get("retention"), "subscription": given["subscription"]}}
    if kind == "subscription_update_confirm":
        names = ("id", "price", "quantity")
        return {
            kind: {
                "discounts": [
                    {name: one.get(name) for name in ("coupon", "promotion_code")}
                    for one in given.get("discounts") or []
                ],
                "items": [{name: item.get(name) for name in names} for item in given["items"]],
                "subscription": given["subscription"],
            }
        }
    return {kind: given}


def _check_subscription(account: Account, customer: str, asked: Body, where: str) -> None:
    subscription = account.require(
        "subscription", asked["subscription"], param=f"{where}[subscription]"
    )
    if subscription["customer"] != customer:
        raise invalid(
            "The subscription belongs to another customer than the session.",
            f"{where}[subscription]",
        )
    if subscription["status"] in _ENDED:
        raise invalid("The subscription has ended already.", f"{where}[subscription]")
    if where.endswith("[subscription_cancel]") and subscription["cancel_at"] is not None:
        raise invalid(
            "This subscription cannot be canceled because it is already set to be canceled.",
            f"{where}[subscription]",
        )

    coupon = ((asked.get("retention") or {}).get("coupon_offer") or {}).get("coupon")
    if coupon is not None:
        account.require("coupon", coupon, param=f"{where}[retention][coupon_offer][coupon]")

    known = {item["id"] for item in subscription["items"]["data"]}
    for index, item in enumerate(asked.get("items") or []):
        if item["id"] not in known:
            raise invalid(
                f"No such subscription item: '{item['id']}'",
                f"{where}[items][{index}][id]",
                "resource_missing",
            )
        if item.get("price"):
            account.require("price", item["price"], param=f"{where}[items][{index}][price]")
