"""The front page of a sandbox that runs alone."""

from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.pages.render import rendered


def show(room: EngineRoom, request: Request) -> Response:
    """Say what this is."""
    return rendered(
        request,
        "message.html",
        title="Stripe sandbox",
        text="This offline Stripe answers API requests under /v1 and shows its hosted Checkout "
        "pages to people. Point stripe-python's base address here.",
    )
