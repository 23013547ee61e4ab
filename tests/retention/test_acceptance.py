"""Taking an offer: once, exactly as it was read, and only called taken when Stripe has it."""

from __future__ import annotations

import collections.abc as c
import datetime as dt
import threading
import typing as t

import pytest

from flask_billing import retention, subscriptions
from flask_billing.errors import (
    OfferNotFoundError,
    OfferRefusedError,
    StripeUnreachableError,
)
from flask_billing.models import (
    Cancellation,
    Invoice,
    OfferRedemption,
    Outbox,
    SubscriptionChange,
)
from flask_billing.retention import acceptance, granting, redemptions

from ..host import Host
from .shop import catalog, keys, pass_days, said, settle, subscription_row, visit

MakeApp = c.Callable[..., Host]
NOW = dt.timedelta(0)


@pytest.fixture
def shop(make_app: MakeApp, database_url: str) -> Host:
    """User 1 has been on Starter for 20 days; on each database."""
    host = make_app(database_url, catalog=catalog())
    settle(host)
    return host


def take(host: Host, reason: str = "too_expensive") -> OfferRedemption:
    """Visit the cancel page and take the first offer."""
    with host.app.app_context():
        customer = host.customer()
        _, (offered, *_others) = visit(customer, reason)
        return retention.accept(customer, offered.id, said(offered))


def coupons(host: Host) -> list[t.Any]:
    """The coupons at Stripe that can be used once."""
    found = host.sandbox.client().v1.coupons.list().data
    return [coupon for coupon in found if coupon.max_redemptions == 1]


def discounts(host: Host) -> list[str]:
    """The coupons of the discounts that the subscription has at Stripe."""
    found = host.sandbox.client().v1.subscriptions.list({"expand": ["data.discounts"]}).data[0]
    return [str(discount.source.coupon) for discount in found.discounts]  # type: ignore[union-attr]


def paid(host: Host) -> list[int]:
    """What the renewals cost, oldest first."""
    return [row.amount_paid for row in sorted(host.rows(Invoice), key=lambda row: row.issued_at)]


def test_a_discount_is_taken_for_exactly_the_payments_it_names(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        terms = offered.terms
        redemption = retention.accept(customer, offered.id, said(offered))

    assert (terms.regular, terms.reduced, terms.payments) == (2900, 2320, 3)
    assert redemption.state == "done"

    for _month in range(5):
        pass_days(shop, 31)

    assert paid(shop)[:6] == [2900, 2320, 2320, 2320, 2900, 2900]
    full_price_again = sorted(shop.rows(Invoice), key=lambda row: row.issued_at)[4]
    assert terms.ends_at is not None
    assert dt.timedelta(0) <= full_price_again.issued_at - terms.ends_at <= dt.timedelta(hours=1)


def test_what_was_taken_is_recorded_mailed_and_told(shop: Host) -> None:
    heard: list[str] = []

    @shop.billing.on("retention.offer_accepted")
    def hear(app: object, *, offer: str, **facts: object) -> None:
        heard.append(offer)

    redemption = take(shop)
    (mail,) = shop.rows(Outbox, kind="mail", name="offer_accepted")
    (visited,) = shop.rows(Cancellation)
    (change,) = shop.rows(SubscriptionChange)
    (coupon,) = coupons(shop)

    assert mail.body["terms"] == redemption.terms
    assert heard == ["stay-20"]
    assert (visited.outcome, visited.offer_accepted) == ("saved_discount", "stay-20")
    assert (visited.plan, visited.monthly_amount, visited.reason) == (
        "starter", 2900, "too_expensive",
    )  # fmt: skip
    assert (change.kind, change.state, change.reason) == ("discount", "done", "too_expensive")
    assert (coupon.id, coupon.max_redemptions, coupon.valid) == (redemption.coupon, 1, False)


def test_a_second_click_gets_what_the_first_one_got(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        first = retention.accept(customer, offered.id, said(offered)).id
        second = retention.accept(customer, offered.id, said(offered)).id

    assert first == second
    assert len(discounts(shop)) == len(coupons(shop)) == 1


def test_clicks_that_meet_are_one_coupon_and_one_discount(shop: Host) -> None:
    with shop.app.app_context():
        _, (offered,) = visit(shop.customer(), "too_expensive")

    failures: list[BaseException] = []

    def click() -> None:
        try:
            with shop.app.app_context():
                retention.accept(shop.customer(), offered.id, said(offered))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=click) for _ in range(4)]

    for thread in threads:
        thread.start()

    for thread in threads:
        thread.join()

    assert failures == []
    assert len(discounts(shop)) == len(coupons(shop)) == 1
    assert [row.state for row in shop.rows(OfferRedemption)] == ["done"]
    assert len(shop.rows(Outbox, kind="mail", name="offer_accepted")) == 1


def test_two_discounts_in_two_tabs_are_one(make_app: MakeApp, database_url: str) -> None:
    offers = [
        {"key": "stay-20", "kind": "discount", "percent_off": 20, "months": 3},
        {"key": "stay-30", "kind": "discount", "percent_off": 30, "months": 3, "plans": ["pro"]},
    ]
    shop = make_app(database_url, catalog=catalog(offers))
    settle(shop)

    with shop.app.app_context():
        customer = shop.customer()
        visited, (offered,) = visit(customer)
        other = shop.state.catalog.offer("stay-30")
        assert other is not None
        # The other tab had been shown this one, and is a step further.
        redemptions.reserve(customer, visited, other, subscription_row(shop), "30 % off")

        with pytest.raises(OfferRefusedError, match="taken"):
            retention.accept(customer, offered.id, said(offered))

    assert discounts(shop) == []


def test_taking_an_offer_takes_a_cancellation_back(shop: Host) -> None:
    with shop.app.app_context():
        subscriptions.cancel(shop.customer())

    take(shop)

    assert subscription_row(shop).cancel_at is None
    changes = [(row.kind, row.state) for row in shop.rows(SubscriptionChange)]
    assert changes == [("cancel", "undone"), ("discount", "done")]


def test_an_end_that_was_set_in_the_dashboard_is_taken_back_too(shop: Host) -> None:
    row = subscription_row(shop)
    ends = int((row.current_period_end or row.synced_at).timestamp()) - 3600
    shop.sandbox.client().v1.subscriptions.update(row.stripe_id, {"cancel_at": ends})

    assert take(shop).state == "done"
    assert subscription_row(shop).cancel_at is None
    assert len(discounts(shop)) == 1


def test_a_discount_that_came_meanwhile_is_kept(
    shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    granted = granting.GRANTS["discount"]

    def after_the_dashboard(*arguments: t.Any) -> bool:
        client = shop.sandbox.client()
        client.v1.coupons.create({"id": "by-hand", "percent_off": 5, "duration": "forever"})
        client.v1.subscriptions.update(
            subscription_row(shop).stripe_id, {"discounts": [{"coupon": "by-hand"}]}
        )
        return granted(*arguments)

    monkeypatch.setitem(granting.GRANTS, "discount", after_the_dashboard)
    redemption = take(shop)

    assert discounts(shop) == ["by-hand", redemption.coupon]


def test_an_outage_leaves_nothing_half_done(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")

        with shop.sandbox.outage(), pytest.raises(StripeUnreachableError):
            retention.accept(customer, offered.id, said(offered))

        assert retention.accept(customer, offered.id, said(offered)).state == "done"

    assert len(discounts(shop)) == len(coupons(shop)) == 1


@pytest.mark.parametrize("path", ["/v1/coupons", "/v1/subscriptions/*"])
def test_an_answer_that_is_lost_is_made_good_by_the_job(shop: Host, path: str) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        shop.sandbox.fail("POST", path, times=6, status=500)

        with pytest.raises(StripeUnreachableError):
            retention.accept(customer, offered.id, said(offered))

        assert [row.state for row in shop.rows(OfferRedemption)] == ["open"]
        assert shop.rows(Outbox, kind="mail", name="offer_accepted") == []
        assert retention.finish_open(min_age=NOW) == 0  # Stripe still fails
        assert retention.finish_open(min_age=NOW) == 1

    assert [row.state for row in shop.rows(OfferRedemption)] == ["done"]
    assert len(discounts(shop)) == len(coupons(shop)) == 1
    assert len(shop.rows(Outbox, kind="mail", name="offer_accepted")) == 1


def test_a_crash_before_stripe_was_asked_is_no_offer_taken(
    shop: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_arguments: object) -> t.NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(granting.GRANTS, "discount", crash)

        with pytest.raises(KeyboardInterrupt):
            take(shop)

    with shop.app.app_context():
        assert retention.finish_open() == 0  # perhaps the request is still at work
        assert retention.finish_open(min_age=NOW) == 1

    assert [row.state for row in shop.rows(OfferRedemption)] == ["failed"]
    assert take(shop).state == "done"
    assert len(discounts(shop)) == len(coupons(shop)) == 1


@pytest.mark.parametrize(
    "offer",
    [{"kind": "pause", "months": 2}, {"kind": "plan", "plan": "starter"}],
    ids=["pause", "plan"],
)
def test_a_crash_after_stripe_had_it_is_an_offer_taken(
    make_app: MakeApp,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    offer: dict[str, t.Any],
) -> None:
    shop = make_app(database_url, catalog=catalog([{"key": "one", **offer}]))
    settle(shop, "enterprise")

    def crash(*_arguments: object) -> t.NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(acceptance, "_close", crash)

        with pytest.raises(KeyboardInterrupt):
            take(shop)

    assert shop.rows(Outbox, kind="mail", name="offer_accepted") == []

    with shop.app.app_context():
        assert retention.finish_open() == 1
        assert retention.finish_open() == 0

    assert [row.state for row in shop.rows(OfferRedemption)] == ["done"]
    assert len(shop.rows(Outbox, kind="mail", name="offer_accepted")) == 1
    assert len(shop.rows(SubscriptionChange)) == 1


def test_an_offer_of_somebody_else_is_not_found(shop: Host) -> None:
    with shop.app.app_context():
        _, (offered,) = visit(shop.customer(), "too_expensive")

        for customer, offer_id in [
            (shop.customer("2"), offered.id),
            (shop.customer(), "999-stay-20"),
            (shop.customer(), offered.id.replace("stay-20", "talk")),
            (shop.customer(), "stay-20"),
            (shop.customer(), "²-stay-20"),
        ]:
            with pytest.raises(OfferNotFoundError):
                retention.accept(customer, offer_id, said(offered))

    assert discounts(shop) == []


def test_words_that_were_not_shown_are_refused(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")

        with pytest.raises(OfferRefusedError, match="changed"):
            retention.accept(customer, offered.id, "stay-20: 100 usd")

    assert shop.rows(OfferRedemption) == []


def test_terms_that_a_renewal_changed_are_refused(shop: Host) -> None:
    pass_days(shop, 11)  # shortly before it

    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        shop.sandbox.clock.advance(hours=1)
        row = subscription_row(shop)
        assert row.current_period_end is not None
        left = row.current_period_end - shop.sandbox.clock.now()
        shop.sandbox.clock.advance(seconds=int(left.total_seconds()) + 60)

        with pytest.raises(OfferRefusedError, match=r"changed|expired"):
            retention.accept(customer, offered.id, said(offered))

    assert discounts(shop) == []


def test_an_offer_lasts_as_long_as_its_visit(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        shop.sandbox.clock.advance(hours=3)

        with pytest.raises(OfferRefusedError, match="expired"):
            retention.accept(customer, offered.id, said(offered))


def test_after_a_no_an_offer_is_gone_for_this_visit(shop: Host) -> None:
    with shop.app.app_context():
        customer = shop.customer()
        _, (offered,) = visit(customer, "too_expensive")
        retention.decline(customer, offered.id)

        assert visit(customer, "too_expensive")[1] == []

        with pytest.raises(OfferNotFoundError):
            retention.accept(customer, offered.id, said(offered))

        shop.sandbox.clock.advance(hours=3)
        assert keys(visit(customer, "too_expensive")[1]) == ["stay-20"]


def test_a_longer_trial_moves_the_first_charge_once(make_app: MakeApp, database_url: str) -> None:
    shop = make_app(database_url, catalog=catalog())
    settle(shop, "pro", days=3)
    before = subscription_row(shop).trial_end
    assert before is not None
    assert take(shop, "too_complex").state == "done"
    assert subscription_row(shop).trial_end == before + dt.timedelta(days=7)

    with shop.app.app_context():
        assert visit(shop.customer(), "too_complex")[1] == []

    assert [row.outcome for row in shop.rows(Cancellation)] == ["saved_trial_ext", None]


def test_a_longer_trial_takes_an_end_of_the_dashboard_back_too(
    make_app: MakeApp, database_url: str
) -> None:
    shop = make_app(database_url, catalog=catalog())
    settle(shop, "pro", days=3)
    before = subscription_row(shop)
    assert before.trial_end is not None
    ends = int(before.trial_end.timestamp()) - 3600
    shop.sandbox.client().v1.subscriptions.update(before.stripe_id, {"cancel_at": ends})

    assert take(shop, "too_complex").state == "done"
    after = subscription_row(shop)
    assert (after.cancel_at, after.trial_end) == (None, before.trial_end + dt.timedelta(days=7))


def test_wanting_to_talk_ends_the_visit_and_changes_nothing(shop: Host) -> None:
    take(shop, "missing_features")

    assert [row.outcome for row in shop.rows(Cancellation)] == ["contacted"]
    assert shop.rows(SubscriptionChange) == []
    assert shop.rows(Outbox, kind="mail", name="offer_accepted") == []
