"""The HTTP server: uvicorn, with limits for slow and broken clients, and a shutdown that loses no request.

A proxy would set these limits, but by default there is none: the service listens on a person's own machine, and uvicorn
alone lets a silent client keep its connection for ever.
"""

import time
from asyncio import Transport
from collections.abc import Callable
from signal import SIGTERM
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from backend.web.problems import Problem

# A whole request, headers and body, must arrive within this time from its first byte. Seconds.
REQUEST_TIMEOUT = 30.0

# A client that reads less than this of its answers in so long is cut off: even the slowest of networks carries as much,
# and what waits for it takes memory and one of the connections. Seconds, bytes.
READ_TIMEOUT = 30.0
MIN_READ = 32 << 10

# A client that is still sending when its answer comes, such as the refusal of a large body, reads that answer only once
# it has sent the rest. That is dropped, for so long and so much of it; then the connection is cut. Seconds, bytes.
LINGER_TIMEOUT = 10.0
LINGER_LIMIT = 32 << 20

# Limits of a request's target, and of its line and headers together, give or take one read from the socket. Bytes.
TARGET_LIMIT = 16 << 10
HEAD_LIMIT = 64 << 10

# A process may usually open 1,024 files, and the database and the model need some of them.
MAX_CONNECTIONS = 800

NEVER = float("inf")

TOO_SLOW = Problem(408, "Too slow", f"The request did not arrive whole within {REQUEST_TIMEOUT:g} s. Send it again.")
TOO_FULL = Problem(
    503, "Overloaded", "Too many connections are open. Try again in a moment.", headers={"Retry-After": "2"}
)
TARGET_TOO_LONG = Problem(414, "Address too long", f"The address may have {TARGET_LIMIT:,} bytes. Send less of it.")
HEAD_TOO_LARGE = Problem(
    431, "Headers too large", f"The address and the headers may have {HEAD_LIMIT:,} bytes together. Send less of them."
)
FOREIGN_TARGET = Problem(400, "Foreign host", "The address names another host than the Host header. Name the same.")
MALFORMED = Problem(400, "Malformed request", "This is not HTTP as RFC 9112 writes it.")


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with timeouts and limits, and with every error as a problem."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A connection that never sends anything is too slow as well.
        self._incoming = True
        self._overdue_at = time.monotonic() + REQUEST_TIMEOUT
        self._in_head = False
        self._heads = 0  # begun so far
        self._head_size = 0
        self._refusal = MALFORMED
        self.ending = False  # the answer is written, and what still arrives is dropped
        self._dropped = 0
        self.written = 0
        self._read, self._read_by = 0, NEVER

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.refuse(TOO_FULL)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, or drop it if the connection is ending."""
        if self.ending:
            self._dropped += len(data)
            if self._dropped > LINGER_LIMIT:
                self.transport.close()
            return
        heads = self._heads
        super().data_received(data)
        if self._in_head and self._heads == heads:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self.refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Note that a request has begun to arrive."""
        self._incoming = self._in_head = True
        self._heads += 1
        self._head_size = 0
        self._overdue_at = time.monotonic() + REQUEST_TIMEOUT
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start to answer; while the server drains, the connection ends with the answer."""
        self._in_head = False
        if problem := check_head(self.url, self.headers):
            # Raised to stop the parser, which makes uvicorn call `send_400_response`.
            self._refusal = problem
            raise problem
        super().on_headers_complete()
        self.cycle.transport = cast(Transport, LingeringTransport(self))
        if getattr(self.server_state, "draining", False):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request has arrived whole."""
        self._incoming = False
        self._overdue_at = NEVER
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the pipelined requests, and let the one that is being answered read no more."""
        super().connection_lost(exc)
        self.pipeline.clear()
        self.flow.read_paused = False

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, or has a head that `check_head` refuses."""
        self.refuse(self._refusal)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer is on its way already, and end the connection."""
        if self.ending or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
                return
        response = problem.response()
        headers = [*self.server_state.default_headers, *response.raw_headers, (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINE[problem.status_code] + lines + b"\r\n" + bytes(response.body))
        if problem is TOO_FULL:
            self.transport.close()  # no room to wait
        else:
            self.close_lingering()

    def close_lingering(self) -> None:
        """End the connection once its client has had time to read the answer.

        If a socket is closed while something unread waits in it, TCP resets the connection, and what the client has
        not yet read of its answer is lost.
        """
        waiting = self._incoming or self.pipeline or self.flow.read_paused
        if not waiting or self.ending or self.transport.is_closing():
            self.transport.close()
            return
        self.ending = True
        self.pipeline.clear()
        self._overdue_at = time.monotonic() + LINGER_TIMEOUT
        self.flow.resume_reading()
        self.transport.write_eof()

    def enforce_timeouts(self, now: float) -> None:
        """End the connection if its client sends or reads too slowly; called ten times a second."""
        unread = self.transport.get_write_buffer_size()
        read = self.written - unread
        if not unread:
            self._read_by = NEVER
        elif self._read_by == NEVER or read >= self._read + MIN_READ:
            self._read, self._read_by = read, now + READ_TIMEOUT
        if now >= self._read_by:
            self.transport.abort()
        elif now >= self._overdue_at and self.ending:
            self.transport.close()
        elif now >= self._overdue_at:
            self.refuse(TOO_SLOW)


def check_head(target: bytes, headers: list[tuple[bytes, bytes]]) -> Problem | None:
    """Return what is wrong with a request's target and headers taken together; None if nothing is."""
    if len(target) > TARGET_LIMIT:
        return TARGET_TOO_LONG
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > HEAD_LIMIT:
        return HEAD_TOO_LARGE
    scheme, separator, rest = target.partition(b"://")
    if separator and scheme.isalpha():
        # RFC 9112, 3.2.2: the host of an absolute target would win over the header, and no later check looks at it.
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        hosts = [value for name, value in headers if name == b"host"]
        if [host.lower() for host in hosts] != [authority.lower()]:
            return FOREIGN_TARGET
    return None


class LingeringTransport:
    """The transport as a response sees it: to close it is to linger until the client has read the answer.

    Args:
        connection: whose transport it is.
    """

    def __init__(self, connection: BoundedHttpProtocol) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send a piece of the answer, unless the client has left: uvicorn tells the last pipelined request only."""
        if self.is_closing():
            return
        self._connection.written += len(data)
        self._connection.transport.write(data)

    def close(self) -> None:
        """End the connection once the client has read its answer."""
        self._connection.close_lingering()

    def is_closing(self) -> bool:
        """Return whether nothing more can be sent."""
        return self._connection.ending or self._connection.transport.is_closing()


class Server(uvicorn.Server):
    """A server that enforces timeouts and, on SIGTERM, drains: it goes on serving while readiness says no.

    A proxy checks readiness every second or so, and sends requests until it has heard the no; a server that closed at
    once would lose them. A second signal, or Ctrl-C, ends it at once.

    Args:
        config: uvicorn's.
        drain_seconds: how long requests are served after SIGTERM; each connection ends with its next answer.
        on_drain: called when that begins.
    """

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_drain = on_drain
        self._exit_at = NEVER

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain on the first SIGTERM; end at once on any other signal."""
        super().handle_exit(sig, frame)
        if sig == SIGTERM and self._drain_seconds and self._exit_at == NEVER:
            self.should_exit = False
            self._exit_at = time.monotonic() + self._drain_seconds
            self.server_state.draining = True  # type: ignore[attr-defined]
            self._on_drain()

    async def on_tick(self, counter: int) -> bool:
        """Enforce the timeouts of every connection, and return whether to end now; called ten times a second."""
        now = time.monotonic()
        if now >= self._exit_at:
            self.should_exit = True
        for connection in list(self.server_state.connections):
            cast(BoundedHttpProtocol, connection).enforce_timeouts(now)
        return await super().on_tick(counter)
