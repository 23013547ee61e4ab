"""``BILLING_TRACKING``: which requests count on which meter, without a change to their views."""

from __future__ import annotations

import collections.abc as c
import dataclasses
import fnmatch
import typing as t

from flask import Flask, Request
from werkzeug.utils import import_string

from ..catalog import Catalog
from ..errors import ConfigError
from .inputs import LARGEST

Cost = int | c.Callable[[], int]

_SETTING: t.Final = "BILLING_TRACKING"
_PLACES: t.Final = ("blueprints", "paths", "endpoints")
_KEYS: t.Final = ("meter", *_PLACES, "exclude", "methods", "cost")
#: The billing pages poll by themselves, and files are no use of the product.
_NEVER: t.Final = ("billing.*", "static", "*.static")
#: Browsers ask with it whether they may ask.
_PREFLIGHT: t.Final = "OPTIONS"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """One table of the setting.

    :param paths: patterns of the request's path, in which ``*`` stands for anything.
    :param endpoints: patterns of the view's endpoint.
    :param exclude: patterns of paths, where they begin with a slash, and of endpoints.
    :param methods: those that count; empty is every one but OPTIONS.
    :param cost: units a request costs, or what tells for the current one; 0 is not counted.
    """

    meter: str
    blueprints: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    cost: Cost = 1

    def covers(self, request: Request) -> bool:
        """Whether a request counts by this rule."""
        endpoint = request.endpoint or ""

        if not self._counts_method(request.method) or _matches(endpoint, _NEVER):
            return False

        if _matches(endpoint, self.exclude) or _matches(request.path, self.exclude):
            return False

        return (
            any(name in self.blueprints for name in request.blueprints)
            or _matches(request.path, self.paths)
            or _matches(endpoint, self.endpoints)
        )

    def _counts_method(self, method: str) -> bool:
        return method in self.methods if self.methods else method != _PREFLIGHT


def misses(rules: c.Iterable[Rule], app: Flask) -> c.Iterator[str]:
    """What rules name that the app does not have, so that nothing counts by it.

    Known once everything is registered, which is when the first request comes.
    """
    for number, rule in enumerate(rules):
        for name in rule.blueprints:
            if name not in app.blueprints:
                yield _missing(number, f"the blueprint {name!r}", app.blueprints)

        for pattern in rule.endpoints:
            if not any(fnmatch.fnmatchcase(endpoint, pattern) for endpoint in app.view_functions):
                yield _missing(number, f"the endpoint {pattern!r}", app.view_functions)


def _missing(number: int, what: str, known: c.Iterable[str]) -> str:
    there = sorted(name for name in known if not _matches(f"{name}.", _NEVER))
    return (
        f"{_SETTING}[{number}] names {what}, which the app does not have, so nothing counts by it. "
        f"Register it before the first request, or correct the name. There are: "
        f"{', '.join(there) or 'none'}."
    )


def read_rules(setting: object, catalog: Catalog) -> tuple[Rule, ...]:
    """The rules of the setting.

    :raises ConfigError: naming the rule, what is wrong with it, and the fix.
    """
    if not isinstance(setting, tuple | list):
        raise ConfigError(
            f"{_SETTING} is {setting!r}. Set it to a list of rules, as "
            '[{"meter": "api_calls", "blueprints": ["api"]}].'
        )

    return tuple(_read(number, table, catalog) for number, table in enumerate(setting))


def _read(number: int, table: object, catalog: Catalog) -> Rule:
    here = f"{_SETTING}[{number}]"

    if not isinstance(table, c.Mapping):
        raise ConfigError(
            f'{here} is {table!r}. Make it a mapping, as {{"meter": "api_calls", …}}.'
        )

    for key in table:
        if key not in _KEYS:
            raise ConfigError(f"{here} has the key {key!r}. A rule knows {', '.join(_KEYS)}.")

    meters = [meter.key for meter in catalog.meters]

    if table.get("meter") not in meters:
        raise ConfigError(
            f"{here} counts on the meter {table.get('meter')!r}, and the catalog has: "
            f"{', '.join(meters) or 'none'}. Add the meter to the catalog, or correct the name."
        )

    texts = {
        key: _texts(here, key, table[key])
        for key in (*_PLACES, "exclude", "methods")
        if key in table
    }

    if not any(texts.get(key) for key in _PLACES):
        raise ConfigError(
            f"{here} names nothing that counts. Give it {', '.join(_PLACES[:-1])} or {_PLACES[-1]}."
        )

    for path in texts.get("paths", ()):
        if not path.startswith("/"):
            raise ConfigError(f"{here}: the path {path!r} never matches. Begin it with a slash.")

    texts["methods"] = tuple(method.upper() for method in texts.get("methods", ()))
    return Rule(meter=str(table["meter"]), cost=_cost(here, table.get("cost", 1)), **texts)


def _texts(here: str, key: str, value: object) -> tuple[str, ...]:
    # A plain string is a collection of letters, none of which would ever match.
    if not isinstance(value, tuple | list | set | frozenset) or not all(
        isinstance(text, str) and text for text in value
    ):
        raise ConfigError(f'{here}: "{key}" is {value!r}. Make it a list of texts.')

    return tuple(value)


def _cost(here: str, value: object) -> Cost:
    if isinstance(value, str):
        try:
            value = import_string(value)
        except ImportError as error:
            raise ConfigError(
                f"{here}: the cost {value!r} cannot be imported. Name a function, as "
                '"app.costs:words".'
            ) from error

    if callable(value):
        return t.cast("c.Callable[[], int]", value)

    if type(value) is not int or not 0 < value <= LARGEST:
        raise ConfigError(
            f"{here}: the cost is {value!r}. Make it a whole number from 1, a function, or the "
            'name of one, as "app.costs:words".'
        )

    return value


def _matches(text: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in patterns)
