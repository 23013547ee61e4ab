"""What an update of a subscription sets without billing anything by itself."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import discounts, taxes
from flask_billing.sandbox.engine.subscriptions import trial_settings
from flask_billing.sandbox.errors import ApiError, invalid, not_built
from flask_billing.sandbox.resources import fields, payment_methods

#: Parameters of create and update that the sandbox does not build.
_NOT_BUILT = (
    "application_fee_percent",
    "backdate_start_date",
    "billing_cycle_anchor_config",
    "billing_schedules",
    "billing_thresholds",
    "default_source",
    "on_behalf_of",
    "pending_invoice_item_interval",
    "transfer_data",
    "trial_from_plan",
)


def check(params: Body) -> None:
    """Refuse what would be silently forgotten."""
    for name in _NOT_BUILT:
        if params.get(name):
            raise not_built(f"`{name}` of subscriptions", name)
    for kind in ("items", "add_invoice_items"):
        for index, entry in enumerate(params.get(kind) or []):
            if entry.get("discounts"):
                raise not_built("discounts of single items", f"{kind}[{index}][discounts]")
    if trial_settings(params)["end_behavior"].get("billing_cycle_anchor") == "unchanged":
        raise not_built("trials that leave the billing cycle anchor", "trial_settings")
    if (params.get("invoice_settings") or {}).get("account_tax_ids"):
        raise not_built("tax ids of the account", "invoice_settings[account_tax_ids]")
    options = (params.get("payment_settings") or {}).get("payment_method_options") or {}
    for name in options.keys() - {"card", "us_bank_account"}:
        raise not_built(f"`{name}` of subscriptions", "payment_settings[payment_method_options]")
    if params.get("collection_method") == "charge_automatically" and params.get("days_until_due"):
        raise invalid(
            "You can only set `days_until_due` when `collection_method` is `send_invoice`.",
            "days_until_due",
        )


def check_is_live(subscription: Body) -> None:
    """Refuse changes of a subscription that has ended."""
    if subscription["status"] in {"canceled", "incomplete_expired"}:
        raise ApiError(
            400,
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="invalid_canceled_subscription_fields",
        )


def assign(account: Account, subscription: Body, params: Body) -> None:
    """Write description, metadata, payment method, discounts, collection and trial settings."""
    fields.assign(subscription, params, ("description", "collection_method", "days_until_due"))
    fields.merge_metadata(subscription, params)
    if "default_tax_rates" in params:
        subscription["default_tax_rates"] = taxes.checked(
            account, params["default_tax_rates"], "default_tax_rates"
        )
    if "default_payment_method" in params:
        object_id = params["default_payment_method"]
        if object_id:
            payment_methods.of_customer(
                account, object_id, subscription["customer"], "default_payment_method"
            )
        subscription["default_payment_method"] = object_id or None
    if "discounts" in params:
        before = subscription["discounts"]
        subscription["discounts"] = discounts.redeem(
            account,
            params["discounts"] or [],
            customer=subscription["customer"],
            subscription=subscription["id"],
            keep=before,
        )
        discounts.announce(account, before, subscription["discounts"])
    if "pause_collection" in params:
        _pause_collection(account, subscription, params["pause_collection"])
    if params.get("payment_settings"):
        subscription["payment_settings"].update(fields.unset(params["payment_settings"]))
    if params.get("trial_settings"):
        subscription["trial_settings"] = trial_settings(params, subscription["trial_settings"])


def _pause_collection(account: Account, subscription: Body, asked: Body | str) -> None:
    account.unschedule("subscription.resume_collection", subscription["id"])
    if not asked or isinstance(asked, str):
        subscription["pause_collection"] = None
        return
    resumes_at = asked.get("resumes_at") or None
    subscription["pause_collection"] = {
        "behavior": asked["behavior"],
        "resumes_at": resumes_at,
    }
    if resumes_at is not None:
        account.schedule(resumes_at, "subscription.resume_collection", subscription["id"])
