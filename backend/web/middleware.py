"""The checks that every request passes before any route sees it: one class each, each refusal a problem.

A service on a person's own machine can be reached by any web page that the person opens: by a form or a fetch to
127.0.0.1, or by a host name that was rebound to it. Hence the checks of the host, the origin and the content type; the
others bound what a client may take of the service.
"""

import hmac
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web.clients import AttemptLimiter, client_of
from backend.web.problems import Problem, too_many

# Headers of which a request has one at most.
SINGLE_HEADERS = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"origin", b"sec-fetch-site"}
)

# A name, or an address of IPv6 in brackets, and perhaps a port.
HOST = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")

WRITE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
EXTENSION_SCHEMES = frozenset({"chrome-extension", "moz-extension", "safari-web-extension"})

# Requests to /api that are being answered at the same time. More would only wait for each other: where an event is
# stored in 2 ms, the last of these waits half a second. The classifier has a queue of its own: `suggestions.queue`.
MAX_CONCURRENT_REQUESTS = 256

# What all requests that are being received and answered may have of bodies together, and the part of it that is for
# bodies larger than ordinary ones. Bytes.
BODIES_LIMIT = 64 << 20
LARGE_BODIES_LIMIT = 48 << 20

# A draft of 50,000 characters, each escaped in JSON as two \\uXXXX, and room to spare. Bytes.
BODY_LIMIT = 1 << 20


def request_checks(
    *,
    allowed_hosts: frozenset[str],
    rate_limit: int,
    api_key: str,
    body_limits: Mapping[str, int],
    downloads: Collection[str] = (),
) -> list[Middleware]:
    """Return the checks in the order in which a request meets them.

    Args:
        allowed_hosts: names that the Host header may hold; ``*`` allows any.
        rate_limit: requests to /api a minute and client; 0 is no limit.
        api_key: what requests to /api must bring as a bearer token; empty is open to all.
        body_limits: largest body in bytes, by path, where it is not ``BODY_LIMIT``.
        downloads: paths whose answers are large files.
    """
    concurrency = ConcurrencyLimit()
    return [
        Middleware(LoadSheddingMiddleware, concurrency=concurrency),
        Middleware(RepeatedHeaderMiddleware),
        Middleware(AllowedHostMiddleware, allowed_hosts=allowed_hosts),
        Middleware(CrossOriginProtectionMiddleware),
        Middleware(JsonOnlyMiddleware),
        Middleware(ContentLengthMiddleware, limits=body_limits),
        Middleware(ApiKeyMiddleware, api_key=api_key),
        Middleware(RateLimitMiddleware, per_minute=rate_limit),
        Middleware(BodyMiddleware, limits=body_limits),
        Middleware(ConcurrencyLimitMiddleware, concurrency=concurrency, downloads=downloads),
    ]


class CheckMiddleware:
    """ASGI middleware that checks a request's line and headers; base of those that do no more."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the problem."""
        if scope["type"] == "http":
            try:
                await self.check(scope, Headers(scope=scope))
            except Problem as problem:
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem if the request must not go on."""
        raise NotImplementedError


class ConcurrencyLimit:
    """Counts the requests to /api that are being answered."""

    def __init__(self) -> None:
        self.count = 0

    def check(self) -> None:
        """Raise a Problem, 503, if no more can be answered in time."""
        if self.count >= MAX_CONCURRENT_REQUESTS:
            raise overloaded("More requests wait than can be answered in time; nothing was stored.")


class LoadSheddingMiddleware(CheckMiddleware):
    """Refuses requests to /api under overload before any other check: a flood of checks takes time from answers."""

    def __init__(self, app: ASGIApp, concurrency: ConcurrencyLimit) -> None:
        super().__init__(app)
        self._concurrency = concurrency

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 503, if the service is overloaded."""
        if is_api(scope):
            self._concurrency.check()


class RepeatedHeaderMiddleware(CheckMiddleware):
    """Refuses a request that repeats a header of which there can be one.

    A proxy may go by the first one and we by the last (RFC 9110, 5.3).
    """

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 400, for a repeated header."""
        names = [name for name, _ in headers.raw]
        for name in names:
            if name in SINGLE_HEADERS and names.count(name) > 1:
                detail = f"The request has more than one {name.decode()} header. Send one."
                raise Problem(400, "Repeated header", detail)


class AllowedHostMiddleware(CheckMiddleware):
    """Refuses a foreign Host, which is what a web page sends whose name was rebound to this machine.

    Unlike Starlette's `TrustedHostMiddleware` it takes IPv6 addresses, and refuses what is not one host.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: frozenset[str]) -> None:
        super().__init__(app)
        self._allowed_hosts = allowed_hosts

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 400, for a host that is not allowed."""
        host = parse_hostname(headers.get("host", ""))
        if not host and ("host" in headers or scope["http_version"] != "1.0"):
            raise Problem(400, "Host needed", "The Host header must name one host, as RFC 9110, 7.2 has it.")
        if "*" not in self._allowed_hosts and host not in self._allowed_hosts:
            raise Problem(
                400,
                "Foreign host",
                "This service does not answer under that host name. Whoever runs it can add the name to "
                "TAGALONG_ALLOWED_HOSTS.",
            )


class CrossOriginProtectionMiddleware(CheckMiddleware):
    """Refuses writes by foreign web pages, after Go's `http.CrossOriginProtection` (https://words.filippo.io/csrf/).

    Unlike Go's it looks at Origin before Sec-Fetch-Site: an extension's requests cross sites too, and pass by the
    scheme of their Origin. No token is needed, since every browser that is supported sends one of the two headers.
    """

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 403, for a write that a web page of another origin sends."""
        if scope["method"] not in WRITE_METHODS:
            return
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
                403, "Foreign origin", "A web page may not write here. The extension and this service's own pages may."
            )


class JsonOnlyMiddleware(CheckMiddleware):
    """Refuses a body that is not JSON: a form of another site could send those without a preflight request."""

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 415, for a body of another type."""
        has_body = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        if scope["method"] not in WRITE_METHODS or not has_body:
            return
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            raise Problem(415, "JSON only", "Send the body as JSON, with 'Content-Type: application/json'.")


class ContentLengthMiddleware(CheckMiddleware):
    """Refuses a body that is too large by its own account, before it is read."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        super().__init__(app)
        self._limits = limits

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 413, for a Content-Length that is too large or no number."""
        if scope["method"] in WRITE_METHODS:
            limit = self._limits.get(scope["path"], BODY_LIMIT)
            length = headers.get("content-length", "0")
            if not length.isdecimal() or int(length) > limit:
                raise too_large(limit)


class ApiKeyMiddleware(CheckMiddleware):
    """Refuses requests to /api without the key, if one is set, and slows down whoever guesses at it."""

    def __init__(self, app: ASGIApp, api_key: str) -> None:
        super().__init__(app)
        self._api_key = api_key.encode()
        self._attempts = AttemptLimiter("API keys")

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 401, without the key; 429, after too many wrong ones."""
        if not self._api_key or not is_api(scope):
            return
        client = client_of(scope)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._api_key):
            # Whoever has the key is not held back by others behind the same address who have not.
            self._attempts.record_success(client)
            return
        if "authorization" in headers:
            await self._attempts.check_all(client)
            await self._attempts.record_failure(client)
        raise Problem(
            401,
            "API key needed",
            "This service is closed: send its key as 'Authorization: Bearer KEY'.",
            headers={"WWW-Authenticate": "Bearer"},
        )


class RateLimitMiddleware(CheckMiddleware):
    """Refuses requests to /api of a client that sends too many; counted by this process alone."""

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        super().__init__(app)
        self._per_minute = per_minute
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(max(per_minute, 1))

    async def check(self, scope: Scope, headers: Headers) -> None:
        """Raise a Problem, 429, for a request too many."""
        if not self._per_minute or not is_api(scope):
            return
        client = client_of(scope)
        if not await self._limiter.hit(self._limit, client):
            stats = await self._limiter.get_window_stats(self._limit, client)
            raise too_many("requests", f"More than {self._per_minute} requests in a minute.", stats.reset_time)


class BodyMiddleware:
    """ASGI middleware that reads the body of a write whole, and bounds it and what all bodies hold together."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int]) -> None:
        self.app = app
        self._limits = limits
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body in one piece, or answer it with the problem."""
        if scope["type"] != "http" or scope["method"] not in WRITE_METHODS:
            await self.app(scope, receive, send)
            return
        try:
            async with self._read(receive, self._limits.get(scope["path"], BODY_LIMIT)) as receive_whole:
                await self.app(scope, receive_whole, send)
        except Problem as problem:
            await problem.response()(scope, receive, send)
        except ClientDisconnect:
            pass  # nobody waits for an answer

    @asynccontextmanager
    async def _read(self, receive: Receive, limit: int) -> AsyncIterator[Receive]:
        """Read a body and hand it on in one piece; it counts until the block ends.

        Args:
            receive: where the body comes from.
            limit: what it may have, in bytes.

        Raises:
            Problem: 413, the body is too large; 503, there is no room for it now.
            ClientDisconnect: whoever sent it has left.
        """
        chunks: list[bytes] = []
        size = 0
        more = True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunks.append(message.get("body", b""))
                more = message.get("more_body", False)
                size += len(chunks[-1])
                self._held += len(chunks[-1])
                if size > limit:
                    raise too_large(limit)
                if self._held > (BODIES_LIMIT if size <= BODY_LIMIT else LARGE_BODIES_LIMIT):
                    raise overloaded("Too much is being sent at once.", {"Connection": "close"})
            yield in_one_piece(chunks, receive)
        finally:
            self._held -= size


class ConcurrencyLimitMiddleware:
    """ASGI middleware that counts the requests to /api that are being answered, and refuses those beyond the limit.

    The innermost check: whoever sends slowly is not being answered yet. A download may take long, and costs little.
    """

    def __init__(self, app: ASGIApp, concurrency: ConcurrencyLimit, downloads: Collection[str]) -> None:
        self.app = app
        self._concurrency, self._downloads = concurrency, downloads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count it until it is answered, or answer it with the problem."""
        if scope["type"] != "http" or not is_api(scope) or scope["path"] in self._downloads:
            await self.app(scope, receive, send)
            return
        try:
            self._concurrency.check()
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        self._concurrency.count += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._concurrency.count -= 1


def is_api(scope: Scope) -> bool:
    """Return whether a request is for the API, rather than for a page, the admin or a probe."""
    path: str = scope["path"]
    return path.startswith("/api/")


def parse_hostname(host: str) -> str:
    """Return the name in a Host header, in lower case, without port and brackets; empty if it is not one host."""
    host = host.lower()
    if not HOST.fullmatch(host):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # no address of IPv6
        return ""


def too_large(limit: int) -> Problem:
    """Return the answer to a body of more than ``limit`` bytes."""
    return Problem(
        413,
        "Body too large",
        f"The body may have {limit:,} bytes at most.",
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


def in_one_piece(chunks: list[bytes], receive: Receive) -> Receive:
    """Return what gives a body that has been read, once, and then whatever comes after it."""

    async def receive_whole() -> Message:
        if not chunks:
            return await receive()
        body = b"".join(chunks)
        chunks.clear()
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_whole
