"""Every job there is: when it runs, and what it does."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import importlib
import typing as t

from ..errors import BillingError

if t.TYPE_CHECKING:
    from .running import Run

#: Does a job's work in an app context, and says in a few words what came of it.
Work = t.Callable[["Run"], str]


@dataclasses.dataclass(frozen=True)
class Job:
    """Something to be done again and again.

    :param cron: fields of APScheduler's cron trigger, in UTC, as ``{"minute": "*/5"}``.
    :param work: the function, or its name in :mod:`flask_billing.jobs.work`, which is imported
        when it first runs.
    :param about: what it does, for people.
    :param follows_clock: whether moving business time gives it something to do.
    """

    name: str
    cron: c.Mapping[str, str]
    work: str | Work
    about: str
    follows_clock: bool = False

    def find_work(self) -> Work:
        """The function that does it."""
        if not isinstance(self.work, str):
            return self.work

        module = importlib.import_module(".work", __package__)
        return t.cast("Work", getattr(module, self.work))


_EVERY_MINUTE: t.Final = {"minute": "*"}
_EVERY_FIVE_MINUTES: t.Final = {"minute": "*/5"}

#: In the order they are shown.
JOBS: t.Final = (
    Job("outbox", _EVERY_MINUTE, "drain_outbox", "send signals that wait", True),
    Job("mail", _EVERY_MINUTE, "send_mails", "send mails that wait", True),
    Job("webhook-retries", _EVERY_MINUTE, "retry_webhooks", "process events that failed or wait"),
    # A minute after periods end, when what was on its way into them has arrived.
    Job("quota-resets", {"minute": "1-59/5"}, "reset_quotas", "close periods that ended", True),
    Job(
        "reservation-sweep",
        _EVERY_FIVE_MINUTES,
        "expire_reservations",
        "let go of holds nobody settled",
        True,
    ),
    Job("usage-replay", _EVERY_FIVE_MINUTES, "replay_usage", "book usage that was spooled"),
    Job(
        "meter-export",
        {"minute": "2-59/5"},
        "export_usage",
        "report usage that Stripe bills",
        True,
    ),
    Job(
        "late-usage",
        {"hour": "4", "minute": "26"},
        "find_late_usage",
        "find usage that is too old for Stripe",
        True,
    ),
    Job(
        "open-intents",
        {"minute": "*/10"},
        "finish_open_intents",
        "finish writes to Stripe that a crash left open",
        True,
    ),
    Job("event-sync", {"minute": "17"}, "receive_missed_events", "receive webhooks that were lost"),
    Job("reconciliation", {"hour": "3", "minute": "23"}, "reconcile", "compare rows with Stripe"),
    Job("usage-books", {"hour": "4", "minute": "11"}, "look_at_books", "compare sums with events"),
    Job("inbox-pruning", {"hour": "4", "minute": "41"}, "prune_inbox", "forget what is old"),
    Job(
        "retention",
        {"hour": "5", "minute": "7"},
        "judge_retention",
        "judge what became of offers",
        True,
    ),
    Job(
        "expiring-cards",
        {"hour": "8", "minute": "11"},
        "announce_expiring_cards",
        "tell customers of cards that expire",
        True,
    ),
)


class UnknownJobError(BillingError):
    """There is no job of that name."""

    def __init__(self, name: str) -> None:
        names = ", ".join(job.name for job in JOBS)
        super().__init__(f"There is no job {name!r}. Nothing was done. There are: {names}.")


def find_job(name: str) -> Job:
    """The job of that name.

    :raises UnknownJobError: where there is none.
    """
    for job in JOBS:
        if job.name == name:
            return job

    raise UnknownJobError(name)
