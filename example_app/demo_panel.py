"""The demo's backstage: time, payments, webhooks and what the app has written down to send.

A real app has no such page. Here it stands in for the months that pass, the banks that
decline and the news that comes late.
"""

from __future__ import annotations

import dataclasses
import typing as t
from datetime import datetime, timedelta

import sqlalchemy as sa
from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.local import LocalProxy

from flask_billing import Customer, clock, jobs, metering, notifications
from flask_billing.models import Outbox
from flask_billing.sandbox import Sandbox

from . import live_sandbox, seed
from .auth import current_workspace
from .extensions import billing, db
from .models import Workspace

bp = Blueprint("demo", __name__, url_prefix="/demo")

#: Lines shown of each list.
SHOWN = 80
#: An invoice stays a draft for an hour before it is charged.
UNTIL_CHARGED = timedelta(hours=2)

sandbox = t.cast("Sandbox", LocalProxy(lambda: live_sandbox.sandbox_of(current_app)))


@dataclasses.dataclass(frozen=True)
class Written:
    """A line of the outbox."""

    id: int
    kind: str
    name: str
    workspace: str | None
    state: str
    at: datetime


@bp.get("/")
def panel() -> ResponseReturnValue:
    """All the levers."""
    return render_template("demo/panel.html", renewal=_next_renewal(), **_news())


@bp.get("/news")
def news() -> ResponseReturnValue:
    """The two lists alone, which an open panel asks for every few seconds."""
    return render_template("demo/_news.html", **_news())


@bp.get("/mail/<int(max=999999999):row_id>")
def mail(row_id: int) -> ResponseReturnValue:
    """A mail of the outbox as its reader would get it, had the demo a way to send it."""
    row = db.session.get(Outbox, row_id)

    if row is None or row.kind != "mail" or row.customer_id is None:
        abort(404)

    customer = db.session.get(Customer, row.customer_id) or abort(404)
    letter = notifications.letter_for(row.name, customer, row.body)
    return render_template(
        "demo/mail.html",
        row=row,
        customer=customer,
        mail=None if letter is None else notifications.render(letter, customer),
    )


@bp.post("/clock")
def move_clock() -> ResponseReturnValue:
    """Let time pass: renewals, trial ends and retries happen on the way, and jobs at its end."""
    now = clock.now()
    renewal = _next_renewal()
    steps = {"day": now + timedelta(days=1), "month": live_sandbox.months_on(now, 1)}

    if renewal is not None:
        steps["renewal"] = max(renewal, now) + UNTIL_CHARGED

    target = steps.get(request.form.get("step", "")) or abort(422)
    metering.export_usage()  # what was used until now belongs to the period that may end
    moved = sandbox.clock.advance(to=target)
    _deliver()
    jobs.run_following_clock()
    flash(f"It is {moved:%-d %B %Y, %H:%M} UTC now.")
    return _back()


@bp.post("/payment")
def payment() -> ResponseReturnValue:
    """Break the card of whoever is signed in, or mend it and pay what is open."""
    customer = _subscriber()

    if customer is None:
        flash("There is nothing to charge: this workspace has no paid plan.")
    elif request.form.get("card") == "fails":
        live_sandbox.use_card(sandbox, customer, live_sandbox.FAILING_CARD)
        flash("The next payment will be declined. Move the clock to the next renewal.")
    else:
        live_sandbox.use_card(sandbox, customer, live_sandbox.WORKING_CARD)
        live_sandbox.pay_open_invoice(sandbox, customer)
        flash("The card works again, and nothing is left unpaid.")

    _deliver()
    return _back()


@bp.post("/webhooks")
def webhooks() -> ResponseReturnValue:
    """Hold all news from Stripe back, or let it arrive."""
    if request.form.get("news") == "hold":
        sandbox.webhooks.hold()
        # A returning customer is looked up at Stripe, which would be news too.
        sandbox.fail("GET", "/v1/checkout/sessions/*", times=1_000_000)
        flash("Webhooks are held. Buy a plan now, and the page says that it is updating.")
    else:
        sandbox.repair()
        sandbox.webhooks.release()
        flash("Webhooks arrive again.")

    return _back()


@bp.post("/reset")
def reset() -> ResponseReturnValue:
    """Start over with the workspaces as they were."""
    db.session.remove()
    sandbox.repair()
    sandbox.webhooks.release()
    seed.reset(t.cast("t.Any", current_app)._get_current_object())
    flash("Everything is as it was at the start.")
    return _back()


@bp.app_context_processor
def _for_templates() -> dict[str, object]:
    return {"demo_now": clock.now}


def _news() -> dict[str, object]:
    return {
        "held": sandbox.webhooks.held,
        "pending": sandbox.webhooks.pending(),
        "deliveries": sandbox.webhooks.log(SHOWN),
        "outbox": _outbox(),
    }


def _outbox() -> list[Written]:
    names = {str(one.id): one.name for one in db.session.scalars(sa.select(Workspace))}
    rows = db.session.execute(
        sa.select(Outbox, Customer.owner_id)
        .join(Customer, Customer.id == Outbox.customer_id, isouter=True)
        .order_by(Outbox.id.desc())
        .limit(SHOWN)
    )
    return [
        Written(row.id, row.kind, row.name, names.get(owner), row.state, row.created_at)
        for row, owner in rows
    ]


def _subscriber() -> Customer | None:
    """Who is signed in, if they have a subscription."""
    workspace = current_workspace()
    customer = billing.customer_for(workspace) if workspace is not None else None

    if customer is None or billing.access(customer).subscription is None:
        return None

    return customer


def _next_renewal() -> datetime | None:
    customer = _subscriber()
    subscription = billing.access(customer).subscription if customer is not None else None
    return subscription.current_period_end if subscription is not None else None


def _deliver() -> None:
    """Wait for the webhooks, so that the page that follows shows what they brought."""
    sandbox.webhooks.deliver()
    db.session.expire_all()


def _back() -> ResponseReturnValue:
    return redirect(url_for("demo.panel"), 303)
