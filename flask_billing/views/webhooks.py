"""The route Stripe posts to."""

from __future__ import annotations

import contextlib
import logging

from flask import Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ClientDisconnected

from .. import clock, config, webhooks
from ..errors import WebhookRejectedError
from ..state import BillingState, state

log = logging.getLogger("flask_billing.webhooks")


def stripe() -> ResponseReturnValue:
    """Take one delivery: 2xx once it is safely kept and processed, 5xx to get it again."""
    current = state()
    app, secrets = current.app, current.stripe.webhook_secrets

    if not secrets:
        log.error(
            "A webhook arrived, but BILLING_STRIPE_WEBHOOK_SECRETS is not set, so none can be "
            "trusted. Copy the endpoint's signing secret (whsec_…) from Stripe's dashboard."
        )
        return {"error": "no webhook secret is configured"}, 503

    try:
        body = _body(app.config["BILLING_WEBHOOK_MAX_BYTES"])
        event = webhooks.verified(
            body,
            request.headers.get("Stripe-Signature"),
            secrets,
            tolerance=app.config["BILLING_WEBHOOK_TOLERANCE"].total_seconds(),
            now=clock.wall_seconds(),
            livemode=config.is_live(app),
        )
    except WebhookRejectedError as error:
        log.warning("Refused a webhook: %s", error)
        return {"error": str(error)}, error.status

    _commit_host_session(current)
    outcome = webhooks.receive(event, body)
    return Response(
        f'{{"outcome":"{outcome}"}}',
        status=500 if outcome == "failed" else 200,
        mimetype="application/json",
    )


def _commit_host_session(current: BillingState) -> None:
    """Keep what the host began before this request from holding our commits back."""
    session = current.db.session

    if session.registry.has():
        session.commit()


def _body(limit: int) -> bytes:
    length = request.content_length

    if length is not None and length > limit:
        raise _too_large(limit)

    # The length may be missing, so no more than one byte too many is ever read. A server may
    # hand a body over in pieces. A known length needs no stream of Werkzeug's to keep to it.
    longest = limit + 1 if length is None else length
    stream = request.stream if length is None else request.environ["wsgi.input"]
    body = b""

    while len(body) < longest and (piece := stream.read(longest - len(body))):
        body += piece

    if len(body) > limit:
        raise _too_large(limit)

    if length is not None and len(body) < length:
        # A hook of the host's may have read it before us, as one that logs requests does.
        with contextlib.suppress(ClientDisconnected):
            return request.get_data()

    return body


def _too_large(limit: int) -> WebhookRejectedError:
    return WebhookRejectedError(f"the body is larger than {limit} bytes", status=413)
