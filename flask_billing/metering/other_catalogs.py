"""What the catalog of this process does not have, and another process's may.

While a new version is rolled out, both do the same jobs. What one of them cannot judge it leaves to
the other for some days; after that nobody is taken to know it any more.
"""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta

from .. import clock
from ..catalog import Catalog
from .limits import Facts

#: How long something is left to others.
LEFT_FOR: t.Final = timedelta(days=3)


def leave(
    catalog: Catalog, facts: Facts, meter: str, since: datetime, plan: str | None = None
) -> bool:
    """Whether to leave a customer's usage to a process with another catalog.

    :param since: when it was to be dealt with, in business time.
    :param plan: key of the plan it was used under, where that is known.
    """
    if clock.now() - since >= LEFT_FOR:
        return False

    of_no_plan = facts.plan is None and facts.since is not None
    lacks_plan = of_no_plan or (plan is not None and catalog.plan(plan) is None)
    return lacks_plan or all(one.key != meter for one in catalog.meters)
