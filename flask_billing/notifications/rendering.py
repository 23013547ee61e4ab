"""A letter as a mail: subject, text and HTML, from templates the host may replace."""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import typing as t

from flask import current_app

from .. import formatting, translation
from ..models import Customer
from .letters import Letter


@dataclasses.dataclass(frozen=True)
class Rendered:
    """What is sent."""

    subject: str
    text: str
    html: str


def render(letter: Letter, customer: Customer) -> Rendered:
    """Write a letter out.

    ``billing/mail/<name>.txt`` and ``.html`` are used where the host has them, else
    ``billing/mail/letter.txt`` and ``.html``.
    """
    with in_language_of(customer):
        context = {
            "letter": letter,
            "customer": customer,
            "_": translation.gettext,
            "fmt": formatting,
            "text_direction": translation.text_direction,
            "language": translation.locale().partition("_")[0],
            "contact_url": current_app.config["BILLING_CONTACT_URL"],
        }
        return Rendered(
            # A plan's name with a line break must not become a header of its own.
            subject=" ".join(letter.subject.split()),
            text=_template(letter.name, "txt", context).strip() + "\n",
            html=_template(letter.name, "html", context),
        )


@contextlib.contextmanager
def in_language_of(customer: Customer) -> c.Iterator[None]:
    """The customer's locale, where the host uses Flask-Babel."""
    if "babel" not in current_app.extensions or not customer.locale:
        yield
        return

    from flask_babel import force_locale

    with force_locale(customer.locale):
        yield


def _template(name: str, kind: t.Literal["txt", "html"], context: dict[str, object]) -> str:
    # Past Flask, whose host may add things to templates that only a request has.
    choices = [f"billing/mail/{name}.{kind}", f"billing/mail/letter.{kind}"]
    return current_app.jinja_env.select_template(choices).render(context)
