"""Stories that make the sandbox show every kind of object the bodies without requests hold."""

from __future__ import annotations

from datetime import UTC, datetime

from flask_billing.sandbox import Sandbox

from .cassettes import Body
from .wire import Wire

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Story:
    """A sandbox and all it answered."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._wire = Wire(sandbox)
        self.bodies: list[Body] = []

    def post(self, path: str, **params: object) -> Body:
        """One POST, whatever its answer."""
        return self._told("POST", path, params)

    def get(self, path: str, **params: object) -> Body:
        """One GET, whatever its answer."""
        return self._told("GET", path, params)

    def delete(self, path: str) -> Body:
        """One DELETE, whatever its answer."""
        return self._told("DELETE", path, {})

    def _told(self, method: str, path: str, params: Body) -> Body:
        _, body = self._wire.send(method, path, params)
        self.bodies.append(body)
        return body

    def customer(self, card: str = "pm_card_visa") -> str:
        """A customer whose default is a new card."""
        customer = str(self.post("/v1/customers", email="ada@example.com", name="Ada")["id"])
        method = self.post(f"/v1/payment_methods/{card}/attach", customer=customer)
        self.post(
            f"/v1/customers/{customer}",
            invoice_settings={"default_payment_method": method["id"]},
        )
        return customer

    def invoice(
        self, customer: str, *, include: bool = False, items: int = 1, **params: object
    ) -> str:
        """A draft with lines: put in later, or taken up when the draft was made."""
        item = {"customer": customer, "amount": 48_000, "currency": "usd"}
        if include:
            params["pending_invoice_items_behavior"] = "include"
            for _ in range(items):
                self.post("/v1/invoiceitems", **item)
        invoice = str(self.post("/v1/invoices", customer=customer, **params)["id"])
        if not include:
            for _ in range(items):
                self.post("/v1/invoiceitems", invoice=invoice, **item)
        return invoice


def tell_stories() -> tuple[list[Body], list[Body]]:
    """What the sandbox answered, and its events, the oldest first."""
    with Sandbox(now=NOW) as sandbox:
        story = Story(sandbox)
        _invoices(story)
        _cards(story)
        _portal(story)
        sandbox.clock.advance(hours=2)
        _subscriptions(story, sandbox)
        story.get("/v1/events", limit=100)
        return story.bodies, sandbox.events()


def _invoices(story: Story) -> None:
    customer = story.customer()
    story.invoice(str(story.post("/v1/customers", email="new@example.com")["id"]))
    for include in (True, False):
        paid = story.invoice(customer, include=include, items=2)
        story.post(f"/v1/invoices/{paid}/finalize")
        story.post(f"/v1/invoices/{paid}/pay")
        for ending in ("pay", "finalize", "void", "mark_uncollectible"):
            invoice = story.invoice(customer, include=include, auto_advance=ending == "pay")
            if ending != "pay":
                story.post(f"/v1/invoices/{invoice}/finalize")
            story.post(f"/v1/invoices/{invoice}/{ending}")
            story.get(f"/v1/invoices/{invoice}")
        draft = story.invoice(
            customer,
            include=include,
            collection_method="send_invoice",
            days_until_due=30,
            auto_advance=True,
        )
        story.post(f"/v1/invoices/{draft}/finalize")
        story.post(f"/v1/invoices/{draft}/pay", paid_out_of_band=True)
        story.invoice(customer, include=include, auto_advance=True)
    story.get("/v1/charges", customer=customer)
    story.get("/v1/invoices", customer=customer)
    path = f"/v1/customers/{customer}/balance_transactions"
    story.post(path, amount=-1_000, currency="usd", description="Credit")
    story.get(path)
    story.get(f"/v1/customers/{customer}", expand=["invoice_settings.default_payment_method"])
    story.invoice(customer, include=True, discounts=[{"coupon": _coupon(story)}])
    broke = story.customer("pm_card_chargeCustomerFail")
    refused = story.invoice(broke)
    story.post(f"/v1/invoices/{refused}/finalize")
    story.post(f"/v1/invoices/{refused}/pay")
    card = story.post("/v1/payment_methods/pm_card_visa/attach", customer=broke)["id"]
    story.post(f"/v1/invoices/{refused}/pay", payment_method=card)
    story.post("/v1/credit_notes", invoice=refused, amount=500, refund_amount=500)
    charge = story.get("/v1/charges", customer=broke)["data"][0]["id"]
    story.post("/v1/refunds", charge=charge, amount=500)
    item = story.post("/v1/invoiceitems", customer=broke, amount=100, currency="usd")["id"]
    story.delete(f"/v1/invoiceitems/{item}")
    story.delete(f"/v1/invoices/{story.invoice(broke)}")


def _coupon(story: Story) -> str:
    made = story.post("/v1/coupons", percent_off=85, duration="once", name="Discount")
    return str(made["id"])


def _subscriptions(story: Story, sandbox: Sandbox) -> None:
    price = story.post(
        "/v1/prices",
        currency="usd",
        unit_amount=2500,
        recurring={"interval": "month"},
        product_data={"name": "Pro"},
    )["id"]
    for card in ("pm_card_visa", "pm_card_chargeCustomerFail"):
        trial = {"trial_period_days": 14, "items": [{"price": price}]}
        story.post("/v1/subscriptions", customer=story.customer(card), **trial)
    urls = {"success_url": "https://app.example/done", "cancel_url": "https://app.example/"}
    for mode in ("payment", "subscription", "setup"):
        lines = [{"price": price, "quantity": 1}]
        if mode == "payment":
            once = {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Book"}}
            lines = [{"price_data": once, "quantity": 1}]
        params = {"currency": "usd"} if mode == "setup" else {"line_items": lines}
        session = story.post("/v1/checkout/sessions", mode=mode, **params, **urls)
        sandbox.checkout(session["id"]).pay()
        story.get(f"/v1/checkout/sessions/{session['id']}")
        dropped = story.post("/v1/checkout/sessions", mode=mode, **params, **urls)
        story.post(f"/v1/checkout/sessions/{dropped['id']}/expire")
    sandbox.clock.advance(days=60)
    for left in story.get("/v1/subscriptions")["data"]:
        story.delete(f"/v1/subscriptions/{left['id']}")


def _cards(story: Story) -> None:
    customer = story.customer()
    method = story.post("/v1/payment_methods", type="card", card={"token": "tok_visa"})
    intent = story.post("/v1/setup_intents", customer=customer, payment_method=method["id"])
    story.post(f"/v1/setup_intents/{intent['id']}/confirm", return_url="https://app.example/")
    story.get("/v1/setup_intents", customer=customer)
    story.get("/v1/payment_methods", customer=customer, type="card")
    story.post(f"/v1/payment_methods/{method['id']}/detach")
    urls = {"success_url": "https://app.example/done", "cancel_url": "https://app.example/"}
    story.post("/v1/checkout/sessions", mode="setup", customer=customer, currency="usd", **urls)
    story.get("/v1/checkout/sessions", customer=customer)


def _portal(story: Story) -> None:
    customer = story.customer()
    configuration = story.post(
        "/v1/billing_portal/configurations",
        business_profile={"headline": "Invoices"},
        features={
            "customer_update": {"enabled": True, "allowed_updates": ["email", "name"]},
            "invoice_history": {"enabled": False},
        },
    )
    story.post(
        "/v1/billing_portal/sessions",
        customer=customer,
        return_url="https://app.example/",
        **({"configuration": configuration["id"]} if "id" in configuration else {}),
    )
