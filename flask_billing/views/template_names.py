"""What every template of ours may use, however it is rendered and whoever overrides it."""

from __future__ import annotations

from flask import Flask

from .. import translation
from . import assets, formatting, quota_words


def names(app: Flask) -> dict[str, object]:
    """What :mod:`flask_billing.views` adds to a template, just before it is rendered."""
    return {
        "_": translation.gettext,
        "ngettext": translation.ngettext,
        "text_direction": translation.text_direction,
        "language": language,
        "fmt": formatting,
        "asset_url": assets.asset_url,
        "icons_url": assets.asset_url("icons.svg"),
        "quota_words": quota_words.words,
        "contact_url": app.config["BILLING_CONTACT_URL"],
        "tax_phrase": app.config["BILLING_TAX_PHRASE"],
        "poll_seconds": max(1, round(app.config["BILLING_METER_POLL"].total_seconds())),
    }


def language() -> str:
    """The page's language, as ``<html lang>`` wants it."""
    from babel import Locale

    return str(Locale.parse(translation.locale()).language)
