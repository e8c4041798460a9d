"""A proxy in front of PostgreSQL whose connections a test can cut and stall, as a network or a dying server would."""

import asyncio
from contextlib import suppress

from sqlalchemy import make_url


class CuttableProxy:
    """Listens on 127.0.0.1 and passes bytes on to the Unix socket of a PostgreSQL.

    `cut()` ends every connection and refuses new ones; `stall()` keeps them open, and takes new ones, but passes
    nothing on; `restore()` ends both. Connect to `url`:

        async with CuttableProxy(database_url) as proxy:
            engine = create_async_engine(proxy.url)
    """

    def __init__(self, url: str) -> None:
        self._behind = make_url(url)
        self._flowing = asyncio.Event()
        self._streams: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    async def __aenter__(self) -> "CuttableProxy":
        await self.restore()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    @property
    def url(self) -> str:
        behind = self._behind.set(host="127.0.0.1", port=self._port, query={"ssl": "disable"})
        return behind.render_as_string(hide_password=False)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for stream in self._streams:
            stream.transport.abort()
        self._flowing.set()  # the stalled ones shall see their end

    def stall(self) -> None:
        self._flowing.clear()

    async def restore(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]  # the same again after a cut

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._streams.add(to_client)
        path = f"{self._behind.query['host']}/.s.PGSQL.{self._behind.query['port']}"
        try:
            database, to_database = await asyncio.open_unix_connection(path)
        except OSError:
            to_client.transport.abort()
            return
        self._streams.add(to_database)
        await asyncio.gather(self._pass_on(client, to_database), self._pass_on(database, to_client))
        self._streams -= {to_client, to_database}

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        target.close()
