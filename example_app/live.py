"""Writing live: the text goes out as it is made, and only what went out is paid.

The cost is known when the stream ends. So an estimate is held, which nobody else can spend in
the meantime, and what was really sent is settled, also when the reader closes the page.
"""

from __future__ import annotations

import collections.abc as c
import time

from flask import Blueprint, Response, current_app, request, stream_with_context

from . import generator, writer
from .auth import login_required
from .extensions import billing

bp = Blueprint("live", __name__)

#: Seconds a paragraph takes, so that there is something to watch.
PACE = 0.25
#: Seconds the longest text takes.
LONGEST = 20.0


@bp.post("/generate/live")
@login_required
@billing.metered("api_calls")
def generate() -> Response:
    """Stream a text, paragraph by paragraph."""
    topic, size = generator.asked()
    key = generator.key_for(topic, size)
    text = writer.write(topic, size, key)
    pace = 0.0 if current_app.testing else min(PACE, LONGEST / len(text.paragraphs))

    def paragraphs() -> c.Iterator[str]:
        for paragraph in text.paragraphs:
            yield f"{paragraph}\n\n"
            time.sleep(pace)

        generator.keep(topic, size, key, text, tokens=sum(map(_cost, text.paragraphs)))

    stream = billing.metered_stream(
        "tokens",
        size.tokens * 5 // 4,
        stream_with_context(paragraphs()),
        cost=_cost,
        key=f"live:{key}"[:255],
        provider="linnet",
        model="linnet-1-live",
        endpoint=request.path,
    )
    return Response(stream, mimetype="text/plain", headers={"X-Accel-Buffering": "no"})


def _cost(paragraph: str) -> int:
    return writer.tokens_of(len(paragraph.split()))
