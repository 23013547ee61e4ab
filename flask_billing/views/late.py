"""Functions that are known by name when an app starts and imported at their first call.

A start that imports every page pays for them in each worker, shell and command, though most
of those never show one. So :mod:`flask_billing.views` names the functions, as
``"checkout.create"``, and what a module imports is loaded with the first request for it.
"""

from __future__ import annotations

import collections.abc as c
import functools
import importlib
import typing as t

Function = c.Callable[..., t.Any]


@functools.cache
def find(where: str) -> Function:
    """The function of that name, ``module.function`` in this package."""
    module, _, name = where.partition(".")
    found: Function = getattr(importlib.import_module(f".{module}", __package__), name)
    return found


def late(where: str) -> Function:
    """A function that calls the one of that name."""

    def call(*args: t.Any, **values: t.Any) -> t.Any:
        return find(where)(*args, **values)

    call.__name__ = call.__qualname__ = where.rpartition(".")[2]
    return call
