"""What a new Checkout Session may ask for, by its mode."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask_billing.sandbox import currencies
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.checkout import amounts
from flask_billing.sandbox.engine import minimum, taxes
from flask_billing.sandbox.engine.subscriptions import checked_trial_end
from flask_billing.sandbox.errors import ApiError, invalid, missing_param, not_built
from flask_billing.sandbox.inferred import CHECKOUT_TRIAL_SECONDS
from flask_billing.sandbox.resources import fields
from flask_billing.sandbox.resources.prices import inline_price
from flask_billing.sandbox.settings import DAY

_MOST_LINES = {"payment": 100, "subscription": 20}
_SHORTEST, _LONGEST = 30 * 60, DAY
_SLACK = 60

_NOT_BUILT = (
    "after_expiration",
    "consent_collection",
    "custom_fields",
    "customer_account",
    "managed_payments",
    "name_collection",
    "optional_items",
    "origin_context",
    "payment_method_configuration",
    "payment_method_data",
    "permissions",
    "shipping_address_collection",
    "shipping_options",
)

#: Parameters that belong to some modes only.
_MODES = {
    "allow_promotion_codes": {"payment", "subscription"},
    "customer_creation": {"payment", "setup"},
    "discounts": {"payment", "subscription"},
    "invoice_creation": {"payment"},
    "line_items": {"payment", "subscription"},
    "payment_intent_data": {"payment"},
    "payment_method_collection": {"subscription"},
    "setup_intent_data": {"setup"},
    "submit_type": {"payment", "subscription"},
    "subscription_data": {"subscription"},
    "tax_id_collection": {"payment", "subscription"},
}
#: By the kind of page: the address it needs, and those of the other kind.
_WAYS_BACK = {
    "hosted_page": ("success_url", ("return_url", "redirect_on_completion")),
    "embedded_page": ("return_url", ("success_url", "cancel_url")),
}
_EXCLUSIVE = (
    ("customer", "customer_email"),
    ("customer", "customer_creation"),
    ("allow_promotion_codes", "discounts"),
)


def check(account: Account, params: Body, mode: str) -> None:
    """Refuse what Stripe refuses, and what the sandbox does not do."""
    for name in _NOT_BUILT:
        if name in params:
            raise not_built(f"`{name}` of Checkout Sessions", name)
    for name, modes in _MODES.items():
        if params.get(name) and mode not in modes:
            raise invalid(f"You can not pass `{name}` in `{mode}` mode.", name)
    for pair in _EXCLUSIVE:
        if all(params.get(name) not in (None, []) for name in pair):
            raise invalid(
                f"You may only specify one of these parameters: {', '.join(pair)}.", pair[1]
            )

    _check_addresses(params)
    _check_customer(account, params)
    fields.not_longer(params, "client_reference_id", 200)

    if (params.get("invoice_creation") or {}).get("enabled"):
        raise not_built("invoices of one-time payments in Checkout", "invoice_creation[enabled]")
    if mode == "subscription":
        asked = params.get("subscription_data") or {}
        _check_trial(account, asked)
        name = "subscription_data[default_tax_rates]"
        taxes.checked(account, asked.get("default_tax_rates"), name)


def _check_addresses(params: Body) -> None:
    mode = params.get("ui_mode", "hosted_page")
    if mode not in _WAYS_BACK:
        raise not_built(f"`ui_mode={mode}` of Checkout Sessions", "ui_mode")

    wanted, foreign = _WAYS_BACK[mode]
    for name in foreign:
        if name in params:
            raise invalid(f"`{name}` can not be passed with `ui_mode={mode}`.", name)
    if not params.get(wanted) and params.get("redirect_on_completion") != "never":
        raise missing_param(wanted)

    for name in ("success_url", "cancel_url", "return_url"):
        url = params.get(name)
        if url is not None and not _is_url(url):
            raise invalid("Not a valid URL", name, "url_invalid")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_customer(account: Account, params: Body) -> None:
    updates = params.get("customer_update") or {}
    if params.get("customer"):
        account.require("customer", params["customer"], param="customer")
    elif updates:
        raise invalid("`customer_update` can only be used with `customer`.", "customer_update")

    email = params.get("customer_email")
    if email and "@" not in email:
        raise invalid(f"Invalid email address: {email}", "customer_email", "email_invalid")

    taxes = (params.get("tax_id_collection") or {}).get("enabled")
    if taxes and params.get("customer") and updates.get("name") != "auto":
        raise invalid(
            "Tax ID collection requires updating business name on the customer. To enable tax ID "
            "collection for an existing customer, please set `customer_update[name]` to `auto`.",
            "tax_id_collection",
        )


def _check_trial(account: Account, asked: Body) -> None:
    fields.at_least(asked, "trial_period_days", 1, inside="subscription_data")
    end = asked.get("trial_end")
    if end is None:
        if asked.get("trial_period_days"):
            checked_trial_end(account, account.now + asked["trial_period_days"] * DAY)
        return
    if asked.get("trial_period_days"):
        raise invalid(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            "subscription_data[trial_end]",
        )
    if end < account.now + CHECKOUT_TRIAL_SECONDS:
        raise invalid(
            "The `trial_end` date has to be at least 2 days in the future.",
            "subscription_data[trial_end]",
        )
    checked_trial_end(account, end)


def expires_at(account: Account, params: Body) -> int:
    """When the session expires: after a day, unless it is asked for sooner."""
    moment: int = params.get("expires_at", account.now + DAY)
    left = moment - account.now
    if not _SHORTEST - _SLACK <= left <= _LONGEST + _SLACK:
        raise invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout "
            "Session creation.",
            "expires_at",
        )
    return moment


def currency(params: Body, lines: list[Body]) -> str | None:
    """The session's currency: of its prices, or the one asked for."""
    asked = params.get("currency")
    if asked is not None:
        asked = currencies.known(asked)
    found = {line["currency"] for line in lines}
    if len(found) > 1:
        raise invalid("All line items must have prices in the same currency.", "line_items")
    if found and asked not in {None, *found}:
        raise invalid(
            f"None of the prices has an amount in {asked}; the sandbox does not know prices in "
            "several currencies.",
            "currency",
        )
    return asked or next(iter(found), None)


def lines(account: Account, params: Body, mode: str) -> list[Body]:
    """The session's lines, each with a price that suits its mode."""
    asked = params.get("line_items") or []
    if mode == "setup":
        if not params.get("currency") and not params.get("allowed_payment_method_types"):
            raise missing_param("currency")
        return []
    if not asked:
        raise missing_param("line_items")
    if len(asked) > _MOST_LINES[mode]:
        raise invalid(f"You can pass up to {_MOST_LINES[mode]} `line_items`.", "line_items")

    found = [_line(account, entry, mode, f"line_items[{n}]") for n, entry in enumerate(asked)]
    if mode == "subscription" and not any(line["_recurring"] for line in found):
        raise invalid(
            "You must provide at least one recurring price in `subscription` mode when using "
            "prices.",
            "line_items",
        )
    return found


def _line(account: Account, entry: Body, mode: str, where: str) -> Body:
    for name in ("adjustable_quantity", "dynamic_tax_rates", "metadata"):
        if name in entry and not (name == "adjustable_quantity" and not entry[name]["enabled"]):
            raise not_built(f"`{name}` of line items", f"{where}[{name}]")

    price = _price(account, entry, where)
    if mode == "payment" and price["recurring"]:
        raise invalid(
            "You specified `payment` mode but passed a recurring price. Either switch to "
            "`subscription` mode or use only one-time prices.",
            where,
        )

    metered = bool(price["recurring"]) and price["recurring"]["usage_type"] == "metered"
    quantity = entry.get("quantity")
    if quantity is None and not metered:
        raise missing_param(f"{where}[quantity]")
    if metered and quantity is not None:
        raise invalid("You can not set a quantity for a metered price.", f"{where}[quantity]")
    fields.at_least(entry, "quantity", 1, inside=where)
    rates = taxes.checked(account, entry.get("tax_rates"), f"{where}[tax_rates]")
    return amounts.new_line(account, price, quantity, rates)


def _price(account: Account, entry: Body, where: str) -> Body:
    if entry.get("price_data"):
        return inline_price(account, entry["price_data"], f"{where}[price_data]")
    if not entry.get("price"):
        raise missing_param(f"{where}[price]")

    price = account.require("price", entry["price"], param=f"{where}[price]")
    product = account.get("product", price["product"])
    if not price["active"]:
        raise invalid(
            "The price specified is inactive. This field only accepts active prices.",
            f"{where}[price]",
        )
    if product is not None and not product["active"]:
        raise invalid(
            f"Product {product['id']} is marked as inactive; its prices cannot be bought.",
            f"{where}[price]",
        )
    return price


def check_total(account: Account, session: Body) -> None:
    """A payment must be worth charging."""
    total, least = session["amount_total"], minimum.charge(account, session["currency"])
    if session["mode"] == "payment" and 0 < total < least:
        raise ApiError(
            400,
            f"The Checkout Session's total amount due must add up to at least ${least / 100:.2f} "
            f"{session['currency']}",
            code="amount_too_small",
        )
