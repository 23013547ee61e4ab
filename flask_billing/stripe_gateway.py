"""The only door to Stripe: requests in, plain dictionaries out, our errors raised.

The SDK is imported at the first call. Each app has one ``StripeClient`` with the API version
pinned, so that an SDK upgrade cannot change what the accessors see. Calls use the client's
``raw_request``: the SDK still signs, retries and maps errors, but builds no typed objects,
which cost six times the request itself. A read of one object, of which every webhook makes one,
is asked of the SDK's transport: what ``raw_request`` formats for its log takes longer than the
object takes to parse. An answer that is no success goes through the SDK all the same.
"""

from __future__ import annotations

import collections.abc as c
import contextlib
import dataclasses
import functools
import json
import threading
import time
import typing as t
import urllib.parse
from datetime import datetime
from email.utils import parsedate_to_datetime

from . import errors
from .decline_reasons import sentence
from .state import BillingState, StripeAccess, state

if t.TYPE_CHECKING:
    import stripe

#: The version the client asks for and webhook endpoints are registered at.
API_VERSION: t.Final = "2026-10-28.endive"

_API: t.Final = "https://api.stripe.com"

#: Seconds to wait, again and again, for another request that has the same idempotency key.
_WAITS: t.Final = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
#: Held while a client is built, so that threads that start together share one.
_building: t.Final = threading.Lock()

StripeObject = dict[str, t.Any]
Params = c.Mapping[str, object]


@dataclasses.dataclass(frozen=True)
class _Sdk:
    """The SDK's client of one app, and what it sends with each request."""

    client: stripe.StripeClient
    transport: stripe.HTTPClient
    headers: c.Mapping[str, str] = dataclasses.field(repr=False)
    retries: int


class Gateway:
    """Calls of one app to Stripe."""

    def __init__(self, current: BillingState) -> None:
        self._state = current

    def get(self, path: str, params: Params | None = None) -> StripeObject:
        """Read one object.

        :raises StripeError: a subclass that says what to do.
        """
        sdk = self._sdk()
        import stripe

        try:
            answer = sdk.transport.request_with_retries(
                "get", _url(path, params), sdk.headers, max_network_retries=sdk.retries
            )

            if answer[1] == 200:
                with contextlib.suppress(ValueError):
                    return t.cast("StripeObject", json.loads(answer[0]))

            return _as_the_sdk_reads(answer)
        except stripe.StripeError as error:
            raise _translated(error) from error

    def list(self, path: str, params: Params | None = None) -> c.Iterator[StripeObject]:
        """Read a list to its end, page by page."""
        query = {"limit": 100, **(params or {})}

        while True:
            page = self._request("get", path, query)
            yield from page["data"]

            if next_page := page.get("next_page_url"):  # of the v2 API
                path, query = next_page, {}
            elif page.get("has_more") and page["data"]:
                query = {**query, "starting_after": page["data"][-1]["id"]}
            else:
                return

    def post(
        self, path: str, params: Params | None = None, *, idempotency_key: str | None = None
    ) -> StripeObject:
        """Create or change something.

        :param idempotency_key: repeats of one key with the same params happen once at Stripe.
            None lets the SDK make a key for its own retries; give one wherever our row can be
            retried later.
        """
        if idempotency_key is None:
            return self._request("post", path, params)

        options = {"idempotency_key": idempotency_key}

        for seconds in _WAITS:
            try:
                return self._request("post", path, params, options)
            except errors.StripeUnreachableError as error:
                if error.code != "idempotency_key_in_use":
                    raise

                # A double click: the other request is at work, and its answer will be ours.
                time.sleep(seconds)

        return self._request("post", path, params, options)

    def server_time(self) -> datetime | None:
        """The time by Stripe's clock, to the second; None where an answer bears no clear date.

        :raises StripeError: where Stripe could not be asked.
        """
        sdk = self._sdk()
        import stripe

        try:
            answer = sdk.transport.request_with_retries(
                "get", _url("/v1/customers", {"limit": 1}), sdk.headers, max_network_retries=1
            )
        except stripe.StripeError as error:
            raise _translated(error) from error

        return _time({name.lower(): value for name, value in answer[2].items()}.get("date"))

    def delete(self, path: str, params: Params | None = None) -> StripeObject:
        """Delete or cancel something."""
        return self._request("delete", path, params)

    def _request(
        self,
        method: str,
        path: str,
        params: Params | None,
        options: c.Mapping[str, str] | None = None,
    ) -> StripeObject:
        sdk = self._sdk()
        import stripe

        try:
            response = sdk.client.raw_request(method, path, **(params or {}), **(options or {}))
        except stripe.StripeError as error:
            raise _translated(error) from error

        return t.cast("StripeObject", response.data)

    def _sdk(self) -> _Sdk:
        access = self._state.stripe

        if access.client is None:
            with _building:
                access.client = access.client or _build_client(self._state, access)

        return t.cast("_Sdk", access.client)


def gateway() -> Gateway:
    """The current app's way to Stripe."""
    current = state()
    found: Gateway | None = current.caches.get("gateway")

    if found is None:
        found = current.caches["gateway"] = Gateway(current)

    return found


def _build_client(current: BillingState, access: StripeAccess) -> _Sdk:
    if not access.api_key:
        raise errors.ConfigError(
            "BILLING_STRIPE_SECRET_KEY is not set, so Stripe cannot be called. Nothing was "
            "charged. Set it (or STRIPE_SECRET_KEY in the environment), or set "
            "BILLING_SANDBOX = True to try everything offline."
        )

    import stripe

    config = current.app.config
    timeout = config["BILLING_STRIPE_TIMEOUT"].total_seconds()
    transport = t.cast(
        "stripe.HTTPClient",
        access.http_client() if access.http_client else stripe.RequestsClient(timeout=timeout),
    )
    client = stripe.StripeClient(
        access.api_key,
        stripe_version=API_VERSION,
        max_network_retries=config["BILLING_STRIPE_RETRIES"],
        http_client=transport,
    )
    headers = {
        "Authorization": f"Bearer {access.api_key}",
        "Stripe-Version": API_VERSION,
        "User-Agent": f"Flask-Billing PythonBindings/{stripe.VERSION}",
    }
    return _Sdk(client, transport, headers, config["BILLING_STRIPE_RETRIES"])


def _time(date: str | None) -> datetime | None:
    """A ``Date`` header's time. Where a proxy adds one of its own it is two, and none is read."""
    try:
        time = None if date is None else parsedate_to_datetime(date)
    except ValueError:
        return None

    return None if time is None or time.tzinfo is None else time


def _url(path: str, params: Params | None) -> str:
    if not params:
        return _API + path

    pairs: list[tuple[str, object]] = []

    for name, value in params.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{index}]", part) for index, part in enumerate(value)]
        else:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else value))

    return f"{_API}{path}?{_query(tuple(pairs))}"


@functools.lru_cache(maxsize=64)
def _query(pairs: tuple[tuple[str, object], ...]) -> str:
    return urllib.parse.urlencode(pairs, safe="[]")


def _as_the_sdk_reads(answer: tuple[str, int, c.Mapping[str, str]]) -> StripeObject:
    """What the SDK makes of an answer: its errors, for the most part."""
    import stripe

    class Answered(stripe.HTTPClient):
        """Gives the answer that came already."""

        name = "answered"

        def request(self, *_request: object, **_options: object) -> t.Any:
            return answer

    client = stripe.StripeClient("sk_unused", max_network_retries=0, http_client=Answered())
    return t.cast("StripeObject", client.raw_request("get", "/v1/answered").data)


def _translated(error: stripe.StripeError) -> errors.StripeError:
    """Our error for the SDK's. Stripe's own text goes into the chain, not to people."""
    ours = _of_our_kind(error)
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    ours.replayed = headers.get("idempotent-replayed") == "true"
    return ours


def _of_our_kind(error: stripe.StripeError) -> errors.StripeError:
    import stripe

    body = error.json_body if isinstance(error.json_body, dict) else {}
    detail: dict[str, t.Any] = body.get("error") or {}
    code = detail.get("code") or error.code
    facts = {"code": code, "param": detail.get("param"), "request_id": error.request_id}
    text = detail.get("message") or "no further reason was given"

    if isinstance(error, stripe.CardError):
        decline_code = detail.get("decline_code")
        return errors.CardDeclinedError(
            sentence(decline_code, code),
            decline_code=decline_code,
            code=code,
            request_id=error.request_id,
        )

    if isinstance(error, stripe.RateLimitError):
        return errors.StripeRateLimitedError(
            "Stripe asked us to slow down. Nothing was charged. Try again in a moment.",
            status=429,
            **facts,
        )

    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        return errors.StripeMisconfiguredError(
            f"Stripe refused the API key ({text}). Nothing was charged. Check "
            "BILLING_STRIPE_SECRET_KEY and what the key may do.",
            status=error.http_status,
            **facts,
        )

    # Below 400 is an answer that is not Stripe's, as of a proxy in between.
    if (
        error.http_status is None
        or error.http_status == 409
        or not (400 <= error.http_status < 500)
    ):
        return errors.StripeUnreachableError(
            "Stripe did not answer. Whether it did the work is not known yet; repeating the "
            "same request cannot do it twice. Try again in a moment.",
            status=error.http_status,
            **facts,
        )

    kind = errors.StripeNotFoundError if error.http_status == 404 else errors.StripeRejectedError
    return kind(
        f"Stripe did not accept the request: {text} Nothing was charged.",
        status=error.http_status,
        **facts,
    )
