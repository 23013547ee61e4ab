"""How many requests a second the account may make."""

import threading
import time
from collections import deque

from flask_billing.sandbox.errors import ApiError


class RateLimit:
    """Counts the requests of the last second, by the wall clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: deque[float] = deque()

    def count(self, per_second: int | None) -> None:
        """Count a request; the one too many is a 429 and counts for nothing."""
        if per_second is None:
            return

        now = time.monotonic()

        with self._lock:
            while self._times and self._times[0] <= now - 1:
                self._times.popleft()

            if len(self._times) < per_second:
                self._times.append(now)
                return

        raise ApiError(
            429,
            "Testmode request rate limit exceeded, the rate limits in testmode are lower than "
            "livemode. You can learn more about rate limits here "
            "https://stripe.com/docs/rate-limits.",
            code="rate_limit",
        )
