"""A believable stream of Stripe's events, in the shapes of API version 2026-10-28.

Every customer lives through a month: the subscription starts or renews, its invoice is
created, finalized and paid, the customer is updated, the subscription is changed. Months of
several customers are shuffled into one another.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import random
import time
import typing as t

from worker import Delivery

Object = dict[str, t.Any]

SECRET: t.Final = "whsec_benchmark0123456789abcdef"
MONTH: t.Final = 30 * 86_400
START: t.Final = 1_790_000_000
EVENTS_A_MONTH: t.Final = 7

PLANS: t.Final = {"starter": 2900, "pro": 9900}


@dataclasses.dataclass
class Happening:
    """One event and the objects as Stripe would answer them once it was sent."""

    event: Object
    now: list[Object]


class Life:
    """One customer's life at Stripe."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.month = 0
        self.plan = "starter"
        self.plan_changed = False
        self.cancelling = False
        self.has_subscription = False

    def objects(self) -> list[Object]:
        """What Stripe answers before anything happened."""
        return [self._customer(), self._payment_method()]

    def live_a_month(self) -> list[Happening]:
        """The events of the next month."""
        happenings = [self._renewal()]
        happenings += [
            self._invoice_event("invoice.created", "draft", {}),
            self._invoice_event("invoice.finalized", "open", {"status": "draft"}),
            self._invoice_event("invoice.paid", "paid", {}),
            self._invoice_event("invoice.payment_succeeded", "paid", {}),
            self._customer_event(),
            self._change(),
        ]
        self.month += 1
        return happenings

    def _renewal(self) -> Happening:
        before = self._item(self.month - 1)
        previous = {"items": {"data": [before]}, "latest_invoice": self._id("in", self.month - 1)}
        subscription = self._subscription()

        if self.has_subscription:
            happening = self._event("customer.subscription.updated", subscription, previous)
        else:
            happening = self._event("customer.subscription.created", subscription, None)

        self.has_subscription = True
        happening.now.append(self._invoice("draft"))
        return happening

    def _change(self) -> Happening:
        before = self._subscription()

        self.plan_changed = self.month % 2 == 0

        names: tuple[str, ...]

        if self.month % 2:
            self.cancelling = not self.cancelling
            names = ("cancel_at_period_end", "cancel_at", "canceled_at", "cancellation_details")
        else:
            self.plan = "pro" if self.plan == "starter" else "starter"
            names = ("items", "plan")

        previous = {name: before[name] for name in names}
        return self._event("customer.subscription.updated", self._subscription(), previous)

    def _invoice_event(self, kind: str, status: str, previous: Object) -> Happening:
        happening = self._event(kind, self._invoice(status), previous or None)
        happening.now.append(self._subscription())
        return happening

    def _customer_event(self) -> Happening:
        return self._event("customer.updated", self._customer(), {"balance": -100})

    def _event(self, kind: str, found: Object, previous: Object | None) -> Happening:
        data: Object = {"object": found}

        if previous is not None:
            data["previous_attributes"] = previous

        event = {
            "id": f"evt_1Q{random.randbytes(11).hex()}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": self._period(self.month)[0],
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": "req_Qv8v0hQJb1mGQe", "idempotency_key": None},
            "type": kind,
        }
        return Happening(event, [found])

    def _id(self, prefix: str, number: int | None = None) -> str:
        serial = f"{self.number:06d}" + ("" if number is None else f"{number + 1:05d}")
        return f"{prefix}_1QbenchKXBGcbgpbZ{serial}"

    def _period(self, month: int) -> tuple[int, int]:
        return START + month * MONTH, START + (month + 1) * MONTH

    def _customer(self) -> Object:
        return {
            "id": self._id("cus"),
            "object": "customer",
            "address": _address(),
            "balance": -100 * self.month,
            "created": START,
            "currency": "usd",
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "description": "Workspace of a customer with a believable description",
            "discount": None,
            "email": f"customer{self.number}@example.com",
            "invoice_prefix": "UAE9IQUC",
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": self._id("pm"),
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": {f"crm_field_{index}": "a value the host keeps" for index in range(20)},
            "name": f"Customer {self.number}",
            "next_invoice_sequence": self.month + 2,
            "phone": "+1 555 0100",
            "preferred_locales": ["en-US"],
            "shipping": {"address": _address(), "name": "Customer", "phone": None},
            "sources": _list([], "sources"),
            "tax": {
                "automatic_tax": "unrecognized_location",
                "ip_address": None,
                "location": None,
                "provider": "stripe",
            },
            "tax_exempt": "none",
            "test_clock": None,
        }

    def _payment_method(self) -> Object:
        return {
            "id": self._id("pm"),
            "object": "payment_method",
            "allow_redisplay": "always",
            "billing_details": {
                "address": _address(),
                "email": f"customer{self.number}@example.com",
                "name": f"Customer {self.number}",
                "phone": None,
                "tax_id": None,
            },
            "card": {
                "brand": "visa",
                "checks": {
                    "address_line1_check": "pass",
                    "address_postal_code_check": "pass",
                    "cvc_check": "pass",
                },
                "country": "US",
                "display_brand": "visa",
                "exp_month": 12,
                "exp_year": 2030,
                "fingerprint": "w4XDzQOFakih5EZM",
                "funding": "credit",
                "generated_from": None,
                "last4": "4242",
                "networks": {"available": ["visa"], "preferred": None},
                "three_d_secure_usage": {"supported": True},
                "wallet": None,
            },
            "created": START,
            "customer": self._id("cus"),
            "livemode": False,
            "metadata": {},
            "type": "card",
        }

    def _item(self, month: int) -> Object:
        start, end = self._period(month)
        return {
            "id": self._id("si"),
            "object": "subscription_item",
            "billing_thresholds": None,
            "created": START,
            "current_period_end": end,
            "current_period_start": start,
            "discounts": [],
            "metadata": {},
            "plan": plan(self.plan),
            "price": price(self.plan),
            "quantity": 1,
            "subscription": self._id("sub"),
            "tax_rates": [],
        }

    def _subscription(self) -> Object:
        start, end = self._period(self.month)
        return {
            "id": self._id("sub"),
            "object": "subscription",
            "application": None,
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": START,
            "billing_cycle_anchor_config": None,
            "billing_mode": {
                "flexible": {"proration_discounts": "included"},
                "type": "flexible",
                "updated_at": START,
            },
            "billing_thresholds": None,
            "cancel_at": end if self.cancelling else None,
            "cancel_at_period_end": self.cancelling,
            "canceled_at": start if self.cancelling else None,
            "cancellation_details": {
                "comment": None,
                "feedback": None,
                "reason": "cancellation_requested" if self.cancelling else None,
            },
            "collection_method": "charge_automatically",
            "created": START,
            "currency": "usd",
            "customer": self._id("cus"),
            "customer_account": None,
            "days_until_due": None,
            "default_payment_method": self._id("pm"),
            "default_source": None,
            "default_tax_rates": [],
            "description": None,
            "discounts": [],
            "ended_at": None,
            "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
            "items": _list([self._item(self.month)], "subscription_items"),
            "latest_invoice": self._id("in", self.month),
            "livemode": False,
            "metadata": {"workspace": f"workspace-{self.number}"},
            "next_pending_invoice_item_invoice": None,
            "on_behalf_of": None,
            "pause_collection": None,
            "payment_settings": {
                "payment_method_options": None,
                "payment_method_types": None,
                "save_default_payment_method": "off",
            },
            "pending_invoice_item_interval": None,
            "pending_setup_intent": None,
            "pending_update": None,
            "plan": plan(self.plan),
            "quantity": 1,
            "schedule": None,
            "start_date": START,
            "status": "active",
            "test_clock": None,
            "transfer_data": None,
            "trial_end": None,
            "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
            "trial_start": None,
        }

    def _invoice(self, status: str) -> Object:
        start, end = self._period(self.month)
        amount = PLANS[self.plan]
        paid = status == "paid"
        return {
            "id": self._id("in", self.month),
            "object": "invoice",
            "account_country": "US",
            "account_name": "A small SaaS",
            "account_tax_ids": None,
            "amount_due": amount,
            "amount_overpaid": 0,
            "amount_paid": amount if paid else 0,
            "amount_remaining": 0 if paid else amount,
            "amount_shipping": 0,
            "application": None,
            "attempt_count": int(paid),
            "attempted": paid,
            "auto_advance": not paid,
            "automatic_tax": {
                "disabled_reason": None,
                "enabled": False,
                "liability": None,
                "provider": None,
                "status": None,
            },
            "automatically_finalizes_at": None,
            "billing_reason": "subscription_cycle" if self.month else "subscription_create",
            "collection_method": "charge_automatically",
            "created": start,
            "currency": "usd",
            "custom_fields": None,
            "customer": self._id("cus"),
            "customer_account": None,
            "customer_address": _address(),
            "customer_email": f"customer{self.number}@example.com",
            "customer_name": f"Customer {self.number}",
            "customer_phone": None,
            "customer_shipping": None,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": None,
            "default_source": None,
            "default_tax_rates": [],
            "description": None,
            "discounts": [],
            "due_date": None,
            "effective_at": None if status == "draft" else start,
            "ending_balance": None if status == "draft" else 0,
            "footer": None,
            "from_invoice": None,
            "hosted_invoice_url": None if status == "draft" else _link("i"),
            "invoice_pdf": None if status == "draft" else _link("pdf"),
            "issuer": {"type": "self"},
            "last_finalization_error": None,
            "latest_revision": None,
            "lines": _list(self._lines(start, end, amount), "lines"),
            "livemode": False,
            "metadata": {},
            "next_payment_attempt": None,
            "number": None if status == "draft" else f"UAE9IQUC-{self.month + 1:04d}",
            "on_behalf_of": None,
            "parent": {
                "quote_details": None,
                "subscription_details": {"metadata": {}, "subscription": self._id("sub")},
                "type": "subscription_details",
            },
            "payment_settings": {
                "default_mandate": None,
                "payment_method_options": None,
                "payment_method_types": None,
            },
            "period_end": start,
            "period_start": start,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": None,
            "rendering": None,
            "shipping_cost": None,
            "shipping_details": None,
            "starting_balance": 0,
            "statement_descriptor": None,
            "status": status,
            "status_transitions": {
                "finalized_at": None if status == "draft" else start,
                "marked_uncollectible_at": None,
                "paid_at": start if paid else None,
                "voided_at": None,
            },
            "subtotal": amount,
            "subtotal_excluding_tax": amount,
            "test_clock": None,
            "total": amount,
            "total_discount_amounts": [],
            "total_excluding_tax": amount,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": None,
        }

    def _lines(self, start: int, end: int, amount: int) -> list[Object]:
        lines = [self._line(start, end, amount)]

        if self.plan_changed:
            # The change of plan in the month before: unused time back, remaining time charged.
            lines += [self._line(start - MONTH, start, -900), self._line(start - MONTH, start, 900)]

        for number, line in enumerate(lines):
            line["id"] += f"{number}"

        return lines

    def _line(self, start: int, end: int, amount: int) -> Object:
        return {
            "id": self._id("il", self.month),
            "object": "line_item",
            "amount": amount,
            "currency": "usd",
            "description": f"1 x {self.plan.title()} (at ${amount / 100:.2f} / month)",
            "discount_amounts": [],
            "discountable": True,
            "discounts": [],
            "invoice": self._id("in", self.month),
            "livemode": False,
            "metadata": {"workspace": f"workspace-{self.number}"},
            "parent": {
                "invoice_item_details": None,
                "subscription_item_details": {
                    "invoice_item": None,
                    "proration": False,
                    "proration_details": {"credited_items": None},
                    "subscription": self._id("sub"),
                    "subscription_item": self._id("si"),
                },
                "type": "subscription_item_details",
            },
            "period": {"end": end, "start": start},
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": {"price": f"price_{self.plan}", "product": f"prod_{self.plan}"},
                "type": "price_details",
                "unit_amount_decimal": str(amount),
            },
            "quantity": 1,
            "quantity_decimal": "1",
            "subtotal": amount,
            "taxes": [],
        }


def price(name: str) -> Object:
    """A plan's Stripe price."""
    return {
        "id": f"price_{name}",
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": START,
        "currency": "usd",
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": name.title(),
        "product": f"prod_{name}",
        "recurring": {
            "interval": "month",
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring",
        "unit_amount": PLANS[name],
        "unit_amount_decimal": str(PLANS[name]),
    }


def plan(name: str) -> Object:
    """The legacy plan that Stripe still shows beside a price."""
    return {
        "id": f"price_{name}",
        "object": "plan",
        "active": True,
        "amount": PLANS[name],
        "amount_decimal": str(PLANS[name]),
        "billing_scheme": "per_unit",
        "created": START,
        "currency": "usd",
        "interval": "month",
        "interval_count": 1,
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": name.title(),
        "product": f"prod_{name}",
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def account_objects() -> list[Object]:
    """The account, its products and prices."""
    account = {
        "id": "acct_benchmark",
        "object": "account",
        "business_profile": {"name": "A small SaaS"},
        "charges_enabled": True,
        "country": "US",
        "created": START,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "billing@example.com",
        "livemode": False,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None},
            "dashboard": {"display_name": "A small SaaS", "timezone": "Etc/UTC"},
        },
        "type": "standard",
    }
    products: list[Object] = [
        {
            "id": f"prod_{name}",
            "object": "product",
            "active": True,
            "created": START,
            "default_price": None,
            "description": None,
            "images": [],
            "livemode": False,
            "marketing_features": [],
            "metadata": {},
            "name": name.title(),
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": None,
            "updated": START,
            "url": None,
        }
        for name in PLANS
    ]
    return [account, *products, *(price(name) for name in PLANS)]


def shuffled(months: list[list[Happening]], seed: int) -> list[Happening]:
    """One stream of several customers' months, each still in its own order."""
    chance = random.Random(seed)
    waiting = [list(month) for month in months]
    stream = []

    while waiting:
        month = chance.choice(waiting)
        stream.append(month.pop(0))
        waiting = [left for left in waiting if left]

    return stream


def sign(body: str, secret: str = SECRET, moment: int | None = None) -> str:
    """The value of Stripe-Signature for a body."""
    moment = int(time.time()) if moment is None else moment
    digest = hmac.new(secret.encode(), f"{moment}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def deliveries(stream: list[Happening]) -> list[Delivery]:
    """A stream as signed deliveries, their bodies indented as Stripe's are."""
    made: list[Delivery] = []

    for happening in stream:
        body = json.dumps(happening.event, indent=2)
        made.append({"body": body, "signature": sign(body), "now": happening.now})

    return made


def _address() -> Object:
    return {
        "city": "Springfield",
        "country": "US",
        "line1": "742 Evergreen Terrace",
        "line2": None,
        "postal_code": "12345",
        "state": "OR",
    }


def _link(kind: str) -> str:
    return f"https://invoice.stripe.com/{kind}/acct_benchmark/test_{'YWNjdF8x' * 12}?s=ap"


def _list(entries: list[Object], folder: str) -> Object:
    return {
        "object": "list",
        "data": entries,
        "has_more": False,
        "total_count": len(entries),
        "url": f"/v1/{folder}",
    }
