"""The root element of everything of ours: it shuts out what a host's ``<body>`` may set.

htmx attributes on a host's elements would reach into our markup (a ``hx-select`` empties
our panels). So the root sets each to nothing, in the spelling of htmx 4 and of htmx 2.
"""

from __future__ import annotations

import functools
import typing as t

from markupsafe import Markup

#: What would be inherited, and the value that has no effect.
_NEUTRAL: t.Final = {
    "hx-boost": "false",
    "hx-select": "",
    "hx-select-oob": "",
    "hx-push-url": "false",
    "hx-replace-url": "false",
    "hx-confirm": "",
    "hx-indicator": "",
    "hx-include": "",
    "hx-vals": "",
    "hx-sync": "",
    "hx-target": "this",
}

#: Answers that are ours to show, whatever the host does with errors.
_SHOWN: t.Final = (400, 402, 403, 404, 409, 422, 429)


@functools.cache
def attributes(nonce: str | None = None) -> Markup:
    """The root's attributes, as ``<div {{ billing_root() }}>``.

    :param nonce: the page's nonce, for hosts that use htmx's ``hx-csp`` extension.
    """
    pairs = {"class": "fb-root", "hx-history": "false", "hx-disinherit": "*"}

    for name, value in _NEUTRAL.items():
        pairs[name] = value
        pairs[f"{name}:inherited"] = value

    # The plain spelling would turn htmx 2 off for everything inside.
    pairs["hx-disable:inherited"] = ""

    for status in _SHOWN:
        pairs[f"hx-status:{status}:inherited"] = "swap:outerHTML"

    pairs["hx-status:5xx:inherited"] = "swap:none"

    if nonce is not None:
        pairs["hx-nonce:inherited"] = nonce

    return Markup(" ").join(Markup('{}="{}"').format(name, value) for name, value in pairs.items())
