"""The route Stripe posts to."""

from __future__ import annotations

import logging

from flask import Response, current_app, request
from flask.typing import ResponseReturnValue

from .. import clock, config, webhooks
from ..errors import WebhookRejectedError
from ..state import state

log = logging.getLogger("flask_billing.webhooks")


def stripe() -> ResponseReturnValue:
    """Take one delivery: 2xx once it is safely kept and processed, 5xx to get it again."""
    secrets = state().stripe.webhook_secrets

    if not secrets:
        log.error(
            "A webhook arrived, but BILLING_STRIPE_WEBHOOK_SECRETS is not set, so none can be "
            "trusted. Copy the endpoint's signing secret (whsec_…) from Stripe's dashboard."
        )
        return {"error": "no webhook secret is configured"}, 503

    try:
        body = _body()
        event = webhooks.verified(
            body,
            request.headers.get("Stripe-Signature"),
            secrets,
            tolerance=current_app.config["BILLING_WEBHOOK_TOLERANCE"].total_seconds(),
            now=clock.wall_seconds(),
            livemode=config.is_live(current_app),
        )
    except WebhookRejectedError as error:
        log.warning("Refused a webhook: %s", error)
        return {"error": str(error)}, error.status

    _commit_host_session()
    outcome = webhooks.receive(event, body)
    return Response(
        f'{{"outcome":"{outcome}"}}',
        status=500 if outcome == "failed" else 200,
        mimetype="application/json",
    )


def _commit_host_session() -> None:
    """Keep what the host began before this request from holding our commits back."""
    session = state().db.session

    if session.registry.has():
        session.commit()


def _body() -> bytes:
    limit: int = current_app.config["BILLING_WEBHOOK_MAX_BYTES"]
    length = request.content_length
    too_large = WebhookRejectedError(f"the body is larger than {limit} bytes", status=413)

    if length is not None and length > limit:
        raise too_large

    # The length may be missing, so no more than one byte too many is ever read. A server may
    # hand a body over in pieces.
    longest = limit + 1 if length is None else length
    stream = request.stream
    body = b""

    while len(body) < longest and (piece := stream.read(longest - len(body))):
        body += piece

    if len(body) > limit:
        raise too_large

    return body
