"""While a new version is rolled out, workers with two catalogs do the same jobs.

The older one meets plans, meters and limits that it does not know, or knows otherwise. What it
cannot judge it leaves to the other, so that in the end all is as if that had been alone.
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
from pathlib import Path

import pytest

from flask_billing import clock
from flask_billing.jobs import JOBS

from ..doctor.test_doctor import found, run
from ..host import Host
from . import night
from .night import Night, catalog_of_today
from .test_every_step import Fallen, compare, fallen

__all__ = ["fallen"]

Catalog = dict[str, t.Any]


def without_meters() -> Catalog:
    """As it was before requests were counted and minutes billed."""
    catalog = catalog_of_today()

    for plan in catalog["plans"].values():
        plan["limits"] = [one for one in plan["limits"] if one["meter"] == "tokens"]

    catalog["meters"] = {"tokens": catalog["meters"]["tokens"]}
    return catalog


def without_plans() -> Catalog:
    """As it was before Starter was sold, and Free given away."""
    catalog = catalog_of_today()
    del catalog["plans"]["starter"], catalog["plans"]["free"]
    return catalog


def with_lower_limits() -> Catalog:
    """As it was when the plans included a tenth."""
    catalog = catalog_of_today()

    for plan in catalog["plans"].values():
        for limit in plan["limits"]:
            limit["included"] = limit["included"] // 10 if limit["included"] > 0 else -1

    return catalog


@pytest.fixture(autouse=True)
def an_hour_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has to wait for its next attempt has waited."""
    wall = clock.wall
    monkeypatch.setattr(clock, "wall", lambda: wall() + dt.timedelta(hours=1))


@pytest.mark.parametrize("older", [without_meters, without_plans])
def test_what_another_catalog_does_not_know_is_left_to_who_does(
    fallen: Fallen, older: t.Callable[[], Catalog]
) -> None:
    alone = _lived_through(*fallen.again(), [None])
    together = _lived_through(*fallen.again(), [older(), None])
    # The same units are reported, though not in one go.
    del alone["billing_meter_export"], together["billing_meter_export"]
    compare(together, alone, "with two catalogs")


def test_what_two_catalogs_know_otherwise_is_done_once(fallen: Fallen) -> None:
    alone = _lived_through(*fallen.again(), [None])
    together = _lived_through(*fallen.again(), [with_lower_limits(), None])

    # Who opens a period writes down the limit it knows, and tells of that one's thresholds.
    for facts in (alone, together):
        del facts["billing_usage_notice"], facts["mails"], facts["heard"]
        facts["billing_usage_counter"] = [
            re.sub(r"\('limit', -?\d+\)", "", one) for one in facts["billing_usage_counter"]
        ]
        resets = [one for one in facts.pop("billing_outbox") if "'quota.reset'" in one]
        facts["resets"] = [re.sub(r"'included': \d+", "", one) for one in resets]

    compare(together, alone, "with two catalogs")


def test_the_doctor_tells_of_workers_with_another_catalog(
    make_app: t.Callable[..., Host], database_url: str
) -> None:
    ours, theirs = make_app(database_url), make_app(database_url, catalog=with_lower_limits())

    for host, told in ((ours, []), (theirs, ["outbox"]), (ours, [])):
        run(host, "jobs", "run", "outbox")
        findings = [one["text"] for one in found(ours, "scheduler") if "catalog" in one["text"]]
        assert [text.rpartition(": ")[2] for text in findings] == [f"{name}." for name in told]


def _lived_through(
    url: str, folder: Path, catalogs: list[Catalog | None]
) -> dict[str, list[t.Any]]:
    """What is known when workers with these catalogs have done every job in turn."""
    for catalog in catalogs:
        here = Night(url, folder, catalog=catalog)
        here.listen()

        for job in JOBS:
            outcome = here.run(job.name)
            assert outcome.state == "ok" or catalog is not None, outcome

        if catalog is None:
            here.settle("outbox")
            known = night.facts_of(here)

        here.host.close()

    return known
