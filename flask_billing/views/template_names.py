"""What every template of ours may use, however it is rendered and whoever overrides it."""

from __future__ import annotations

import functools
import typing as t

from flask import Flask

from .. import formatting, translation
from . import assets, macros, quota_words, stripe_js, toasts


def names(app: Flask) -> dict[str, object]:
    """What :mod:`flask_billing.views` adds to a template, just before it is rendered."""
    asset_url = functools.partial(assets.asset_url, assets.folder_url())
    found: dict[str, t.Any] = {
        "_": translation.gettext,
        "ngettext": translation.ngettext,
        "text_direction": translation.text_direction,
        "language": language,
        "fmt": formatting,
        "asset_url": asset_url,
        "icons_url": asset_url("icons.svg"),
        "is_first": macros.is_first,
        "take_toasts": toasts.take,
        "quota_words": quota_words.words,
        "stripe_js": stripe_js,
        "contact_url": app.config["BILLING_CONTACT_URL"],
        "tax_phrase": app.config["BILLING_TAX_PHRASE"],
        "poll_seconds": max(1, round(app.config["BILLING_METER_POLL"].total_seconds())),
    }
    # The macro is imported once for a page, and not by each of its parts.
    icons: t.Any = app.jinja_env.get_template("billing/_icon.html").make_module(found)
    return found | {"icon": icons.icon}


def language() -> str:
    """The page's language, as ``<html lang>`` wants it."""
    return _language(translation.locale())


@functools.cache
def _language(of: str) -> str:
    from babel import Locale

    return str(Locale.parse(of).language)
