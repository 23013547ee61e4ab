"""Disputes of charges: read, answered with evidence, given up."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import disputes
from flask_billing.sandbox.errors import not_built
from flask_billing.sandbox.lists import page
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.router import Call, endpoint

_NOT_BUILT = (
    "cancellation_policy",
    "customer_communication",
    "customer_signature",
    "duplicate_charge_documentation",
    "enhanced_evidence",
    "receipt",
    "refund_policy",
    "service_documentation",
    "shipping_documentation",
    "uncategorized_file",
)


@endpoint("GET", "/v1/disputes/{id}", "DisputeRetrieveParams")
def retrieve(account: Account, call: Call) -> Body:
    """One dispute."""
    return account.require("dispute", call.id)


@endpoint("GET", "/v1/disputes", "DisputeListParams")
def list_(account: Account, call: Call) -> Body:
    """A page of disputes, by charge and payment intent."""
    params = call.params
    intent = params.get("payment_intent")
    where = [("$.payment_intent", intent)] if intent else []
    return page(account, call, "dispute", parent=params.get("charge"), where=where)


@endpoint("POST", "/v1/disputes/{id}", "DisputeUpdateParams")
def update(account: Account, call: Call) -> Body:
    """Change metadata and evidence, and send the evidence unless ``submit`` is false."""
    dispute, params = account.require("dispute", call.id), call.params
    evidence = params.get("evidence") or {}
    for name in _NOT_BUILT:
        if evidence.get(name):
            raise not_built(f"`{name}` of evidence", f"evidence[{name}]")
    if params.get("intended_submission_method", "manual") != "manual":
        raise not_built("evidence that Stripe sends by itself", "intended_submission_method")
    if evidence or params.get("submit"):
        disputes.check_is_open(dispute)
    with account.changing(dispute, "charge.dispute.updated"):
        fields.merge_metadata(dispute, params)
        fields.assign(dispute, params, ("intended_submission_method",))
        dispute["evidence"].update(fields.unset(evidence))
        if evidence:
            dispute["evidence_details"]["has_evidence"] = True
        if params.get("submit", bool(evidence)):
            disputes.submit(account, dispute)
    disputes.decide(account, dispute)
    return dispute


@endpoint("POST", "/v1/disputes/{id}/close", "DisputeCloseParams")
def close(account: Account, call: Call) -> Body:
    """Accept that the money is lost."""
    dispute = account.require("dispute", call.id)
    disputes.accept(account, dispute)
    return dispute
