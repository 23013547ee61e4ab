"""The kinds of values that the fields of a catalog hold.

Annotations are not postponed here: the fields are read by them.
"""

import typing as t
from decimal import Decimal

from .catalog_form import Exact, Text, Whole

#: Largest number that is counted with: sums of it still fit into a column, and browsers keep it.
LARGEST: t.Final = 2**53

Count = t.Annotated[int, Whole(0, LARGEST)]
Positive = t.Annotated[int, Whole(1, LARGEST)]
Percent = t.Annotated[int, Whole(1, 1000)]
#: An amount of money that may hold fractions of the minor unit.
Rate = t.Annotated[Decimal, Exact(12)]
#: A key is part of URLs, metadata and Stripe lookup keys, so it is kept plain.
Key = t.Annotated[
    str,
    Text(
        pattern=r"^[a-z][a-z0-9_-]{0,39}$",
        otherwise="is not a key; use up to 40 lower-case letters, digits, '-' and '_', and begin "
        "with a letter",
    ),
]
Currency = t.Annotated[
    str,
    Text(
        pattern=r"^[A-Za-z]{3}$",
        otherwise="is not a currency; write three letters, as 'usd'",
        lower=True,
    ),
]
Title = t.Annotated[str, Text(least=1, most=500)]
#: Rendered as a link, so nothing that runs: no ``javascript:``.
Link = t.Annotated[
    str,
    Text(
        most=500,
        pattern=r"^(https?://|mailto:|/)",
        otherwise="is not a link; begin with https://, mailto: or /",
    ),
]
