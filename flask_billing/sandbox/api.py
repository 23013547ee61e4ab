"""The API's front door: key, route, contract, idempotency, faults, and the answer."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass, field

from flask_billing.sandbox import clock, idempotency, resources
from flask_billing.sandbox.account import Account, Cause
from flask_billing.sandbox.body import Body, copy_of, dumps
from flask_billing.sandbox.contract import read_params
from flask_billing.sandbox.engine.preview import PreviewTaken
from flask_billing.sandbox.engine_room import EngineRoom
from flask_billing.sandbox.errors import ApiError, invalid, unknown_param
from flask_billing.sandbox.expand import expanded
from flask_billing.sandbox.ids import new_id
from flask_billing.sandbox.router import Call, Endpoint, match
from flask_billing.sandbox.settings import API_VERSION
from flask_billing.sandbox.wire import decode_form

_KEY = re.compile(r"^(sk|rk)_test_\w+$")
_MAX_BODY = 2**20


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
        self._in_flight: set[str] = set()
        self._guard = threading.Lock()

    def answer(
        self, method: str, path: str, query: str, form: str, headers: dict[str, str]
    ) -> tuple[Answer, Request]:
        """Do one request. ``headers`` have lower-case names; never raises an `ApiError`."""
        request_id = new_id("req")
        key = headers.get("idempotency-key") if method == "POST" else None
        params: Body = {}
        try:
            _check_key(headers.get("authorization"))
            if len(form) > _MAX_BODY:
                raise ApiError(413, "The request is too large.")
            params = decode_form(form if method == "POST" else query)
            if method == "POST" and query:
                params = {**decode_form(query), **params}
            answer = self._routed(method, path, params, key, request_id)
        except ApiError as error:
            answer = Answer(error.status, dumps(error.body(request_id)))
        answer.headers.setdefault("Request-Id", request_id)
        answer.headers["Stripe-Version"] = API_VERSION
        if key:
            answer.headers["Idempotency-Key"] = key
        return answer, Request(method, path, params, key, answer.status, request_id)

    def _routed(
        self, method: str, path: str, params: Body, key: str | None, request_id: str
    ) -> Answer:
        found = match(method, path)
        if found is None:
            raise ApiError(
                404,
                f"Unrecognized request URL ({method}: {path}). The sandbox knows the endpoints of "
                "Stripe that Flask-Billing uses; this is none of them.",
            )
        endpoint, ids = found
        if not key:
            return self._done(endpoint, ids, path, params, None, request_id)
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
                    earlier = idempotency.recall(account.connection, key, print_, account.now)
                    if earlier is not None:
                        return _replayed(earlier)
                answer = _handled(account, endpoint, ids, path, params, request_id)
                if key:
                    idempotency.remember(
                        account.connection,
                        key,
                        print_,
                        account.now,
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
            idempotency.remember(connection, key, print_, clock.read(connection), replay)
        return answer


def _handled(
    account: Account,
    endpoint: Endpoint,
    ids: tuple[str, ...],
    path: str,
    params: Body,
    request_id: str,
) -> Answer:
    call = Call(endpoint.method, path, _checked(endpoint, params), ids, _expand_of(params))
    try:
        body = endpoint.handler(account, call)
    except ApiError as error:
        if not error.keep:
            raise
        return Answer(error.status, dumps(error.body(request_id)))
    shown = body if body.get("object") == "list" or "deleted" in body else account.show(body)
    if call.expand:
        shown = expanded(account, copy_of(shown), call.expand)
    return Answer(200, dumps(shown))


def _checked(endpoint: Endpoint, params: Body) -> Body:
    if endpoint.contract is None:
        for name in params:
            if name != "expand":
                raise unknown_param(name)
        return params
    return read_params(endpoint.contract, params)


def _expand_of(params: Body) -> list[str]:
    paths = params.get("expand") or []
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise invalid("Invalid array", "expand")
    return paths


def _replayed(earlier: idempotency.Replay) -> Answer:
    return Answer(
        earlier.status,
        earlier.body,
        {"Idempotent-Replayed": "true", "Original-Request": earlier.request_id},
    )


def _check_key(authorization: str | None) -> None:
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        try:
            credentials = base64.b64decode(credentials).decode().partition(":")[0]
        except ValueError:
            credentials = ""
    credentials = credentials.strip()
    if not credentials:
        raise ApiError(
            401,
            "You did not provide an API key. You need to provide your API key in the Authorization "
            "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        )
    if not _KEY.match(credentials):
        prefix, last4 = credentials[:8], credentials[-4:]
        stars = "*" * max(len(credentials) - 12, 4)
        raise ApiError(401, f"Invalid API Key provided: {prefix}{stars}{last4}")
