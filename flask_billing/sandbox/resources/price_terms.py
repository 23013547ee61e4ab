"""What a price asks: its amount, its tiers and how often it recurs, read from the parameters."""

from decimal import Decimal

from flask_billing.sandbox import currencies
from flask_billing.sandbox.account import Account
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import invalid, missing_param, not_built
from flask_billing.sandbox.resources import fields

_LONGEST = {"day": 1_095, "week": 156, "month": 36, "year": 3}
_LARGEST_AMOUNT = 999_999_999_999
_DECIMALS = 12


def terms(account: Account, params: Body) -> Body:
    """The fields of a price that never change."""
    for name in ("currency_options", "custom_unit_amount"):
        if name in params:
            raise not_built(f"prices with `{name}`", name)

    recurring = _recurring(account, params.get("recurring"))
    tiered = params.get("billing_scheme") == "tiered"
    amount, exact = (None, None) if tiered else _amounts(params)
    if not tiered:
        _refuse_tiers(params)

    return {
        "billing_scheme": "tiered" if tiered else "per_unit",
        "currency": currencies.known(params["currency"]),
        "custom_unit_amount": None,
        "recurring": recurring,
        "tiers_mode": params.get("tiers_mode") if tiered else None,
        "transform_quantity": _transform(params),
        "type": "recurring" if recurring else "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": exact,
        "_": {"tiers": _tiers(params) if tiered else None},
    }


def _recurring(account: Account, asked: Body | None) -> Body | None:
    if not asked:
        return None

    meter, usage = asked.get("meter"), asked.get("usage_type", "licensed")
    if meter:
        account.require("billing.meter", meter, param="recurring[meter]")
        if usage != "metered":
            raise invalid(
                "A price with a meter must have `usage_type=metered`.", "recurring[usage_type]"
            )
    elif usage == "metered":
        raise invalid("You must specify a meter when creating a metered price.", "recurring[meter]")

    count = asked.get("interval_count", 1)
    if not 1 <= count <= _LONGEST[asked["interval"]]:
        raise invalid(
            "Invalid interval_count: the interval cannot be longer than three years.",
            "recurring[interval_count]",
        )

    fields.at_least(asked, "trial_period_days", 1, inside="recurring")
    return {
        "interval": asked["interval"],
        "interval_count": count,
        "meter": meter,
        "trial_period_days": asked.get("trial_period_days"),
        "usage_type": usage,
    }


def _amounts(params: Body) -> tuple[int | None, str | None]:
    amount, text = params.get("unit_amount"), params.get("unit_amount_decimal")
    if amount is not None and text is not None:
        raise invalid(
            "You may only specify one of these parameters: unit_amount, unit_amount_decimal."
        )
    if amount is None and text is None:
        raise missing_param("unit_amount")

    name = "unit_amount" if text is None else "unit_amount_decimal"
    exact = Decimal(amount if text is None else text)  # type: ignore[arg-type]

    if exact > _LARGEST_AMOUNT:
        raise invalid("Amount must be no more than $9,999,999,999.99", name, "amount_too_large")
    if exact < 0:
        raise invalid(
            "This value must be greater than or equal to 0.", name, "parameter_invalid_integer"
        )

    _check_decimals(exact, name)
    whole = exact == exact.to_integral_value()
    return (int(exact) if whole else None), f"{exact.normalize():f}"


def _check_decimals(exact: Decimal, param: str) -> None:
    if -int(exact.normalize().as_tuple().exponent) > _DECIMALS:
        raise invalid(f"Invalid decimal: at most {_DECIMALS} decimal places are allowed.", param)


def _transform(params: Body) -> Body | None:
    asked: Body | None = params.get("transform_quantity") or None
    if asked is not None:
        if params.get("billing_scheme") == "tiered":
            raise invalid("Tiered prices cannot transform quantities.", "transform_quantity")
        fields.at_least(asked, "divide_by", 1, inside="transform_quantity")
    return asked


def _refuse_tiers(params: Body) -> None:
    for name in ("tiers", "tiers_mode"):
        if params.get(name):
            raise invalid(f"`{name}` may only be given with `billing_scheme=tiered`.", name)


def _tiers(params: Body) -> list[Body]:
    for name in ("tiers", "tiers_mode"):
        if not params.get(name):
            raise missing_param(name)
    for name in ("unit_amount", "unit_amount_decimal"):
        if name in params:
            raise invalid(f"`{name}` may not be given with `billing_scheme=tiered`.", name)

    tiers, below = [], 0
    for index, tier in enumerate(params["tiers"]):
        where = f"tiers[{index}]"
        last = index == len(params["tiers"]) - 1
        up_to = tier["up_to"]

        if (up_to == "inf") is not last:
            raise invalid("The last tier, and only that, must be up to `inf`.", f"{where}[up_to]")
        if up_to != "inf":
            if up_to <= below:
                raise invalid("Each tier must end above the one before it.", f"{where}[up_to]")
            below = up_to
        tiers.append(_tier(tier, where))

    return tiers


def _tier(tier: Body, where: str) -> Body:
    if not any(name in tier for name in _TIER_AMOUNTS):
        raise missing_param(f"{where}[unit_amount]")

    for name in _TIER_AMOUNTS:
        if name in tier and Decimal(tier[name]) < 0:
            raise invalid(
                "This value must be greater than or equal to 0.",
                f"{where}[{name}]",
                "parameter_invalid_integer",
            )

    return {
        **_both(tier, "flat_amount"),
        **_both(tier, "unit_amount"),
        "up_to": None if tier["up_to"] == "inf" else tier["up_to"],
    }


_TIER_AMOUNTS = ("unit_amount", "unit_amount_decimal", "flat_amount", "flat_amount_decimal")


def _both(tier: Body, name: str) -> Body:
    """An amount as a number, if it is a whole one, and as a decimal."""
    text = tier.get(f"{name}_decimal")
    given = tier.get(name) if text is None else text
    if given is None:
        return {name: None, f"{name}_decimal": None}
    exact = Decimal(given)
    whole = int(exact) if exact == exact.to_integral_value() else None
    return {name: whole, f"{name}_decimal": f"{exact.normalize():f}"}
