"""Templates and the headers every page is sent with."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from werkzeug.wrappers import Request, Response

from flask_billing.sandbox.engine.pricing import money

_TEMPLATES = Environment(
    loader=PackageLoader("flask_billing.sandbox", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


_SELF = "'self'"


def _money(amount: int | Decimal, currency: str) -> str:
    return money(amount, currency)


_TEMPLATES.filters["money"] = _money


def rendered(
    request: Request,
    template: str,
    *,
    status: int = 200,
    leads_to: tuple[str | None, ...] = (),
    **context: object,
) -> Response:
    """A page. ``leads_to`` are the addresses a form on it may redirect to."""
    text = _TEMPLATES.get_template(template).render(root=request.script_root, **context)
    response = Response(text, status=status, content_type="text/html; charset=utf-8")
    origins = sorted({origin for url in leads_to if (origin := _origin(url))})
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action {' '.join([_SELF, *origins])}"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _origin(url: str | None) -> str | None:
    parts = urlsplit(url or "")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def see_other(url: str) -> Response:
    """A 303 to another address."""
    return Response(status=303, headers={"Location": url, "Cache-Control": "no-store"})
