"""Texts in the reader's language. English, as it stands in the code, is the fallback.

Every text of the pages and mails belongs to one gettext domain, ``flask_billing``. Where the
host uses Flask-Babel, its locale and translations hold; without it nothing is looked up.
"""

from __future__ import annotations

import functools
import sys
import typing as t
from pathlib import Path

from .state import state

DOMAIN: t.Final = "flask_billing"
DEFAULT_LOCALE: t.Final = "en_US"


def gettext(message: str, **values: object) -> str:
    """The text in the reader's language, its ``%(name)s`` filled in."""
    domain = _domain()
    found: str = domain.gettext(message) if domain is not None else message
    return found % values if values else found


def ngettext(singular: str, plural: str, num: int, **values: object) -> str:
    """Like :func:`gettext`, in the form that fits ``num``, which texts may show as ``%(num)s``."""
    domain = _domain()

    if domain is not None:
        found: str = domain.ngettext(singular, plural, num)
    else:
        found = singular if num == 1 else plural

    return found % {"num": num, **values}


def locale() -> str:
    """The reader's locale, as ``en_US``: Flask-Babel's where the host uses it."""
    if _domain() is None:
        return DEFAULT_LOCALE

    from flask_babel import get_locale

    return str(get_locale() or DEFAULT_LOCALE)


def text_direction() -> str:
    """``rtl`` for right-to-left languages, else ``ltr``."""
    return _direction(locale())


@functools.cache
def _direction(of: str) -> str:
    from babel import Locale

    return str(Locale.parse(of).text_direction)


class _Domain(t.Protocol):
    def gettext(self, message: str) -> str: ...

    def ngettext(self, singular: str, plural: str, num: int) -> str: ...


def _domain() -> _Domain | None:
    # A page has hundreds of texts and figures, and most apps never import Flask-Babel.
    if "flask_babel" not in sys.modules:
        return None

    current = state()

    if "babel" not in current.app.extensions:
        return None

    caches = current.caches

    if "translation_domain" not in caches:
        from flask_babel import Domain, get_babel

        own = str(Path(__file__).parent / "translations")
        # The host's come last, so they can add languages and change our words.
        folders = [own, *get_babel().translation_directories]
        caches["translation_domain"] = Domain(folders, domain=DOMAIN)

    return t.cast(_Domain, caches["translation_domain"])
