"""What the mails say, from the events that cause them."""

from __future__ import annotations

import collections.abc as c

import pytest

from flask_billing import notifications, subscriptions
from flask_billing.models import Outbox
from flask_billing.notifications.rendering import Rendered
from flask_billing.row_marks import reference

from ..host import Host
from ..subscriptions.test_metered_plans import CATALOG as METERED
from ..views.person import Person

MakeApp = c.Callable[..., Host]


@pytest.fixture
def host(make_app: MakeApp) -> Host:
    return make_app(
        BILLING_BASE_URL="https://host.example",
        BILLING_CONTACT_URL="mailto:help@host.example",
        BILLING_TAX_PHRASE="plus tax",
    )


def test_a_trial_says_when_it_ends_and_what_it_costs_then(host: Host) -> None:
    buy(host, "pro")
    host.sandbox.clock.advance(days=12)
    mail = written(host, "trial_ending")

    assert "First charge: $99.00 plus tax" in mail.text
    assert "You can cancel until then." in mail.text
    assert "Questions about billing? help@host.example" in mail.text


def test_a_renewal_is_announced_with_its_amount(host: Host) -> None:
    buy(host, "starter")
    host.sandbox.clock.advance(days=25)
    mail = written(host, "renewal")

    assert mail.subject.startswith("Starter renews on ")
    assert "Amount: $29.00" in mail.text
    assert "on top of it" not in mail.text


def test_a_renewal_says_that_usage_comes_on_top(make_app: MakeApp) -> None:
    host = make_app(catalog=METERED, BILLING_BASE_URL="https://host.example")
    buy(host, "small")
    host.sandbox.clock.advance(days=25)
    mail = written(host, "renewal")

    assert "What you use beyond your plan until then is charged on top of it." in mail.text


def test_a_cancelled_plan_says_until_when_it_holds(host: Host) -> None:
    buy(host, "starter")

    with host.app.app_context():
        change = subscriptions.cancel(host.customer())

    mail = written(host, "cancelled")
    assert mail.subject == "Your Starter plan is cancelled"
    assert f"Reference: {reference(change)}" in mail.text
    assert f"Requested: {change.created_at:%b %-d, %Y, %H:%M} UTC" in mail.text
    assert f"Ends: {change.effective_at:%b %-d, %Y}" in mail.text
    assert "You won't be charged again." in mail.text
    assert "you can keep the plan until that day" in mail.text

    host.sandbox.clock.advance(days=32)
    assert written(host, "ended").subject == "Your Starter plan has ended"


def test_a_failed_payment_names_card_amount_and_dates(host: Host) -> None:
    buy(host, "starter")
    client = host.sandbox.client()

    with host.app.app_context():
        subscription = host.billing.access(host.customer()).subscription
        customer = host.customer().stripe_id

    assert subscription is not None
    assert customer is not None
    bad = client.v1.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer})
    client.v1.subscriptions.update(subscription.stripe_id, {"default_payment_method": bad.id})
    host.sandbox.clock.advance(days=31, hours=3)
    mail = written(host, "payment_failed")

    assert "We couldn't charge Visa 0341 for Starter." in mail.text
    assert "to keep Starter." in mail.text
    assert "We'll try again on " in mail.text
    assert "Amount: $29.00" in mail.text


def test_a_limit_that_comes_near_is_told_in_short_figures(host: Host) -> None:
    buy(host, "starter")

    with host.app.app_context():
        limit = host.billing.usage("tokens", customer=host.customer()).limit
        assert limit is not None
        host.billing.record("tokens", limit * 96 // 100, customer=host.customer())

    mail = written(host, "usage_threshold")
    assert mail.subject == "95% of your Tokens are used"
    assert "are used so far." in mail.text
    assert "It begins afresh on " in mail.text


def test_a_hosts_own_template_is_used(host: Host, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("templates")
    (folder / "billing" / "mail").mkdir(parents=True)
    (folder / "billing" / "mail" / "welcome.txt").write_text("Ahoy, {{ customer.name }}!")
    host.app.template_folder = str(folder)
    buy(host, "starter")

    assert written(host, "welcome").text == "Ahoy, User 1!\n"


def test_what_people_call_themselves_is_no_markup(host: Host) -> None:
    buy(host, "starter")
    host.sandbox.webhooks.deliver()

    with host.app.app_context():
        customer = host.customer()
        customer.name = "<b>Eve</b>\nBcc: all@example.com"
        (row,) = host.rows(Outbox, name="welcome")
        letter = notifications.letter_for("welcome", customer, row.body)
        assert letter is not None
        mail = notifications.render(letter, customer)

    assert "<b>Eve" not in mail.html
    assert "\n" not in mail.subject


def buy(host: Host, plan: str) -> None:
    """Pay at checkout; the webhooks tell of it."""
    Person(host).pay(plan)
    host.sandbox.webhooks.deliver()


def written(host: Host, name: str) -> Rendered:
    """The last mail of that name, as it would leave now."""
    host.sandbox.webhooks.deliver()
    row = host.rows(Outbox, kind="mail", name=name)[-1]

    with host.app.app_context():
        customer = host.customer()
        letter = notifications.letter_for(name, customer, row.body)
        assert letter is not None, name
        return notifications.render(letter, customer)
