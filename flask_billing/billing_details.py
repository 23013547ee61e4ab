"""Name, e-mail address, postal address and tax ids of a customer, here and at Stripe.

Stripe holds them, as they are on every invoice: they are written there, and come back by
:mod:`flask_billing.sync`, as they do when somebody changes them in Stripe's portal.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import datetime as dt
import logging
import typing as t

import sqlalchemy as sa

from . import customer_changes, sync
from .customer_changes import ACTIONS
from .database import reread, update
from .errors import (
    BillingError,
    DetailsRefusedError,
    StripeError,
    StripeNotFoundError,
    StripeRejectedError,
    StripeUnreachableError,
)
from .models import Customer, CustomerChange
from .stripe_customers import ensure_stripe_customer
from .stripe_gateway import gateway

log = logging.getLogger("flask_billing.billing_details")

_ACTION: t.Final = ACTIONS["details"]
ADDRESS: t.Final = ("line1", "line2", "postal_code", "city", "state", "country")
_COLUMNS: t.Final = ("stripe_id", "name", "email", "address", "tax_ids")
#: Parts of the names of Stripe's parameters -> our field.
_FIELDS: t.Final = (*ADDRESS, "email", "name")


@dataclasses.dataclass(frozen=True)
class Details:
    """What somebody wants to stand on their invoices.

    :param address: by the names of :data:`ADDRESS`; an empty text leaves a part out.
    :param tax_id: one to add, as Stripe's type and the number.
    :param removed: Stripe's ids of tax ids to take away.
    """

    name: str
    email: str
    address: c.Mapping[str, str]
    tax_id: tuple[str, str] | None = None
    removed: tuple[str, ...] = ()

    def request(self, known: c.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
        """What Stripe is asked for, as the intent keeps it.

        Stripe merges addresses part by part and takes no empty part, so one that is to go is
        only got rid of with the whole address before.

        :param known: the address as it is.
        """
        address = {part: text for part in ADDRESS if (text := self.address.get(part))}
        return {
            "clear_address": _drops(known, address),
            "customer": {
                "name": self.name,
                "email": self.email,
                **({"address": address} if address else {}),
            },
            "tax_ids": [] if self.tax_id is None else [list(self.tax_id)],
            "removed": list(self.removed),
        }


def save(customer: Customer, details: Details, actor: str | None = None) -> None:
    """Write billing details to Stripe, and from there to our row.

    :raises DetailsRefusedError: where Stripe does not take one of them.
    :raises StripeUnreachableError: where Stripe did not answer, or StripeRateLimitedError where it
        asked to slow down; the wish is recorded and carried out later all the same.
    """
    request = details.request(customer.address)
    change = customer_changes.begin(customer, "details", request=request, actor=actor)

    while change.request != request:  # an older wish, left open by a crash or under way
        try:
            _carry_out(change, customer)
        except DetailsRefusedError:
            pass  # it is closed
        except StripeError:
            assert change.request is not None, "the intent says what is wanted"
            both = _after(change.request, request)
            customer_changes.supersede(change, customer, request=both, actor=actor)
            raise

        change = customer_changes.begin(customer, "details", request=request, actor=actor)

    _carry_out(change, customer)
    update(customer, *_COLUMNS)


def finish_open(*, limit: int = 100, min_age: dt.timedelta = dt.timedelta(minutes=1)) -> int:
    """Carry out the intents that crashes and outages left open.

    :param min_age: leaves younger ones to the request that is at work on them.
    :returns: how many are closed now.
    """
    closed = 0

    for change in customer_changes.left_open("details", min_age=min_age, limit=limit):
        customer = reread(sa.select(Customer).where(Customer.id == change.customer_id))
        assert customer is not None, "customers are never deleted"

        try:
            _carry_out(change, customer)
        except DetailsRefusedError:
            closed += 1  # nobody waits for the answer any more
        except BillingError as error:  # the next one may still be possible
            log.warning("Details %s are not written yet: %s", change.id, error)
        else:
            closed += 1

    return closed


def _carry_out(change: CustomerChange, customer: Customer) -> None:
    try:
        # Who was at Stripe when the intent was written may have been deleted there since.
        stripe_id = ensure_stripe_customer(customer, _ACTION)
        _write(change, stripe_id)
    except StripeRejectedError as error:
        customer_changes.close(change, "failed", error.code or "refused")

        if customer.stripe_id is not None:
            with contextlib.suppress(StripeError):  # one of several steps may have been taken
                sync.pull("customer", customer.stripe_id, action=_ACTION)

        raise DetailsRefusedError(_field(error)) from error
    except StripeUnreachableError as error:
        customer_changes.leave_replayed_answer(change, error)
        raise

    sync.pull("customer", stripe_id, action=_ACTION)
    customer_changes.close(change, "done")


def _write(change: CustomerChange, stripe_id: str) -> None:
    """The calls a change is made of: first those that Stripe is the likeliest to refuse.

    An address is only taken away once the one that follows was taken.
    """
    assert change.request is not None, "the intent says what is wanted"
    path = f"/v1/customers/{stripe_id}"
    wanted = change.request["customer"]
    steps = [("details", wanted)]

    if change.request["clear_address"]:
        steps += [("clear-address", {"address": ""}), ("details-again", wanted)]

    for kind, value in change.request["tax_ids"]:
        _add_tax_id(change, f"{path}/tax_ids", kind, value)

    for step, params in steps:
        gateway().post(path, params, idempotency_key=customer_changes.key(change, step))

    for tax_id in change.request["removed"]:
        with contextlib.suppress(StripeNotFoundError):  # an earlier attempt took it away
            gateway().delete(f"{path}/tax_ids/{tax_id}")


def _add_tax_id(change: CustomerChange, path: str, kind: str, value: str) -> None:
    known = [(found.get("type"), found.get("value")) for found in gateway().list(path)]

    if (kind, value) in known:
        return

    gateway().post(
        path,
        {"type": kind, "value": value},
        idempotency_key=customer_changes.key(change, f"tax-id-{kind}"),
    )


def _after(earlier: c.Mapping[str, t.Any], request: dict[str, t.Any]) -> dict[str, t.Any]:
    """What to ask for instead of two wishes, the first of which may have come true in part."""
    was, now = (one["customer"].get("address") for one in (earlier, request))
    clears = earlier["clear_address"] or request["clear_address"] or _drops(was, now or {})
    tax_ids = {**dict(earlier["tax_ids"]), **dict(request["tax_ids"])}  # one of a kind
    return {
        **request,
        "clear_address": clears,
        "tax_ids": [list(tax_id) for tax_id in tax_ids.items()],
        "removed": sorted({*earlier["removed"], *request["removed"]}),
    }


def _drops(known: c.Mapping[str, t.Any] | None, address: c.Mapping[str, str]) -> bool:
    """Whether an address lacks a part that the one before has."""
    return any((known or {}).get(part) and part not in address for part in ADDRESS)


def _field(error: StripeRejectedError) -> str | None:
    """Our field for what Stripe names: a parameter, as ``address[country]``, or a code."""
    param = error.param or ""

    if (error.code or "").startswith("tax_id") or param in ("value", "type"):
        return "tax_id"

    return next((field for field in _FIELDS if field in param), None)
