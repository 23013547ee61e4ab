"""What probes ask: is billing able to do its work? No personal data, and no call to Stripe."""

from __future__ import annotations

import logging

import sqlalchemy as sa
from flask import Response, current_app, jsonify

from ..doctor import health as measured

log = logging.getLogger("flask_billing.health")


def health() -> Response:
    """200 while all is well, 503 where a probe should raise an alarm."""
    try:
        found = measured.measure()
    except sa.exc.SQLAlchemyError as error:
        log.error("The database does not answer: %s", type(error).__name__)
        answer = jsonify(status="failing", database="down")
        answer.status_code = 503
        return answer

    answer = jsonify(
        status="ok" if found.well else "failing",
        database="ok",
        inbox_lag_seconds=found.inbox_lag,
        dead_letters=found.dead_letters,
        unfinished_changes=found.unfinished_changes,
        scheduler_age_seconds=found.scheduler_age,
        scheduler=current_app.config["BILLING_SCHEDULER"],
    )
    answer.status_code = 200 if found.well else 503
    return answer
