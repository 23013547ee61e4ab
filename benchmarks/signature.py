"""Signature and parse of a webhook, beside the least that could do it.

    .venv/bin/python benchmarks/signature.py [--rounds N]

The least is one HMAC, one comparison and ``json.loads``. Stripe's ``construct_event`` also
builds typed objects, which nothing here needs.
"""

from __future__ import annotations

import argparse
import collections.abc as c
import hmac
import json
import sys
import time
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import rounds
import stripe
from rounds import Target
from stream import SECRET, Life, sign

from flask_billing.webhooks.verify import verified

TARGET: t.Final = Target("≤", 1.25)
CALLS_A_ROUND: t.Final = 300
SIZES: t.Final = (3000, 12_000)


def main() -> None:
    """Measure at each size."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=41)
    options = parser.parse_args()

    for size in SIZES:
        measure(delivery(size), options.rounds)


def delivery(size: int) -> bytes:
    """The body of an event of about that many bytes, indented as Stripe's are."""
    life = Life(1)
    month = life.live_a_month()
    found = month[-2] if size < 5000 else month[3]  # a customer's, an invoice's
    event = found.event

    while len(json.dumps(event, indent=2)) < size:
        lines = event["data"]["object"].get("lines", {}).get("data")

        if lines:
            lines.append(lines[0])
        else:
            metadata = event["data"]["object"]["metadata"]
            metadata[f"more_{len(metadata)}"] = "a value the host keeps"

    return json.dumps(event, indent=2).encode()


def measure(body: bytes, count: int) -> None:
    """Run the rounds for one body and print what came out."""
    moment = int(time.time())
    header = sign(body.decode(), moment=moment)
    kilobytes = f"{len(body) / 1000:.1f} kB"

    def ours() -> None:
        verified(body, header, (SECRET,), tolerance=300, now=moment, livemode=False)

    def least() -> None:
        signature = header.partition("v1=")[2]
        signed = f"{moment}.".encode() + body
        assert hmac.compare_digest(hmac.digest(SECRET.encode(), signed, "sha256").hex(), signature)
        json.loads(body)

    def typed() -> None:
        stripe.Webhook.construct_event(body, header, SECRET, tolerance=3600)

    seconds = rounds.interleave(
        {"ours": timed(ours), "least": timed(least), "typed": timed(typed, calls=20)}, count
    )
    label = f"{kilobytes}: verified() / hmac and json.loads"
    rounds.ratio(label, seconds["ours"], seconds["least"], TARGET)
    rounds.ratio(f"{kilobytes}: construct_event / the same", seconds["typed"], seconds["least"])
    rounds.absolute("verified()", seconds["ours"])


def timed(call: c.Callable[[], None], calls: int = CALLS_A_ROUND) -> rounds.Run:
    """Make a contender of a call."""

    def run() -> float:
        began = time.perf_counter()

        for _ in range(calls):
            call()

        return (time.perf_counter() - began) / calls

    return run


if __name__ == "__main__":
    main()
