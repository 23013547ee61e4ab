"""Appointed ends: ``cancel_at_period_end`` and ``cancel_at``, and taking them back."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid


def schedule(account: Account, subscription: Body, params: Body) -> None:
    """Apply the cancellation parameters of create and update."""
    if params.get("cancel_at_period_end") and params.get("cancel_at"):
        raise invalid("You cannot set both `cancel_at` and `cancel_at_period_end`.", "cancel_at")
    ends = [item["current_period_end"] for item in subscription["items"]["data"]]
    flag = params.get("cancel_at_period_end")
    if flag:
        subscription["cancel_at_period_end"] = True
        _appoint(account, subscription, min(ends))
    elif flag is False and subscription["cancel_at_period_end"]:
        _take_back(subscription)
    if "cancel_at" in params:
        moment = params["cancel_at"]
        if moment == "":
            _take_back(subscription)
        else:
            named = {"min_period_end": min(ends), "max_period_end": max(ends)}
            at = named.get(moment, max(ends)) if isinstance(moment, str) else moment
            if at <= account.now:
                raise invalid("`cancel_at` must be in the future.", "cancel_at")
            subscription["cancel_at_period_end"] = False
            subscription["_"]["prorates_end"] = params.get("proration_behavior") != "none"
            _appoint(account, subscription, at)
    details = params.get("cancellation_details") or {}
    for name in ("comment", "feedback"):
        if name in details:
            subscription["cancellation_details"][name] = details[name] or None


def _appoint(account: Account, subscription: Body, at: int) -> None:
    if subscription["cancel_at"] is None:
        subscription["canceled_at"] = account.now
    subscription["cancel_at"] = at
    subscription["cancellation_details"]["reason"] = "cancellation_requested"


def _take_back(subscription: Body) -> None:
    subscription["cancel_at"] = None
    subscription["cancel_at_period_end"] = False
    subscription["canceled_at"] = None
    subscription["cancellation_details"] = {"comment": None, "feedback": None, "reason": None}
