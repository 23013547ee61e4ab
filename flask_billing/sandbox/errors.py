"""What Stripe answers when it refuses, as exceptions that carry status and body."""

from flask_billing.sandbox.body import Body


class SandboxError(Exception):
    """The sandbox itself was used in a way that cannot work."""


class ApiError(Exception):
    """An error answer of the API.

    ``keep`` says that what was done before the error stays done, as with a declined payment:
    the failed attempt is on the invoice. Everything else is rolled back.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        error_type: str = "invalid_request_error",
        keep: bool = False,
        more: Body | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.type = error_type
        self.keep = keep
        self.more = more or {}

    def body(self, request_id: str) -> Body:
        """The ``{"error": ...}`` answer; absent keys are left out, as Stripe does."""
        error: Body = {"message": self.message, "type": self.type}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = f"https://stripe.com/docs/error-codes/{self.code.replace('_', '-')}"
        if self.param is not None:
            error["param"] = self.param
        error.update(self.more)
        error["request_log_url"] = f"https://dashboard.stripe.com/test/logs/{request_id}"
        return {"error": error}


def missing_object(label: str, object_id: str, param: str = "id", status: int = 404) -> ApiError:
    """``No such customer: 'cus_x'``: 404 for the id in a path, 400 for one in the parameters."""
    return ApiError(status, f"No such {label}: '{object_id}'", code="resource_missing", param=param)


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400 ``invalid_request_error``."""
    return ApiError(400, message, param=param, code=code)


def missing_param(param: str) -> ApiError:
    """A required parameter that did not come."""
    return invalid(f"Missing required param: {param}.", param, "parameter_missing")


def unknown_param(param: str) -> ApiError:
    """A parameter the endpoint does not know."""
    return invalid(f"Received unknown parameter: {param}", param, "parameter_unknown")


def not_built(what: str, param: str | None = None) -> ApiError:
    """Something Stripe does and the sandbox does not."""
    return ApiError(404, f"The sandbox does not know {what}; Stripe does.", param=param)
