"""A paid renewal closes the quotas of the period before it at once."""

from __future__ import annotations

import collections.abc as c
import logging
import typing as t

import sqlalchemy as sa

from .. import outbox
from ..errors import BillingError

log = logging.getLogger("flask_billing.webhooks")

#: Why an invoice was made that begins a new period. One for an upgrade, or written by hand,
#: begins none.
_RENEWAL: t.Final = "subscription_cycle"


def close_paid_periods(written: c.Iterable[outbox.Written]) -> None:
    """Close the periods that ended before the renewals which were just found paid.

    They end by their date in any case; the job closes them where this cannot.
    """
    for row in written:
        body = t.cast("c.Mapping[str, object]", row.values["body"])

        if row.name == "payment.succeeded" and body.get("billing_reason") == _RENEWAL:
            _close(t.cast("int", row.values["customer_id"]))


def _close(customer_id: int) -> None:
    from .. import metering

    try:
        metering.close_ended(customer_id)
    except (BillingError, sa.exc.SQLAlchemyError):
        log.exception("The periods of customer %s are left to the job quota-resets", customer_id)
