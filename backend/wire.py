"""HTTP on the wire: what uvicorn leaves open to slow and broken clients, and an end that loses no request."""

import time
from asyncio import TimerHandle, Transport
from collections.abc import Callable
from signal import SIGTERM
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from backend.problems import Problem

# A whole request, headers and body, must have come within this time from its first byte. Seconds.
REQUEST_WITHIN = 30.0

# A client that is still sending when its answer comes, such as the refusal of a large body, reads that answer only once
# it has sent the rest. What comes is dropped for so long and so much of it; then the connection is cut. Seconds, bytes.
LINGER_FOR = 10.0
LINGER_OVER = 32 << 20

# What a request's line and headers may have together, give or take one read from the socket. Bytes.
HEAD_LIMIT = 64 << 10

# A process may usually have 1,024 files open, and the database and the model need some of them.
MOST_CONNECTIONS = 800

TOO_SLOW = Problem(408, "Too slow", f"The request did not arrive whole within {REQUEST_WITHIN:g} s. Send it again.")
TOO_FULL = Problem(
    503, "Overloaded", "Too many connections are open. Try again in a moment.", headers={"Retry-After": "2"}
)
HEAD_TOO_LARGE = Problem(
    431, "Headers too large", f"The address and the headers may have {HEAD_LIMIT:,} bytes together. Send less of them."
)
BROKEN = Problem(400, "Malformed request", "This is not HTTP as RFC 9112 writes it.")


class Connection(HttpToolsProtocol):
    """A connection that waits for no slow request for ever, and tells every error as a problem."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._overdue: TimerHandle | None = None
        self._incoming = True  # a connection that never sends anything is slow too
        self._in_head = False
        self._head_size = 0
        self.ending = False  # all is said, and what still comes is dropped
        self._dropped = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self.refuse(TOO_FULL)
        else:
            self._overdue = self.loop.call_later(REQUEST_WITHIN, self.refuse, TOO_SLOW)

    def data_received(self, data: bytes) -> None:
        """Read on; most requests come in one piece and need no timer."""
        if self.ending:
            self._dropped += len(data)
            if self._dropped > LINGER_OVER:
                self.transport.close()
            return
        super().data_received(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_LIMIT:
                self.refuse(HEAD_TOO_LARGE)
                return
        if not self._incoming:
            self._stop_waiting()
        elif self._overdue is None:
            self._overdue = self.loop.call_later(REQUEST_WITHIN, self.refuse, TOO_SLOW)

    def on_message_begin(self) -> None:
        """Note that a request has begun to arrive."""
        self._incoming = self._in_head = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start to answer; while the service drains, the connection ends with the answer."""
        super().on_headers_complete()
        self._in_head = False
        self.cycle.transport = LastingTransport(self)  # type: ignore[assignment]
        if getattr(self.server_state, "draining", False):
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request is here."""
        self._incoming = False
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self.refuse(BROKEN)

    def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer is on its way already, and end the connection."""
        self._stop_waiting()
        if self.ending or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            answered = self.cycle.response_started
        else:
            answered = False
        if answered:
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
        if not self._incoming or self.ending or self.transport.is_closing():
            self.transport.close()
            return
        self.ending = True
        self._stop_waiting()
        self._overdue = self.loop.call_later(LINGER_FOR, self.transport.close)
        self.flow.resume_reading()
        self.transport.write_eof()

    def _stop_waiting(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None


class LastingTransport:
    """The transport as an answer sees it: to close it waits for the client.

    Args:
        connection: whose transport it is.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Send a piece of the answer."""
        self._connection.transport.write(data)

    def close(self) -> None:
        """End the connection once the client has its answer."""
        self._connection.close_in_peace()

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._connection.ending or self._connection.transport.is_closing()


class Server(uvicorn.Server):
    """A server that, told to end by SIGTERM, first lets whoever sends it requests find out.

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
        self._ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end."""
        super().handle_exit(sig, frame)
        if sig == SIGTERM and self._drain_seconds and self._ends_at is None:
            self.should_exit = False
            self._ends_at = time.monotonic() + self._drain_seconds
            self.server_state.draining = True  # type: ignore[attr-defined]
            self._on_drain()

    async def on_tick(self, counter: int) -> bool:
        """Whether to end now; asked ten times a second."""
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)
