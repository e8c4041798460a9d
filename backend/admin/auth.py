"""Who may see the admin's pages: HTTP Basic, compared in constant time, and few attempts a minute."""

import asyncio
import base64
import hmac
import secrets
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from limits import RateLimitItem
from starlette.requests import Request

from backend.settings import ARGON2_PREFIX
from backend.web.clients import CLIENT_LIMIT, AttemptLimiter, client_of
from backend.web.problems import Problem

USER = "admin"


class Password:
    """The admin's password, known in plain or only as its argon2 hash.

    A hash takes tens of milliseconds and megabytes to verify, on purpose. A scraper brings the same password every few
    seconds, so a digest of the last right one is kept, keyed by a secret that dies with the process.

    Args:
        password: the password, or its hash as `tagalong-server hash-password` prints it.
    """

    def __init__(self, password: str) -> None:
        if not password:
            raise ValueError("the admin needs a password: without one, anyone could read the figures")
        self._key = secrets.token_bytes(32)
        self._hash = password if password.startswith(ARGON2_PREFIX) else None
        self._known = None if self._hash else self._digest(password)

    def is_known(self, given: str) -> bool:
        """Whether it is certainly right, at no cost; a hash knows no password before it has verified one."""
        return self._known is not None and hmac.compare_digest(self._digest(given), self._known)

    async def verify(self, given: str) -> bool:
        """Whether it is right, by the hash if there is one; off the event loop, which others need."""
        if self.is_known(given):
            return True
        if self._hash is None or not await asyncio.to_thread(_matches, self._hash, given):
            return False
        self._known = self._digest(given)
        return True

    def _digest(self, given: str) -> bytes:
        # Of one length whatever was sent, so that comparing takes the same time.
        return hmac.digest(self._key, given.encode(), "sha256")


class Guard:
    """Lets in who brings the admin's password; the one dependency of all the admin's routes.

    Args:
        password: the admin's password or its hash, not empty.
        attempts: wrong attempts allowed to one client (a /64 of IPv6) before even the right password has to wait.
        on_refused: told the address of every wrong attempt that was allowed.
    """

    def __init__(
        self,
        password: str,
        attempts: RateLimitItem = CLIENT_LIMIT,
        on_refused: Callable[[str], None] = lambda client: None,
    ) -> None:
        self._password = Password(password)
        self._attempts = AttemptLimiter("passwords", attempts)
        self._on_refused = on_refused
        # Of many guesses at once, each waits for the one before: their count is right, and one core is busy at most.
        self._one_by_one = asyncio.Lock()

    async def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            Problem: 401 without the right password, 429 after too many wrong ones.
        """
        header = request.headers.get("authorization")
        if header is None:
            # A browser's first request brings none: no attempt.
            raise _unauthorized("Sign in as 'admin' with the admin's password.")
        client = client_of(request.scope)
        user, given = read_basic(header) or ("", "")
        if hmac.compare_digest(user.encode(), USER.encode()) and self._password.is_known(given):
            await self._let_in(client)
            return
        await self._attempts.wait_for_turn(client)
        async with self._one_by_one:
            await self._attempts.check(client)
            if user == USER and await self._password.verify(given):
                self._attempts.record_success(client)
                return
            await self._attempts.record_failure(client)
        self._on_refused(request.client.host if request.client else "unknown")
        raise _unauthorized("Wrong user or password. The user is 'admin'.")

    async def _let_in(self, client: str) -> None:
        # The right password is held back too once a client's attempts are used up: else guessing would go on.
        await self._attempts.check(client)
        await self._attempts.wait_for_turn(client)
        self._attempts.record_success(client)


def hash_password(password: str) -> str:
    """The argon2id hash of a password, with the parameters of RFC 9106 for little memory (argon2-cffi's own)."""
    return PasswordHasher().hash(password)


def _matches(hashed: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


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


def _unauthorized(detail: str) -> Problem:
    return Problem(
        401,
        "Admin only",
        detail,
        headers={"WWW-Authenticate": 'Basic realm="Tagalong", charset="UTF-8"'},
    )
