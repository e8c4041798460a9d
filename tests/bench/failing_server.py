"""A server that answers every third request and fails the others."""

from itertools import count

from starlette.types import Receive, Scope, Send

requests = count(1)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    status = 200 if next(requests) % 3 == 0 else 503
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})
