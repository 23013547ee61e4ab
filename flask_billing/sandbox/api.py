"""The API's front door: key, route, contract, idempotency, faults, and the answer."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass, field

from flask_billing.sandbox import idempotency, resources, unbuilt
from flask_billing.sandbox.account import Account, Cause
from flask_billing.sandbox.body import Body, copy_of, dumps
from flask_billing.sandbox.contract import read_params
from flask_billing.sandbox.engine.preview import PreviewTaken
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError, invalid
from flask_billing.sandbox.expand import expanded
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.keys import ApiKey, check_client_secret, read_key
from flask_billing.sandbox.rate import RateLimit
from flask_billing.sandbox.resources import card_data, test_clocks
from flask_billing.sandbox.router import Call, Endpoint, match
from flask_billing.sandbox.settings import ACCOUNT_ID, API_VERSION
from flask_billing.sandbox.wire import decode_form, decode_json, entries, readable

_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_MAX_BODY = 2**20
_VERSION = re.compile(r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One request the API received, as `sandbox.requests` shows it."""

    method: str
    path: str
    params: Body
    idempotency_key: str | None
    status: int
    request_id: str
    error: str | None = None


@dataclass
class Answer:
    """Status, JSON text and headers of an answer."""

    status: int
    text: str
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """Answers API requests one at a time."""

    def __init__(self, room: EngineRoom) -> None:
        resources.register()
        self._room = room
        self._rate = RateLimit()
        self._in_flight: set[str] = set()
        self._guard = threading.Lock()

    def answer(
        self, method: str, path: str, query: str, form: bytes, headers: dict[str, str]
    ) -> tuple[Answer, Request]:
        """Do one request. ``headers`` have lower-case names; never raises."""
        request_id = new_id("req")
        key = headers.get("idempotency-key") if method == "POST" else None
        params: Body = {}
        try:
            api_key = read_key(headers.get("authorization"))
            _check_headers(api_key, headers)
            self._rate.count(self._room.settings.requests_per_second)
            # Before the body is read: what is not there may speak JSON, as the v2 API does.
            found = match(method, path)
            content_type = _JSON if path.startswith("/v2/") else _FORM
            params = _params(method, query, form, headers.get("content-type", ""), content_type)
            answer = self._keyed(api_key, found, method, path, params, key, request_id)
        except ApiError as error:
            answer = Answer(error.status, dumps(error.body(request_id)))
        except Exception:
            # A defect of the sandbox. The app meets what it would meet of Stripe's own.
            logger.exception("The sandbox failed to answer %s %s (%s)", method, path, request_id)
            answer = _internal_error(request_id)
        answer.headers.setdefault("Request-Id", request_id)
        answer.headers["Stripe-Version"] = API_VERSION
        if key:
            answer.headers["Idempotency-Key"] = key
            answer.headers.setdefault("Original-Request", request_id)
        shown = readable(params)
        return answer, Request(method, path, shown, key, answer.status, request_id)

    def _keyed(
        self,
        api_key: ApiKey,
        found: tuple[Endpoint, tuple[str, ...]],
        method: str,
        path: str,
        params: Body,
        key: str | None,
        request_id: str,
    ) -> Answer:
        endpoint, ids = found
        api_key.check_permissions(method, endpoint.parts, self._room.settings.restricted_keys)
        secret = params.get("client_secret")
        params = api_key.check_publishable(method, endpoint.parts, params)
        if api_key.is_publishable and ids:
            with self._room.account() as account:
                check_client_secret(account.anything(ids[0]), secret)
        if not key:
            return self._done(endpoint, ids, path, params, None, request_id)
        idempotency.check_length(key)
        with self._guard:
            if key in self._in_flight:
                raise idempotency.in_flight(key)
            self._in_flight.add(key)
        try:
            return self._done(endpoint, ids, path, params, key, request_id)
        finally:
            with self._guard:
                self._in_flight.discard(key)

    def _done(
        self,
        endpoint: Endpoint,
        ids: tuple[str, ...],
        path: str,
        params: Body,
        key: str | None,
        request_id: str,
    ) -> Answer:
        print_ = idempotency.fingerprint(endpoint.method, path, params) if key else ""
        try:
            with self._room.account(Cause(request_id, key)) as account:
                if key:
                    earlier = idempotency.recall(account.connection, key, print_)
                    if earlier is not None:
                        return _replayed(earlier)
                answer = _handled(account, endpoint, ids, path, params, request_id)
                if key:
                    idempotency.remember(
                        account.connection,
                        key,
                        print_,
                        idempotency.Replay(answer.status, answer.text, request_id),
                    )
                return answer
        except PreviewTaken as preview:
            return Answer(200, dumps(preview.body))
        except ApiError as error:
            if key and error.status == 402:
                return self._refused(error, key, print_, request_id)
            raise

    def _refused(self, error: ApiError, key: str, print_: str, request_id: str) -> Answer:
        """A decline whose work was rolled back: nothing remains but the answer to its key."""
        answer = Answer(error.status, dumps(error.body(request_id)))
        replay = idempotency.Replay(answer.status, answer.text, request_id)
        with self._room.store.transaction() as connection:
            idempotency.remember(connection, key, print_, replay)
        return answer


def _handled(
    account: Account,
    endpoint: Endpoint,
    ids: tuple[str, ...],
    path: str,
    params: Body,
    request_id: str,
) -> Answer:
    params = card_data.minted(account, endpoint.contract, params)
    call = Call(
        endpoint.method, path, read_params(endpoint.contract, params), ids, _expand_of(params)
    )
    unbuilt.refuse(endpoint.contract, call.params)
    test_clocks.follow_named(account, call)
    try:
        body = endpoint.handler(account, call)
    except ApiError as error:
        if not error.keep:
            raise
        return Answer(error.status, dumps(error.body(request_id)))
    shown = (
        body if body.get("object", "list") == "list" or "deleted" in body else account.show(body)
    )
    if call.expand:
        shown = expanded(account, copy_of(shown), call.expand)
    return Answer(200, dumps(shown))


def _expand_of(params: Body) -> list[str]:
    found = params.get("expand", {})
    paths = [("0", found)] if isinstance(found, str) else entries(found)
    if paths is None or not all(isinstance(path, str) for _, path in paths):
        raise invalid("Invalid array", "expand")
    return [path for _, path in paths]


def _params(method: str, query: str, form: bytes, content_type: str, expected: str) -> Body:
    """The parameters: of the query, and of the form or JSON where the method has such."""
    if len(form) > _MAX_BODY:
        raise ApiError(413, "The request is too large.")
    if method == "GET" or not form:
        return decode_form(query)
    if content_type and content_type.partition(";")[0].strip().lower() != expected:
        raise invalid(f"Invalid request (check that your POST content type is {expected}).")
    try:
        text = form.decode()
    except UnicodeDecodeError:
        raise invalid("Invalid request: the form is not UTF-8.") from None
    decode = decode_json if expected == _JSON else decode_form
    return {**decode_form(query), **decode(text)}


def _check_headers(api_key: ApiKey, headers: dict[str, str]) -> None:
    version = headers.get("stripe-version")
    if version and not _VERSION.match(version):
        raise invalid(f"Invalid Stripe API version: {version}")
    if version and version != API_VERSION:
        raise invalid(
            f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION} only."
        )
    account = headers.get("stripe-account")
    if account and account != ACCOUNT_ID:
        raise ApiError(
            403,
            f"The provided key '{api_key.masked}' does not have access to account '{account}' (or "
            "that account does not exist). Application access may have been revoked.",
            code="account_invalid",
        )


def _internal_error(request_id: str) -> Answer:
    error = ApiError(500, "The sandbox failed; its log says why.", error_type="api_error")
    return Answer(500, dumps(error.body(request_id)))


def _replayed(earlier: idempotency.Replay) -> Answer:
    return Answer(
        earlier.status,
        earlier.body,
        {"Idempotent-Replayed": "true", "Original-Request": earlier.request_id},
    )
