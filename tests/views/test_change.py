"""P5: the page that changes the plan, with and without scripts."""

from __future__ import annotations

import collections.abc as c
import html
import re

import pytest
from werkzeug.test import TestResponse

from flask_billing import subscriptions

from ..host import CATALOGS, Host
from ..subscriptions.subscriber import BANK_ASKS, DECLINED, GOOD, Subscriber
from .person import Person, words


@pytest.fixture
def customer(host: Host) -> Subscriber:
    """Somebody on Starter, ten days into their month."""
    found = Subscriber(host)
    found.pass_days(10)
    return found


def look(customer: Subscriber, query: str) -> TestResponse:
    return customer.person.open(f"/billing/change?{query}")


def confirm(customer: Subscriber, page: TestResponse, *, htmx: bool = False) -> TestResponse:
    """Press the button of a page."""
    return customer.person.press("/billing/change", htmx=htmx, quote=quote_on(page))


def follow(customer: Subscriber, answer: TestResponse) -> TestResponse:
    assert answer.status_code == 303, words(answer)
    return customer.person.open(answer.headers["Location"])


def quote_on(page: TestResponse) -> str:
    found = re.search(r'name="quote" value="([^"]+)"', page.text)
    assert found is not None, words(page)
    return html.unescape(found[1])


def due_on(page: TestResponse) -> int:
    found = re.search(r'data-fb-due="(\d+)"', page.text)
    assert found is not None, words(page)
    return int(found[1])


def test_the_button_says_what_is_charged(customer: Subscriber) -> None:
    page = look(customer, "plan=pro&interval=month")
    due = due_on(page)
    text = words(page)

    assert f"Upgrade and pay ${due / 100:.2f} now" in text
    for part in ("Unused time on Starter", "Due now", "Next charge $99.00 on", "Visa ending in 42"):
        assert part in text

    assert "You gain 2M tokens a month instead of 500K" in text
    assert "Priority support" in text

    done = words(follow(customer, confirm(customer, page)))
    assert "You're on Pro" in done
    assert f"Charged ${due / 100:.2f}" in done
    assert customer.paid[0] == due


def test_the_invoice_of_an_upgrade_is_for_the_new_plan(customer: Subscriber) -> None:
    confirm(customer, look(customer, "plan=pro"))
    customer.host.sandbox.webhooks.deliver()
    text = words(customer.person.open("/billing/invoices"))
    assert "Remaining time on Pro" in text
    assert "Unused time on Starter" not in text


def test_the_plan_one_has_is_no_way_to_pay_instead(customer: Subscriber) -> None:
    assert "Pay by the year instead" in words(look(customer, "plan=pro&interval=month"))
    assert "Pay by the month instead" in words(look(customer, "plan=pro&interval=year"))
    assert "Pay by the month instead" not in words(look(customer, "plan=starter&interval=year"))


def test_with_scripts_the_page_is_replaced_in_place(customer: Subscriber) -> None:
    answer = confirm(customer, look(customer, "plan=pro"), htmx=True)

    assert answer.status_code == 200
    assert answer.headers["HX-Trigger"] == "billing:changed"
    assert answer.text.lstrip().startswith('<section id="fb-change"')
    assert 'hx-swap-oob="beforeend:#fb-toasts"' in answer.text
    assert "You're on Pro." in words(answer)


@pytest.mark.parametrize("htmx", [True, False])
def test_another_amount_is_shown_and_nothing_charged(customer: Subscriber, htmx: bool) -> None:
    page = look(customer, "plan=pro")
    customer.stripe.v1.invoice_items.create(
        {
            "customer": str(customer.at_stripe.customer),
            "subscription": customer.row.stripe_id,
            "amount": 700,
            "currency": "usd",
        }
    )
    answer = confirm(customer, page, htmx=htmx)

    assert answer.status_code == 409
    assert "The amount changed while you were reviewing. Nothing was charged." in words(answer)
    assert due_on(answer) == due_on(page) + 700
    assert customer.paid == [2900]


@pytest.mark.parametrize("htmx", [True, False])
def test_a_declined_card_is_said_with_the_way_to_another(customer: Subscriber, htmx: bool) -> None:
    customer.use_card(DECLINED)
    answer = confirm(customer, look(customer, "plan=pro"), htmx=htmx)
    text = words(answer)

    assert answer.status_code == 402
    assert "Your card was declined" in text
    assert "You're still on Starter. Nothing was charged." in text
    assert "Update card" in text
    assert "/billing/change?plan=pro&amp;interval=month" in answer.text
    assert customer.plan == ("starter", "month", 1)


def test_a_bank_that_asks_is_confirmed_on_its_page(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    page = look(customer, "plan=pro")
    waiting = follow(customer, confirm(customer, page))
    text = words(waiting)

    assert "Confirm with your bank" in text
    assert f"confirm ${due_on(page) / 100:.2f} for Pro" in text
    hosted = customer.invoices[0].hosted_invoice_url
    assert hosted is not None
    assert hosted in waiting.text
    assert "Your bank needs you to confirm the change to Pro." in words(
        customer.person.open("/billing/")
    )

    customer.answer_the_bank()
    answer = customer.person.press("/billing/change/confirmed", htmx=True)
    assert "You're on Pro." in words(answer)
    assert customer.plan == ("pro", "month", 1)


def test_a_bank_that_says_no_leaves_the_plan(customer: Subscriber) -> None:
    customer.use_card(BANK_ASKS)
    confirm(customer, look(customer, "plan=pro"))
    customer.pass_days(1)

    text = words(customer.person.open("/billing/change/done"))
    assert "The payment wasn't completed. You're still on Starter. Nothing was charged." in text


def test_a_downgrade_says_when_it_begins_and_can_be_undone(customer: Subscriber) -> None:
    customer.change("pro")
    customer.use_card(GOOD)

    with customer.host.app.app_context():
        customer.host.billing.record("tokens", 800_000, customer=customer.host.customer())

    page = look(customer, "plan=starter")
    end = customer.row.current_period_end
    assert end is not None
    date = f"{end:%b} {end.day}, {end:%Y}"
    text = words(page)
    assert f"Downgrade on {date}" in text
    assert "You use 800K tokens; Starter includes 500K." in text
    assert "You lose 500K tokens a month instead of 2M" in text
    assert f"Next charge $29.00 on {date}" in text

    done = words(follow(customer, confirm(customer, page)))
    assert f"Switching to Starter on {date}" in done
    plans = words(customer.person.open("/billing/plans"))
    assert f"Starts {date}" in plans
    assert f"Switching to Starter on {date}." in words(customer.person.open("/billing/"))

    answer = customer.person.press("/billing/change/undo")
    assert "You keep Pro. Nothing changes." in words(follow(customer, answer))
    assert customer.at_stripe.schedule is None
    assert customer.person.press("/billing/change/undo").status_code == 409


def test_a_pause_to_come_is_no_plan_to_resume(customer: Subscriber) -> None:
    with customer.host.app.app_context():
        subscriptions.pause(customer.host.customer(), 2)

    page = look(customer, "plan=pro")

    assert page.status_code == 409
    assert "End the pause first" in words(page)
    assert "paused, or is going to be, can't be changed. Nothing was changed." in words(page)


def test_on_trial_both_ways_are_offered(host: Host) -> None:
    customer = Subscriber(host, "pro")
    end = customer.row.trial_end
    assert end is not None
    page = look(customer, "plan=starter")
    assert f"Switch; trial continues until {end:%b} {end.day}, {end:%Y}" in words(page)
    assert "End the trial and pay now · Pay by the year instead" in words(page)

    ended = look(customer, "plan=pro&end_trial=1")
    assert "End trial and pay $99.00 now" in words(ended)
    assert "You're on Pro" in words(follow(customer, confirm(customer, ended)))
    assert customer.paid[0] == 9900


def test_the_plans_page_knows_the_way(customer: Subscriber) -> None:
    page = customer.person.open("/billing/plans")
    text = words(page)
    for part in ("Current plan", "Switch to yearly", "Upgrade to Pro", "Upgrade to Enterprise"):
        assert part in text

    assert "/billing/change?plan=pro&amp;interval=year" in page.text
    assert "Downgrade to Free" in text

    customer.change("pro")
    assert "Downgrade to Starter" in words(customer.person.open("/billing/plans"))


def test_the_entry_pages_list_what_is_above_and_below(customer: Subscriber) -> None:
    up = words(customer.person.open("/billing/upgrade"))
    assert "Upgrade to Pro" in up
    assert "Current plan" not in up

    down = words(customer.person.open("/billing/downgrade"))
    assert "Downgrade to Free" in down
    assert "Pro" not in down.split("Downgrade", 2)[2]

    customer.change("enterprise")
    assert "You're on the biggest plan there is." in words(customer.person.open("/billing/upgrade"))
    newcomer = Person(customer.host, "9")
    assert newcomer.open("/billing/upgrade").headers["Location"] == "/billing/plans"
    assert newcomer.open("/billing/change?plan=pro").headers["Location"] == "/billing/plans"


def test_refusals_lead_to_what_has_to_be_done_first(customer: Subscriber) -> None:
    same = look(customer, "plan=starter&interval=month")
    assert (same.status_code, "That's your plan" in words(same)) == (409, True)
    assert look(customer, "plan=nope").status_code == 404
    assert look(customer, "plan=pro&quantity=many").status_code == 422

    page = look(customer, "plan=pro")
    forged = customer.person.press("/billing/change", quote=quote_on(page).swapcase())
    assert forged.status_code == 409
    assert "Nothing was charged" in words(forged)

    stranger = Subscriber.__new__(Subscriber)
    stranger.person = Person(customer.host, "2")
    stranger.person.buy("starter")
    assert stranger.person.press("/billing/change", quote=quote_on(page)).status_code == 409

    with customer.host.app.app_context():
        subscriptions.cancel(customer.host.customer())

    ending = look(customer, "plan=pro")
    assert (ending.status_code, "Keep your plan first" in words(ending)) == (409, True)
    assert customer.changes == [("cancel", "pending")]


def test_a_form_without_its_token_changes_nothing(customer: Subscriber) -> None:
    page = look(customer, "plan=pro")
    answer = customer.person.press("/billing/change", token="forged", quote=quote_on(page))

    assert answer.status_code == 400
    assert customer.changes == []


def test_who_may_not_manage_billing_only_looks(customer: Subscriber) -> None:
    page = look(customer, "plan=pro")
    customer.host.billing.can_manage_billing(lambda: False)

    assert "Ask an admin of your account" in words(look(customer, "plan=pro"))
    assert confirm(customer, page).status_code == 403
    assert customer.person.press("/billing/change/undo").status_code == 403
    assert customer.changes == []


def test_stripe_being_down_changes_nothing_and_is_said(customer: Subscriber) -> None:
    page = look(customer, "plan=pro")

    with customer.host.sandbox.outage():
        assert look(customer, "plan=pro").status_code == 503
        assert confirm(customer, page).status_code == 503

    assert customer.paid == [2900]
    assert "You're on Pro" in words(follow(customer, confirm(customer, page)))


def test_seats_are_bought_now_and_given_back_later(make_app: c.Callable[..., Host]) -> None:
    customer = Subscriber(make_app(catalog=CATALOGS / "seats.toml"), "team")
    customer.pass_days(10)
    page = look(customer, "quantity=5")
    assert "Add seats and pay" in words(page)
    assert "Team, 5 seats" in words(page)
    confirm(customer, page)
    assert customer.plan == ("team", "month", 5)
    assert customer.paid[0] == due_on(page)

    fewer = look(customer, "quantity=3")
    assert "Reduce seats on" in words(fewer)
    confirm(customer, fewer)
    assert customer.plan == ("team", "month", 5)
    assert look(customer, "quantity=99").status_code == 404
    customer.pass_days(25)
    assert customer.plan == ("team", "month", 3)


def test_a_limit_of_any_window_may_be_too_small(make_app: c.Callable[..., Host]) -> None:
    def plan(name: str, rank: int, monthly: int) -> dict[str, object]:
        windows = {"hour": 1000, "billing_period": monthly}
        return {
            "name": name,
            "rank": rank,
            "prices": [{"interval": "month", "amount": 1000 * rank}],
            "limits": [
                {"meter": "tokens", "included": included, "window": window}
                for window, included in windows.items()
            ],
        }

    plans = {"small": plan("Small", 1, 500), "big": plan("Big", 2, 100_000)}
    host = make_app(catalog={"meters": {"tokens": {"name": "Tokens"}}, "plans": plans})
    customer = Subscriber(host, "big")

    with host.app.app_context():
        host.billing.record("tokens", 800, customer=host.customer())
        host.sandbox.clock.advance(hours=3)
        host.billing.record("tokens", 1, customer=host.customer())

    text = words(customer.person.open("/billing/change?plan=small"))
    assert "You use 801 tokens; Small includes 500." in text
    assert "You lose 500 tokens a month instead of 100K" in text
