"""Tax rates of a fixed percentage."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_EDITABLE = ("active", "country", "description", "display_name", "jurisdiction", "state")


@endpoint("POST", "/v1/tax_rates", "TaxRateCreateParams")
def create(account: Account, call: Call) -> Body:
    """Create a rate, on top of prices or inclusive."""
    params = call.params
    if not 0 <= params["percentage"] <= 100:
        raise invalid("Invalid percentage: must be between 0 and 100.", "percentage")
    rate: Body = {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": account.now,
        "description": None,
        "display_name": params["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": params["inclusive"],
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": fields.new_metadata(params),
        "percentage": params["percentage"],
        "rate_type": "percentage",
        "state": None,
        "tax_type": params.get("tax_type"),
    }
    fields.assign(rate, params, _EDITABLE)
    account.add(rate)
    account.emit("tax_rate.created", rate)
    return rate


@endpoint("GET", "/v1/tax_rates/{id}", "TaxRateRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One rate."""
    return account.require("tax_rate", call.id, param="tax_rate!", label="tax rate")


@endpoint("POST", "/v1/tax_rates/{id}", "TaxRateUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Rename or retire a rate; its percentage stays."""
    rate = account.require("tax_rate", call.id, param="tax_rate!", label="tax rate")
    with account.changing(rate, "tax_rate.updated"):
        fields.assign(rate, call.params, (*_EDITABLE, "tax_type"))
        fields.merge_metadata(rate, call.params)
    return rate


@endpoint("GET", "/v1/tax_rates", "TaxRateListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of rates, by whether they are active and inclusive."""
    where = [
        (f"$.{name}", call.params[name]) for name in ("active", "inclusive") if name in call.params
    ]
    return page(account, call, "tax_rate", where=where)
