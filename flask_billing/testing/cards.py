"""Stripe's test cards by what they do. Any other test number works as well."""

from __future__ import annotations

import typing as t

PAYS: t.Final = "4242424242424242"
#: Refused at once, wherever it is entered.
DECLINED: t.Final = "4000000000000002"
INSUFFICIENT_FUNDS: t.Final = "4000000000009995"
#: Can be saved, and is refused when it is charged: for renewals that fail.
DECLINED_LATER: t.Final = "4000000000000341"
#: Asks the person for 3-D Secure at every payment.
NEEDS_3D_SECURE: t.Final = "4000002760003184"
EXPIRED: t.Final = "4000000000000069"
