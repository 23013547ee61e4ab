"""What may be said of one use beside its amount: who, with what, where, at which cost."""

from __future__ import annotations

import collections.abc as c
import typing as t

from ..errors import InvalidUsageError


class Dimensions(t.TypedDict, total=False):
    """Facts about one use. Any provider and model; either vocabulary of token counts.

    Costs are in millionths of the currency's minor unit, ``latency_ms`` in milliseconds.
    ``cost_saved`` is what cached tokens would have cost more, had they not been cached.
    ``run`` and ``phase`` name a job, session or document and its step.
    """

    member: str | None
    provider: str | None
    model: str | None
    endpoint: str | None
    status: int | None
    run: str | None
    phase: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    latency_ms: int | None
    cost_prompt: int | None
    cost_completion: int | None
    cost_cached: int | None
    cost_total: int | None
    cost_saved: int | None
    extra: c.Mapping[str, object] | None


#: Event column -> longest text.
TEXTS: t.Final = {
    "member": 255,
    "provider": 64,
    "model": 128,
    "endpoint": 255,
    "run": 255,
    "phase": 64,
}
COUNTS: t.Final = (
    "status", "input_tokens", "output_tokens", "cached_tokens", "latency_ms",
    "cost_prompt", "cost_completion", "cost_cached", "cost_total", "cost_saved",
)  # fmt: skip
_SYNONYMS: t.Final = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
_LARGEST: t.Final = 2**63 - 1
#: Event column -> largest number.
_COUNTS: t.Final = {**dict.fromkeys(COUNTS, _LARGEST), "status": 999}
_VOCABULARIES: t.Final = frozenset((*_SYNONYMS, "total_tokens"))


def columns(dimensions: Dimensions) -> dict[str, object]:
    """The dimensions as columns of an event, without those that are None.

    :raises InvalidUsageError: for an unknown name, a wrong type, a text too long for its
        column, or two token vocabularies that disagree.
    """
    said: dict[str, object] = dict(dimensions)

    for name, value in dimensions.items():
        if value is None:
            del said[name]
        elif (largest := _COUNTS.get(name)) is not None:
            if type(value) is not int or not 0 <= value <= largest:
                raise _count_error(name, value, largest)
        elif name in TEXTS:
            if not isinstance(value, str) or len(value) > TEXTS[name] or not is_storable(value):
                raise _text_error(name)
        elif name in _VOCABULARIES:
            return columns(_merge_vocabularies(dimensions))
        elif name != "extra" or not isinstance(value, c.Mapping):
            raise InvalidUsageError(
                f"{name}={value!r} is no dimension of usage. Nothing was booked. "
                "Put facts of your own into extra={...}."
            )

    return said


def is_storable(text: str) -> bool:
    """Whether every database keeps a text: there is no NUL in it, nor half of a character."""
    if "\x00" in text:
        return False

    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # a lone surrogate, as JSON may spell it
            return False

    return True


def _merge_vocabularies(dimensions: Dimensions) -> Dimensions:
    found: dict[str, object] = {
        name: value for name, value in dimensions.items() if value is not None
    }

    for synonym, name in _SYNONYMS.items():
        if synonym not in found:
            continue

        value = found.pop(synonym)

        if found.setdefault(name, value) != value:
            raise InvalidUsageError(
                f"{name}={found[name]!r} and {synonym}={value!r} count the same tokens and "
                "differ. Nothing was booked. Pass one of them."
            )

    if "total_tokens" in found:
        _take_total(found)

    return t.cast("Dimensions", found)


def _take_total(found: dict[str, object]) -> None:
    total = found.pop("total_tokens")

    if type(total) is not int or not 0 <= total <= _LARGEST:
        raise _count_error("total_tokens", total, _LARGEST)

    parts = [found.get("input_tokens"), found.get("output_tokens")]

    if None in parts:
        extra = found.get("extra", {})

        if isinstance(extra, c.Mapping):
            found["extra"] = {**extra, "total_tokens": total}
    elif sum(t.cast("list[int]", parts)) != total:
        raise InvalidUsageError(
            f"total_tokens={total!r} is not the sum of input and output tokens. "
            "Nothing was booked. Leave it out, or correct the parts."
        )


def _text_error(name: str) -> InvalidUsageError:
    return InvalidUsageError(
        f"{name} must be a text of at most {TEXTS[name]} characters, none of them NUL or half of "
        "a surrogate pair. Nothing was booked."
    )


def _count_error(name: str, value: object, largest: int) -> InvalidUsageError:
    return InvalidUsageError(
        f"{name}={value!r} must be a whole number from 0 to {largest}. Nothing was booked."
    )
