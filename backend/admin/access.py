"""Who may see the admin's pages: HTTP Basic, compared in constant time, and few attempts a minute."""

import base64
import hashlib
import hmac

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import Request

from backend.problems import Problem, too_many

USER = "admin"
ATTEMPTS = parse("10/minute")


class Guard:
    """Lets in who brings the admin's password; the one dependency of all the admin's routes.

    Args:
        password: the admin's password, not empty.
        attempts: wrong attempts allowed to one client before even the right password has to wait.
    """

    def __init__(self, password: str, attempts: RateLimitItem = ATTEMPTS) -> None:
        if not password:
            raise ValueError("the admin needs a password: without one, anyone could read the figures")
        self._expected = _digest(USER, password)
        self._attempts = attempts
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    async def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            Problem: 401 without the right password, 429 after too many wrong ones.
        """
        header = request.headers.get("authorization")
        if header is None:
            # A browser's first request brings none: no attempt.
            raise _unauthorized("Sign in as 'admin' with the admin's password.")
        client = request.client.host if request.client else "unknown"
        credentials = read_basic(header)
        right = credentials is not None and hmac.compare_digest(_digest(*credentials), self._expected)
        # A right password is held back too once the attempts are used up: else guessing would go on.
        allowed = await (self._limiter.test if right else self._limiter.hit)(self._attempts, client)
        if not allowed:
            stats = await self._limiter.get_window_stats(self._attempts, client)
            raise too_many("attempts", "Too many wrong passwords came from this address.", stats.reset_time)
        if not right:
            raise _unauthorized("Wrong user or password. The user is 'admin'.")


def read_basic(header: str) -> tuple[str, str] | None:
    """User and password of an Authorization header; None if it is not Basic in UTF-8 (RFC 7617)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, separator, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, or not UTF-8 inside
        return None
    return (user, password) if separator else None


def _digest(user: str, password: str) -> bytes:
    # Of one length whatever was sent, so that comparing takes the same time.
    return hashlib.sha256(f"{user}:{password}".encode()).digest()


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401,
        "Admin only",
        detail,
        headers={"WWW-Authenticate": 'Basic realm="Tagalong", charset="UTF-8"'},
    )
