"""A usage report as an answer: in a page, as the fragment that open pages poll, and as CSV."""

from __future__ import annotations

import dataclasses
import logging
import typing as t

import sqlalchemy as sa
from flask import Response, abort, make_response, request
from flask.typing import ResponseReturnValue

from ..errors import MeteringUnavailableError
from ..metering.csv_rows import csv_rows
from ..metering.period_sums import EVERY
from ..models import Customer
from ..state import state
from ..translation import gettext as _
from . import fragments, periods, usage_report, usage_rows
from .periods import UnclearPeriodError

log = logging.getLogger("flask_billing.views")


@dataclasses.dataclass(frozen=True)
class Answer:
    """A report, or why there is none.

    :param url: where the report is asked for again.
    """

    url: str
    csv_url: str
    report: usage_report.Report | None
    problem: str | None = None
    status: int = 200

    @property
    def context(self) -> dict[str, t.Any]:
        """What ``_usage_filters.html`` and ``_usage_report.html`` show."""
        cost = self.report is None or self.report.has_cost or self.report.metric == "cost"
        return {
            "report": self.report,
            "report_problem": self.problem,
            "report_failed": self.status >= 500,
            "report_url": self.url,
            "csv_url": self.csv_url,
            "period_choices": periods.choices(),
            "group_choices": usage_report.groups(),
            "metric_choices": usage_report.metrics(cost=cost),
        }

    def fragment(self) -> Response:
        """The report alone; 204 while nothing shown differs from version ``?v=``."""
        if self.report is not None and request.args.get("v") == self.report.version:
            return Response(status=204)

        return fragments.show("billing/_usage_report.html", status=self.status, **self.context)


def report(
    customer: Customer, url: str, csv_url: str, *, group: usage_rows.Group | None = None
) -> Answer:
    """The report that the request asks for.

    :param group: what it is grouped by unless the request says.
    """
    asked = request.args.to_dict()

    if group is not None:
        asked.setdefault("group", group)

    try:
        return Answer(url, csv_url, usage_report.report(customer, asked))
    except UnclearPeriodError as error:
        return Answer(url, csv_url, None, str(error), 422)
    except (sa.exc.SQLAlchemyError, MeteringUnavailableError):
        log.exception("A usage report could not be read.")
        state().db.session.rollback()
        return Answer(url, csv_url, None, _("We couldn't load usage."), 503)


def csv(customer: Customer) -> ResponseReturnValue:
    """The days of the period that the request asks for."""
    try:
        period = periods.chosen(customer, request.args)
    except UnclearPeriodError as error:
        abort(422, str(error))

    answer = make_response("".join(csv_rows(EVERY, usage_rows.read(customer, period).days)))
    answer.mimetype = "text/csv"
    name = f"usage-{period.first.isoformat()}-{period.last.isoformat()}.csv"
    answer.headers["Content-Disposition"] = f"attachment; filename={name}"
    return answer
