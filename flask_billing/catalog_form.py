"""The form of a catalog's parts: which fields each has, and what may stand in them.

A part is a class of annotated fields. Whatever is given for them, in Python or in a file, is read
by the annotations, and all that does not fit is told with its path. Reading what an app's start
has to wait for, this is our own: a library that does more took a third of what we add to it.
"""

from __future__ import annotations

import collections.abc as c
import re
import types
import typing as t
from decimal import Decimal

from .errors import CatalogError

#: Lists that a file writes as tables named by key.
KEYED: t.Final = ("meters", "plans")

#: Stands for a value that was told to be wrong.
MALFORMED: t.Final = object()

_UNIONS: t.Final = (t.Union, types.UnionType)
_WHOLE: t.Final = re.compile(r"[+-]?[0-9]+")
#: In words of TOML, since what stands in the environment is a text.
_TRUTH: t.Final = {"true": True, "false": False}


class Text:
    """What a text must look like; blanks around it do not count.

    :param least: fewest characters.
    :param most: most characters.
    :param otherwise: what is said of a text that the pattern does not match.
    :param lower: whether it is kept in lower case.
    """

    def __init__(
        self,
        *,
        least: int = 0,
        most: int | None = None,
        pattern: str | None = None,
        otherwise: str = "is malformed",
        lower: bool = False,
    ) -> None:
        self.least, self.most = least, most
        self.pattern, self.otherwise = pattern, otherwise
        self.lower = lower

    def read(self, value: object) -> str:
        """The text.

        :raises ValueError: with what is wrong about it.
        """
        if not isinstance(value, str):
            raise ValueError(f"{value!r} is not a text; put it in quotes")

        text = value.strip()

        if self.pattern is not None and not re.search(self.pattern, text):
            raise ValueError(f"{value!r} {self.otherwise}")

        if len(text) < self.least:
            raise ValueError("must not be empty")

        if self.most is not None and len(text) > self.most:
            raise ValueError(f"is longer than {self.most} characters")

        return text.lower() if self.lower else text


class Whole:
    """Bounds of a whole number."""

    def __init__(self, least: int | None = None, most: int | None = None) -> None:
        self.least, self.most = least, most

    def read(self, value: object) -> int:
        """The number.

        :raises ValueError: with what is wrong about it.
        """
        # 29.00 would quietly become 29 cents.
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError(
                f"{value!r} is not a whole number; amounts are in minor units, as cents"
            )

        if isinstance(value, str) and not _WHOLE.fullmatch(value):
            raise ValueError(f"{value!r} is not a whole number")

        number = int(value)

        if self.least is not None and number < self.least:
            raise ValueError(f"input should be greater than or equal to {self.least}")

        if self.most is not None and number > self.most:
            raise ValueError(f"input should be less than or equal to {self.most}")

        return number


class Exact:
    """A number from 0 that keeps its decimal places, which a file writes as a text.

    :param places: most of them.
    """

    def __init__(self, places: int) -> None:
        self.pattern = rf"^[0-9]+(\.[0-9]{{1,{places}}})?$"

    def read(self, value: object) -> Decimal:
        """The number.

        :raises ValueError: with what is wrong about it.
        """
        # 0.1 of a file is not a tenth any more.
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise ValueError(f"{value!r} is not exact; write a whole number, or a text as '0.002'")

        text = value.strip() if isinstance(value, str) else f"{value:f}"

        if not re.search(self.pattern, text):
            raise ValueError(f"{value!r} is not an amount; write it as 2 or '0.002'")

        return Decimal(text)


@t.dataclass_transform(kw_only_default=True, frozen_default=True)
class Part:
    """A table of the catalog: given by name, checked, and never changed after."""

    #: Name -> annotation.
    fields: t.ClassVar[c.Mapping[str, object]] = {}
    #: The field that a plain text stands for.
    shorthand: t.ClassVar[str | None] = None

    def __init_subclass__(cls, *, shorthand: str | None = None) -> None:
        # As objects: postponed annotations would have to be read back from text at every start.
        cls.fields = {**cls.fields, **vars(cls).get("__annotations__", {})}
        cls.shorthand = shorthand

    def __init__(self, **values: object) -> None:
        problems: list[str] = []
        fields = fields_of(type(self), values, type(self).__name__, problems)

        if problems:
            raise CatalogError("(Python)", problems)

        self._hold(fields)
        self._check()

    @classmethod
    def of(cls, fields: c.Mapping[str, object]) -> t.Self:
        """A part of values that have been read."""
        part = object.__new__(cls)
        part._hold(fields)
        return part

    def replace(self, **changes: object) -> t.Self:
        """The same part with other values, which are taken as they are."""
        return self.of({**vars(self), **changes})

    def _hold(self, fields: c.Mapping[str, object]) -> None:
        vars(self).update(fields)

    def _check(self) -> None:
        """Raise where the values do not go together."""

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.fields)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"A catalog is not changed once it is made; {name!r} was not set.")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented

        return self is other or all(
            getattr(self, name) == getattr(other, name) for name in self.fields
        )

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.fields)
        return f"{type(self).__name__}({shown})"


def fields_of(
    model: type[Part], values: c.Mapping[str, object], path: str, problems: list[str]
) -> dict[str, object]:
    """The values of a part's fields, without those that ``problems`` then tells of."""
    found: dict[str, object] = {}

    for name, form in model.fields.items():
        here = below(path, name)

        if name in values:
            found[name] = read(form, values[name], here, problems)
        elif hasattr(model, name):
            found[name] = getattr(model, name)
        else:
            problems.append(f"{here}: is missing")

    problems += [
        f"{below(path, name)}: is not a key of the catalog"
        for name in values
        if name not in model.fields
    ]
    return {name: value for name, value in found.items() if value is not MALFORMED}


def read(form: object, value: object, path: str, problems: list[str]) -> object:
    """A value as its annotation has it, or MALFORMED."""
    origin, arguments = t.get_origin(form), t.get_args(form)

    if origin in _UNIONS:
        return None if value is None else read(arguments[0], value, path, problems)

    try:
        if origin is tuple:
            return _list(arguments[0], value, path, problems)

        if isinstance(form, type) and issubclass(form, Part):
            return _part(form, value, path, problems)

        return _plain(form, value)
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return MALFORMED


def below(path: str, name: str) -> str:
    """The path of a field."""
    return f"{path}.{name}" if path else name


def indexed(path: str, index: int, value: object) -> str:
    """The path of an item, by its key where the file names it so."""
    key = value.get("key") if isinstance(value, c.Mapping) and path in KEYED else None
    return f"{path}[{index}]" if key is None else f"{path}.{key}"


def _list(form: object, value: object, path: str, problems: list[str]) -> tuple[object, ...]:
    """The items that are sound."""
    if isinstance(value, str | bytes | c.Mapping) or not isinstance(value, c.Iterable):
        raise ValueError(f"{value!r} is not a list; put it in brackets")

    items = [
        read(form, item, indexed(path, index, item), problems) for index, item in enumerate(value)
    ]
    return tuple(item for item in items if item is not MALFORMED)


def _part(model: type[Part], value: object, path: str, problems: list[str]) -> object:
    if isinstance(value, model):
        return value

    if isinstance(value, str) and model.shorthand is not None:
        value = {model.shorthand: value}

    if not isinstance(value, c.Mapping):
        raise ValueError(f"{value!r} is not a table")

    already = len(problems)
    fields = fields_of(model, value, path, problems)
    return model.of(fields) if len(problems) == already else MALFORMED


def _plain(form: object, value: object) -> object:
    arguments = t.get_args(form)

    if t.get_origin(form) is t.Annotated:
        return t.cast("Text | Whole | Exact", arguments[1]).read(value)

    if t.get_origin(form) is t.Literal:
        return _one_of(arguments, value)

    return _truth(value) if form is bool else Text().read(value)


def _one_of(choices: tuple[object, ...], value: object) -> object:
    if value in choices:
        return value

    *others, last = (repr(choice) for choice in choices)
    raise ValueError(f"input should be {', '.join(others)} or {last}")


def _truth(value: object) -> bool:
    found = value if isinstance(value, bool) else _TRUTH.get(str(value))

    if found is None:
        raise ValueError(f"{value!r} is neither true nor false")

    return found
