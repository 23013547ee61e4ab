"""The host's way to send mail: Flask-Mailman, where it uses that."""

from __future__ import annotations

import typing as t

from flask import current_app

from .rendering import Rendered


def send(address: str, mail: Rendered) -> bool:
    """Hand a mail to Flask-Mailman. Says whether there is one in this app."""
    if "mailman" not in current_app.extensions:
        return False

    from flask_mailman import EmailMultiAlternatives

    sender: str | None = current_app.config["BILLING_MAIL_SENDER"]
    message: t.Any = EmailMultiAlternatives(mail.subject, mail.text, sender, [address])
    message.attach_alternative(mail.html, "text/html")
    message.send()
    return True
