"""A subscription's start: the first invoice, the first payment, or the trial."""

from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.engine import (
    cancellation,
    collecting,
    discounts,
    drafts,
    invoice_items,
    invoices,
    items,
    lines,
    payment_behavior,
    payments,
    pricing,
    proration,
    trial_card,
    usage,
)
from flask_billing.sandbox.engine import subscriptions as shape
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.resources import payment_methods
from flask_billing.sandbox.settings import DAY


def start(
    account: Account,
    params: Body,
    *,
    authenticated: bool = False,
    checkout_session: str | None = None,
    schedule: str | None = None,
) -> Body:
    """Create a subscription from the parameters of ``POST /v1/subscriptions``.

    ``authenticated`` says that the customer is present and passed 3-D Secure. A subscription
    that a ``schedule`` starts has a first invoice like a renewal's, a draft for an hour.
    """
    customer = account.require("customer", params.get("customer"), param="customer")
    if params.get("default_payment_method"):
        payment_methods.of_customer(
            account, params["default_payment_method"], customer["id"], "default_payment_method"
        )
    entries = items.read(account, params.get("items") or [])
    currency = items.one_currency(account, entries)
    subscription = shape.new_subscription(account, customer, currency, params)
    subscription["schedule"] = schedule
    account.add(subscription)
    created = account.mark()
    subscription["discounts"] = discounts.redeem(
        account,
        params.get("discounts") or [],
        customer=customer["id"],
        subscription=subscription["id"],
        checkout_session=checkout_session,
        subtotal=_price_of_all(account, entries),
        currency=currency,
    )
    discounts.announce(account, [], subscription["discounts"])
    subscription["items"]["data"] = [items.new_item(account, subscription, e) for e in entries]
    _set_times(account, subscription, params)
    cancellation.schedule(account, subscription, params)
    _first_invoice(account, subscription, customer, params, authenticated)
    if subscription["status"] == "trialing":
        trial_card.ask(account, subscription)
    account.save(subscription)
    shape.appoint(account, subscription)
    account.emit("customer.subscription.created", subscription, at=created)
    return subscription


def _price_of_all(account: Account, entries: list[Body]) -> int:
    return sum(
        pricing.amount(shape.price_of(account, entry), entry["quantity"])
        for entry in entries
        if entry["quantity"] is not None
    )


def _set_times(account: Account, subscription: Body, params: Body) -> None:
    trial_end = params.get("trial_end")
    if params.get("trial_period_days"):
        trial_end = account.now + params["trial_period_days"] * DAY
    anchor = params.get("billing_cycle_anchor")
    if isinstance(trial_end, int):
        shape.checked_trial_end(account, trial_end)
        subscription.update(
            status="trialing",
            trial_start=account.now,
            trial_end=trial_end,
            billing_cycle_anchor=trial_end if anchor is None else anchor,
        )
    elif anchor is not None:
        if anchor <= account.now:
            raise invalid("The billing_cycle_anchor must be in the future.", "billing_cycle_anchor")
        item = subscription["items"]["data"][0]
        if anchor > shape.period_of(account, subscription, item, account.now)[1]:
            raise invalid(
                "The billing_cycle_anchor cannot be later than the next natural billing date.",
                "billing_cycle_anchor",
            )
        subscription["billing_cycle_anchor"] = anchor
    for item in subscription["items"]["data"]:
        if subscription["trial_end"]:
            shape.set_period(item, (account.now, subscription["trial_end"]))
        else:
            start, end = shape.period_of(account, subscription, item, account.now)
            shape.set_period(item, (max(start, account.now), end))


def _first_invoice(
    account: Account, subscription: Body, customer: Body, params: Body, authenticated: bool
) -> None:
    behavior = params.get("payment_behavior", "allow_incomplete")
    if behavior == "pending_if_incomplete":
        raise invalid(
            "The `pending_if_incomplete` payment behavior can only be used on update.",
            "payment_behavior",
        )
    automatic = subscription["collection_method"] == "charge_automatically"
    found = _first_lines(account, subscription, customer, params)
    if not found:
        return
    invoice = invoices.draft(
        account,
        customer,
        reason="subscription_create",
        currency=subscription["currency"],
        lines=found,
        period=(account.now, account.now),
        subscription=subscription,
        discount_ids=list(subscription["discounts"]),
        collection_method=subscription["collection_method"],
        days_until_due=subscription["days_until_due"],
        auto_advance=not automatic or subscription["schedule"] is not None,
    )
    subscription["latest_invoice"] = invoice["id"]
    collecting.spend_discounts(account, subscription)
    if not automatic or (subscription["schedule"] and invoice["amount_due"]):
        drafts.appoint(account, subscription, invoice)
        return
    method = payments.payer_method(account, customer["id"], subscription)
    due = invoice["amount_due"]
    if method is None and due and behavior != "default_incomplete":
        raise ApiError(400, payment_behavior.NO_PAYMENT_METHOD, code="resource_missing")
    trialing = subscription["status"] == "trialing"
    invoices.finalize(account, invoice, quiet=True)
    if invoice["status"] == "paid":
        return
    if behavior == "default_incomplete":
        if not trialing:
            subscription["status"] = "incomplete"
        return
    outcome = payments.pay_invoice(
        account,
        invoice,
        method,
        off_session=bool(params.get("off_session")),
        authenticated=authenticated,
    )
    if outcome.result == "paid":
        collecting.save_method(account, subscription, method)
        return
    if outcome.result == "processing":
        return
    if behavior == "error_if_incomplete":
        raise payment_behavior.refusal(outcome)
    if not trialing:
        subscription["status"] = "incomplete"


def _first_lines(account: Account, subscription: Body, customer: Body, params: Body) -> list[Body]:
    found = []
    for item in subscription["items"]["data"]:
        price = shape.price_of(account, item)
        period = (item["current_period_start"], item["current_period_end"])
        if shape.is_metered(price):
            found += usage.opening_lines(account, subscription, item, price, period)
        elif subscription["status"] == "trialing":
            found.append(lines.trial_line(account, item, price, period))
        else:
            found += _opening_lines(account, subscription, item, price, period, params)
    item = subscription["items"]["data"][0]
    extras = invoice_items.one_time(
        account,
        params.get("add_invoice_items") or [],
        customer,
        subscription=subscription["id"],
        period=(account.now, item["current_period_end"]),
    )
    pending = invoice_items.collect_pending(account, customer["id"], None, subscription["currency"])
    return pending + extras + found


def _opening_lines(
    account: Account,
    subscription: Body,
    item: Body,
    price: Body,
    period: tuple[int, int],
    params: Body,
) -> list[Body]:
    found = lines.period_lines(account, item, price, item["quantity"], period)
    whole = shape.period_of(account, subscription, item, account.now)
    if whole[0] == period[0]:
        return found
    for line, part in zip(found, pricing.parts(price, item["quantity"]), strict=True):
        if params.get("proration_behavior") == "none":
            line["amount"] = line["subtotal"] = 0
        else:
            line["amount"] = line["subtotal"] = proration.share(part.exact, *whole, account.now)
            line["parent"]["subscription_item_details"]["proration"] = True
    return found
