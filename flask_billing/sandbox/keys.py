"""API keys: which of them the account knows, and what each may do."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask_billing.sandbox import inferred
from flask_billing.sandbox.body import Body
from flask_billing.sandbox.errors import ApiError, invalid, missing_param
from flask_billing.sandbox.settings import ACCOUNT_ID

_KEY = re.compile(r"^(sk|rk|pk)_test_\w+$")
_CLIENT_SECRET = "client_secret"  # noqa: S105 - a parameter's name
_NAMESPACES = frozenset(["billing", "billing_portal", "checkout", "test_helpers"])


@dataclass(frozen=True)
class ApiKey:
    """A key of the account in test mode."""

    text: str

    @property
    def masked(self) -> str:
        """The key as errors show it."""
        return masked(self.text)

    @property
    def is_publishable(self) -> bool:
        """Browsers have it, so it may do next to nothing."""
        return self.text.startswith("pk_")

    @property
    def is_restricted(self) -> bool:
        """It may do what its permissions say."""
        return self.text.startswith("rk_")

    def check_permissions(
        self, method: str, parts: tuple[str, ...], permissions: Mapping[str, frozenset[str]]
    ) -> None:
        """Refuse a restricted key that lacks the endpoint's permission; write includes read.

        A key that ``permissions`` does not name may do everything.
        """
        granted = permissions.get(self.text)

        if not self.is_restricted or granted is None:
            return

        resource = _resource(parts)
        write = f"{resource}_write"
        wanted = f"{resource}_read" if method == "GET" else write

        if not granted & {wanted, write}:
            raise ApiError(
                403,
                f"The provided key '{self.masked}' does not have the required permissions for "
                f"this endpoint on account '{ACCOUNT_ID}'. Having the 'rak_{wanted}' permission "
                "would allow this request to continue.",
            )

    def check_publishable(self, method: str, parts: tuple[str, ...], params: Body) -> Body:
        """Refuse a publishable key what browsers may not do; the parameters without the secret.

        An intent is open to it with its client secret, which `check_client_secret` compares.
        """
        if not self.is_publishable:
            return params

        if (method, "/".join(parts)) not in inferred.PUBLISHABLE:
            raise ApiError(
                401,
                "This API call cannot be made with a publishable API key. Please use a secret API "
                "key. You can find a list of your API keys at "
                "https://dashboard.stripe.com/account/apikeys.",
                code="secret_key_required",
            )

        if "{id}" not in parts:
            return params

        if not params.get(_CLIENT_SECRET):
            raise missing_param(_CLIENT_SECRET)

        return {name: value for name, value in params.items() if name != _CLIENT_SECRET}


def check_client_secret(intent: Body | None, given: object) -> None:
    """Refuse a client secret that is not the intent's own."""
    if intent is not None and intent.get(_CLIENT_SECRET) != given:
        raise invalid(
            "The client_secret provided does not match the client_secret associated with "
            f"'{intent['id']}'.",
            _CLIENT_SECRET,
        )


def read_key(authorization: str | None) -> ApiKey:
    """The key of a request, from Bearer or Basic auth; 401 without one of the test mode."""
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
        raise ApiError(401, f"Invalid API Key provided: {masked(credentials)}")

    return ApiKey(credentials)


def masked(text: str) -> str:
    """A key of which only the beginning and the last four characters can be read."""
    return f"{text[:8]}{'*' * max(len(text) - 12, 4)}{text[-4:]}"


def _resource(parts: tuple[str, ...]) -> str:
    """What an endpoint is about, in the words of permissions: ``checkout_session``."""
    names = parts[1:3] if parts[1] in _NAMESPACES else parts[1:2]
    return "_".join(names).removesuffix("s")
