"""The gate: what every request must pass before any route sees it.

A service on a person's own machine can be reached by any web page that the person opens: by a form or a
fetch to 127.0.0.1, or by a host name that was rebound to it. So a foreign Host is refused, and so is a write
that a web page sends which is not ours. An extension's requests carry its own origin and pass.
"""

import hmac
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web.clients import Attempts, client_of
from backend.web.problems import Problem, too_many

# Of these headers a request has one at most.
SINGLE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"origin",
        b"sec-fetch-site",
    }
)

# A name, or an address of IPv6 in brackets, and perhaps a port.
HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
EXTENSION_SCHEMES = frozenset({"chrome-extension", "moz-extension", "safari-web-extension"})

# Requests to /api that are being answered at the same time. More would only wait for each other: where an event is
# stored in 2 ms, the last of these waits half a second. The line before the classifier is `suggestions.line`.
MOST_AT_ONCE = 256

# What all requests that are being received and answered may have of bodies together, and the part of it that is for
# bodies larger than ordinary ones. Bytes.
BODIES_LIMIT = 64 << 20
LARGE_BODIES_LIMIT = 48 << 20

# A draft of 50,000 characters, each escaped in JSON as two \\uXXXX, and room to spare. Bytes.
BODY_LIMIT = 1 << 20


@dataclass(frozen=True)
class Rules:
    """What the gate asks for.

    Attributes:
        allowed_hosts: names that the Host header may hold; ``*`` allows any.
        rate_limit: requests to /api a minute and client; 0 is no limit.
        api_key: what requests to /api must bring as a bearer token; empty is open to all.
        body_limits: largest body in bytes, by path, where it is not ``BODY_LIMIT``.
    """

    allowed_hosts: frozenset[str]
    rate_limit: int
    api_key: str
    body_limits: Mapping[str, int]


class Gate:
    """ASGI middleware that refuses what no route should see, each refusal a problem."""

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app = app
        self.rules = rules
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(max(rules.rate_limit, 1))
        self._attempts = Attempts("API keys")
        self._bodies = Bodies()
        self._at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self._check_and_pass_on(scope, receive, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody waits for an answer

    async def _check_and_pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        limited = scope["path"].startswith("/api/")
        if limited:
            # Before any check, since under a flood even those would take the time that answers need.
            self._check_load()
        headers = Headers(scope=scope)
        largest = self.rules.body_limits.get(scope["path"], BODY_LIMIT)
        check_repetition(headers)
        self._check_host(headers, scope["http_version"])
        if scope["method"] in WRITES:
            check_origin(headers)
            check_content_type(headers)
            check_content_length(headers, largest)
        if limited:
            client = client_of(scope)
            await self._check_key(headers, client)
            await self._check_rate(client)
        if scope["method"] not in WRITES:
            largest = 0
        async with self._bodies.read(receive, largest) as receive_whole:
            if limited:
                # Whoever sends slowly is not being answered yet.
                self._check_load()
            self._at_once += limited
            try:
                await self.app(scope, receive_whole, send)
            finally:
                self._at_once -= limited

    def _check_load(self) -> None:
        if self._at_once >= MOST_AT_ONCE:
            raise overloaded("More requests wait than can be answered in time; nothing was stored.")

    def _check_host(self, headers: Headers, http_version: str) -> None:
        host = hostname(headers.get("host", ""))
        if not host and ("host" in headers or http_version != "1.0"):
            raise Problem(400, "Host needed", "The Host header must name one host, as RFC 9110, 7.2 has it.")
        if "*" not in self.rules.allowed_hosts and host not in self.rules.allowed_hosts:
            raise Problem(
                400,
                "Foreign host",
                "This service does not answer under that host name. Whoever runs it can add the name to "
                "TAGALONG_ALLOWED_HOSTS.",
            )

    async def _check_key(self, headers: Headers, client: str) -> None:
        if not self.rules.api_key:
            return
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode()
        if scheme.lower() == "bearer" and hmac.compare_digest(given, self.rules.api_key.encode()):
            # Whoever has the key is not held back by others behind the same address who have not.
            self._attempts.succeed(client)
            return
        if "authorization" in headers:
            await self._attempts.check_all(client)
            await self._attempts.fail(client)
        raise Problem(
            401,
            "API key needed",
            "This service is closed: send its key as 'Authorization: Bearer KEY'.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    async def _check_rate(self, client: str) -> None:
        if not self.rules.rate_limit:
            return
        if await self._limiter.hit(self._limit, client):
            return
        stats = await self._limiter.get_window_stats(self._limit, client)
        raise too_many("requests", f"More than {self.rules.rate_limit} requests in a minute.", stats.reset_time)


def hostname(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets; empty if it is not one host."""
    host = host.lower()
    if not HOST.fullmatch(host):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # no address of IPv6
        return ""


def check_repetition(headers: Headers) -> None:
    """Refuse a request that has a header twice of which there can be one.

    A proxy may go by the first one and we by the last (RFC 9110, 5.3).
    """
    names = [name for name, _ in headers.raw]
    for name in names:
        if name in SINGLE and names.count(name) > 1:
            raise Problem(400, "Repeated header", f"The request has more than one {name.decode()} header. Send one.")


def check_origin(headers: Headers) -> None:
    """Refuse a write that a web page of another origin sends."""
    origin = headers.get("origin")
    if origin is None:
        # Browsers that leave Origin out still say whether the request crosses sites.
        foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    else:
        scheme, separator, place = origin.lower().partition("://")
        own = bool(separator) and place == headers.get("host", "").lower()
        foreign = not own and not (separator and scheme in EXTENSION_SCHEMES)
    if foreign:
        raise Problem(
            403,
            "Foreign origin",
            "A web page may not write here. The extension and this service's own pages may.",
        )


def check_content_type(headers: Headers) -> None:
    """Refuse a body that is not JSON: a form of another site could send those without asking first."""
    has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    if not has_body:
        return
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "JSON only", "Send the body as JSON, with 'Content-Type: application/json'.")


def check_content_length(headers: Headers, largest: int) -> None:
    """Refuse a body that says itself that it is too large, before reading it."""
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > largest:
        raise too_large(largest)


def too_large(largest: int) -> Problem:
    """The answer to a body of more than ``largest`` bytes."""
    return Problem(
        413,
        "Body too large",
        f"The body may have {largest:,} bytes at most.",
        headers={"Connection": "close"},
    )


def overloaded(detail: str, headers: Mapping[str, str] | None = None) -> Problem:
    """Return the answer to a request for which there is no room now."""
    return Problem(
        503,
        "Overloaded",
        f"{detail} Send the same request again in a moment.",
        headers={"Retry-After": "1", **(headers or {})},
    )


class Bodies:
    """Reads the bodies of requests, and bounds what all of them hold together."""

    def __init__(self) -> None:
        self.held = 0

    @asynccontextmanager
    async def read(self, receive: Receive, largest: int) -> AsyncIterator[Receive]:
        """Read a body and hand it on in one piece; it counts until the block ends.

        Args:
            receive: where the body comes from.
            largest: what it may have, in bytes; 0 reads none.

        Raises:
            Problem: 413, the body is too large; 503, there is no room for it now.
            ClientDisconnect: whoever sent it has left.
        """
        chunks: list[bytes] = []
        size = 0
        more = largest > 0
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunks.append(message.get("body", b""))
                more = message.get("more_body", False)
                size += len(chunks[-1])
                self.held += len(chunks[-1])
                if size > largest:
                    raise too_large(largest)
                if self.held > (BODIES_LIMIT if size <= BODY_LIMIT else LARGE_BODIES_LIMIT):
                    raise overloaded("Too much is being sent at once.", {"Connection": "close"})
            yield in_one_piece(chunks, receive) if chunks else receive
        finally:
            self.held -= size


def in_one_piece(chunks: list[bytes], receive: Receive) -> Receive:
    """Return what gives a body that has been read, once, and then whatever comes after it."""

    async def receive_whole() -> Message:
        if not chunks:
            return await receive()
        body = b"".join(chunks)
        chunks.clear()
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_whole
