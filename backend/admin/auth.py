"""Authentication of the admin: HTTP Basic, compared in constant time, with few attempts a minute."""

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

    A hash takes tens of milliseconds and megabytes to verify, on purpose. A scraper sends the same password every few
    seconds, so a digest of the last right one is kept, keyed by a secret that ends with the process.

    Args:
        password: the password, or its hash as `tagalong-server hash-password` prints it.
    """

    def __init__(self, password: str) -> None:
        if not password:
            raise ValueError("the admin needs a password: without one, anyone could read the figures")
        self._key = secrets.token_bytes(32)
        self._hash = password if password.startswith(ARGON2_PREFIX) else None
        self._known = None if self._hash else self._digest(password)

    def is_known(self, password: str) -> bool:
        """Return whether a password is known to be right, at no cost; with a hash, only once one has been verified."""
        return self._known is not None and hmac.compare_digest(self._digest(password), self._known)

    async def verify(self, password: str) -> bool:
        """Return whether a password is right, by the hash if there is one; off the event loop, which others need."""
        if self.is_known(password):
            return True
        if self._hash is None or not await asyncio.to_thread(_matches_hash, self._hash, password):
            return False
        self._known = self._digest(password)
        return True

    def _digest(self, password: str) -> bytes:
        # Of the same length whatever was sent, so that comparing takes constant time.
        return hmac.digest(self._key, password.encode(), "sha256")


class AdminAuth:
    """Requires the admin's password; the one dependency of all the admin's routes.

    Args:
        password: the admin's password or its hash, not empty.
        attempts: wrong attempts allowed to one client (a /64 of IPv6) before even the right password has to wait.
        on_refused: called with the address of every wrong attempt that was allowed.
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
        # Guesses made at the same time are checked one by one: their count is right, and at most one core is busy.
        self._one_by_one = asyncio.Lock()

    async def __call__(self, request: Request) -> None:
        """Let the request pass if it has the right password.

        Raises:
            Problem: 401 without the right password, 429 after too many wrong ones.
        """
        header = request.headers.get("authorization")
        if header is None:
            # A browser's first request has none; it is no attempt.
            raise _unauthorized("Sign in as 'admin' with the admin's password.")
        client = client_of(request.scope)
        user, password = parse_basic(header) or ("", "")
        if hmac.compare_digest(user.encode(), USER.encode()) and self._password.is_known(password):
            await self._admit(client)
            return
        await self._attempts.wait_for_turn(client)
        async with self._one_by_one:
            await self._attempts.check(client)
            if user == USER and await self._password.verify(password):
                self._attempts.record_success(client)
                return
            await self._attempts.record_failure(client)
        self._on_refused(request.client.host if request.client else "unknown")
        raise _unauthorized("Wrong user or password. The user is 'admin'.")

    async def _admit(self, client: str) -> None:
        # Once a client has used up its attempts the right password has to wait, too: else guessing could go on.
        await self._attempts.check(client)
        await self._attempts.wait_for_turn(client)
        self._attempts.record_success(client)


def hash_password(password: str) -> str:
    """Return the argon2id hash of a password, with the parameters of RFC 9106 for little memory (argon2-cffi's own)."""
    return PasswordHasher().hash(password)


def _matches_hash(hashed: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(hashed, password)
    except (Argon2Error, InvalidHashError):
        return False


def parse_basic(header: str) -> tuple[str, str] | None:
    """Return the user and password of an Authorization header; None if it is not Basic in UTF-8 (RFC 7617)."""
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
