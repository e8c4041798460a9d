"""HTTP on the wire: what uvicorn leaves open to slow and broken clients, and an end that loses no request."""

import time
from asyncio import Transport
from collections.abc import Callable
from signal import SIGTERM
from types import FrameType
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from backend.web.problems import Problem

# A whole request, headers and body, must have come within this time from its first byte. Seconds.
REQUEST_WITHIN = 30.0

# A client that reads less of its answers than this in so long is cut off: as much as the slowest of networks carries,
# and what waits for it fills memory and a place among the connections. Seconds, bytes.
READ_WITHIN = 30.0
LEAST_READ = 32 << 10

# A client that is still sending when its answer comes, such as the refusal of a large body, reads that answer only once
# it has sent the rest. What comes is dropped for so long and so much of it; then the connection is cut. Seconds, bytes.
LINGER_FOR = 10.0
LINGER_OVER = 32 << 20

# What a request's line may have, and its line and headers together, give or take one read from the socket. Bytes.
TARGET_LIMIT = 16 << 10
HEAD_LIMIT = 64 << 10

# A process may usually have 1,024 files open, and the database and the model need some of them.
MOST_CONNECTIONS = 800

NEVER = float("inf")

TOO_SLOW = Problem(408, "Too slow", f"The request did not arrive whole within {REQUEST_WITHIN:g} s. Send it again.")
TOO_FULL = Problem(
    503, "Overloaded", "Too many connections are open. Try again in a moment.", headers={"Retry-After": "2"}
)
TARGET_TOO_LONG = Problem(414, "Address too long", f"The address may have {TARGET_LIMIT:,} bytes. Send less of it.")
HEAD_TOO_LARGE = Problem(
    431, "Headers too large", f"The address and the headers may have {HEAD_LIMIT:,} bytes together. Send less of them."
)
FOREIGN_TARGET = Problem(400, "Foreign host", "The address names another host than the Host header. Name the same.")
BROKEN = Problem(400, "Malformed request", "This is not HTTP as RFC 9112 writes it.")


class Connection(HttpToolsProtocol):
    """A connection that waits for no slow client for ever, and tells every error as a problem."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        # A connection that never sends anything is slow too.
        self._incoming = True
        self._overdue_at = time.monotonic() + REQUEST_WITHIN
        self._in_head = False
        self._heads = 0  # begun so far
        self._head_size = 0
        self._refusal = BROKEN
        self.ending = False  # all is said, and what still comes is dropped
        self._dropped = 0
        self.written = 0
        self._read, self._read_by = 0, NEVER

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(TOO_FULL)

    def data_received(self, data: bytes) -> None:
        """Read on, or drop what nobody waits for any more."""
        if self.ending:
            self._dropped += len(data)
            if self._dropped > LINGER_OVER:
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
        self._overdue_at = time.monotonic() + REQUEST_WITHIN
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start to answer; while the service drains, the connection ends with the answer."""
        self._in_head = False
        if problem := fault_of_head(self.url, self.headers):
            # Raised, since the parser shall not go on; it comes back as a request to `send_400_response`.
            self._refusal = problem
            raise problem
        super().on_headers_complete()
        self.cycle.transport = cast(Transport, LastingTransport(self))
        if getattr(self.server_state, "draining", False):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request is here."""
        self._incoming = False
        self._overdue_at = NEVER
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the requests that stand in line, and let the one that is being answered read no more."""
        super().connection_lost(exc)
        self.pipeline.clear()
        self.flow.read_paused = False

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or not as we take it."""
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
            self.close_in_peace()

    def close_in_peace(self) -> None:
        """End the connection, but not before its client can have read the answer.

        If a socket is closed while something unread waits in it, TCP resets the connection, and what the client has
        not yet read of its answer is lost.
        """
        waiting = self._incoming or self.pipeline or self.flow.read_paused
        if not waiting or self.ending or self.transport.is_closing():
            self.transport.close()
            return
        self.ending = True
        self.pipeline.clear()
        self._overdue_at = time.monotonic() + LINGER_FOR
        self.flow.resume_reading()
        self.transport.write_eof()

    def look_after(self, now: float) -> None:
        """End the connection if its client is too slow in sending or in reading; called every second or so."""
        unread = self.transport.get_write_buffer_size()
        read = self.written - unread
        if not unread:
            self._read_by = NEVER
        elif self._read_by == NEVER or read >= self._read + LEAST_READ:
            self._read, self._read_by = read, now + READ_WITHIN
        if now >= self._read_by:
            self.transport.abort()
        elif now >= self._overdue_at and self.ending:
            self.transport.close()
        elif now >= self._overdue_at:
            self.refuse(TOO_SLOW)


def fault_of_head(target: bytes, headers: list[tuple[bytes, bytes]]) -> Problem | None:
    """Return what is wrong with a request's line and headers taken together."""
    if len(target) > TARGET_LIMIT:
        return TARGET_TOO_LONG
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > HEAD_LIMIT:
        return HEAD_TOO_LARGE
    scheme, separator, rest = target.partition(b"://")
    if separator and scheme.isalpha():
        # RFC 9112, 3.2.2: in an absolute address its own host would count, and nothing below looks at it.
        authority = rest.partition(b"/")[0].partition(b"?")[0]
        hosts = [value for name, value in headers if name == b"host"]
        if [host.lower() for host in hosts] != [authority.lower()]:
            return FOREIGN_TARGET
    return None


class LastingTransport:
    """The transport as an answer sees it: to close it waits for the client.

    Args:
        connection: whose transport it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send a piece of the answer, unless its client has left: uvicorn tells only the last of several requests."""
        if self.is_closing():
            return
        self._connection.written += len(data)
        self._connection.transport.write(data)

    def close(self) -> None:
        """End the connection once the client has its answer."""
        self._connection.close_in_peace()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._connection.ending or self._connection.transport.is_closing()


class Server(uvicorn.Server):
    """A server that looks after its connections and, told to end by SIGTERM, first lets clients find out.

    A proxy asks for readiness every second or so. Until it has heard the no, it goes on sending, and to a server that
    closes at once it would send into the void. A second signal, or Ctrl-C, ends it at once.

    Args:
        config: uvicorn's.
        drain_seconds: how long requests are served after SIGTERM; each connection ends with its next answer.
        on_drain: called when that begins.
    """

    def __init__(self, config: uvicorn.Config, *, drain_seconds: float, on_drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._on_drain = on_drain
        self._ends_at = NEVER

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end."""
        super().handle_exit(sig, frame)
        if sig == SIGTERM and self._drain_seconds and self._ends_at == NEVER:
            self.should_exit = False
            self._ends_at = time.monotonic() + self._drain_seconds
            self.server_state.draining = True  # type: ignore[attr-defined]
            self._on_drain()

    async def on_tick(self, counter: int) -> bool:
        """Look after every connection, and return whether to end now; called ten times a second."""
        now = time.monotonic()
        if now >= self._ends_at:
            self.should_exit = True
        for connection in list(self.server_state.connections):
            cast(Connection, connection).look_after(now)
        return await super().on_tick(counter)
