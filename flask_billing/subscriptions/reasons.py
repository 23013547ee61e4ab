"""Why a customer leaves: Stripe's eight codes, and a comment in their own words."""

from __future__ import annotations

import typing as t

from ..catalog_offers import LEAVING_REASONS
from ..errors import InvalidAnswerError

#: The codes that Stripe takes as ``cancellation_details.feedback``.
REASONS: t.Final = LEAVING_REASONS

#: Characters of a comment.
LONGEST_COMMENT: t.Final = 500


def checked(reason: str | None, comment: str | None) -> tuple[str | None, str | None]:
    """Reason and comment as they are kept; empty ones are None.

    :raises InvalidAnswerError: for an unknown reason, or a comment that is too long.
    """
    reason = reason or None

    if reason is not None and reason not in REASONS:
        raise InvalidAnswerError(
            "reason", f"There is no such reason to leave. There are: {', '.join(REASONS)}."
        )

    # Browsers send a line's end as two characters and count it as one; databases keep no NUL.
    text = (comment or "").replace("\r\n", "\n").replace("\0", "").strip()

    if len(text) > LONGEST_COMMENT:
        raise InvalidAnswerError(
            "comment", f"The comment is longer than {LONGEST_COMMENT} characters."
        )

    return reason, text or None
