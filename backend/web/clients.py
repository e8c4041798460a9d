"""Who counts as one client, and how often clients may be wrong about a secret."""

import asyncio
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.types import Scope

from backend.web.problems import Problem, too_many

# Wrong attempts, of one client and of all together.
OF_ONE, OF_ALL = parse("10/minute"), parse("120/minute")

# While all together are wrong too often, attempts of clients that were never right are judged one every so often, and
# so many wait at most. Seconds.
TURN, MOST_WAITING = 0.5, 20

# Clients that were right once and are remembered.
MOST_KNOWN = 10_000


def client_of(scope: Scope) -> str:
    """Return what counts as the one client of a request."""
    return network_of((scope.get("client") or ("unknown",))[0])


@lru_cache(maxsize=10_000)
def network_of(address: str) -> str:
    """Return the IPv4 address, or the /64 of an IPv6 address, that counts as one client.

    A provider gives each subscriber a /64 or more of IPv6, and whoever has it can use any address of it.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


class Attempts:
    """Counts wrong attempts at one secret, by client and of all together; of this process only.

    Many clients can belong to one person. While all together are wrong too often, attempts are slowed down, except
    those of clients that were right before; nobody is locked out by what others do.

    Args:
        what: plural of what is tried, for people.
        of_one: wrong attempts allowed to one client.
        of_all: to all clients together.
    """

    def __init__(self, what: str, of_one: RateLimitItem = OF_ONE, of_all: RateLimitItem = OF_ALL) -> None:
        self._what, self._of_one, self._of_all = what, of_one, of_all
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._known: OrderedDict[str, None] = OrderedDict()
        self._turn, self._waiting = asyncio.Lock(), 0

    async def check(self, client: str) -> None:
        """Raise a Problem, 429, for a client that has used up its attempts."""
        if not await self._limiter.test(self._of_one, client):
            stats = await self._limiter.get_window_stats(self._of_one, client)
            raise too_many("attempts", f"Too many wrong {self._what} came from this address.", stats.reset_time)

    async def wait_for_turn(self, client: str) -> None:
        """Wait, while all clients together are wrong too often.

        Raises:
            Problem: 429, too many wait already.
        """
        if client in self._known or await self._limiter.test(self._of_all, "all"):
            return
        if self._waiting >= MOST_WAITING:
            raise await self._too_many_of_all()
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(TURN)
        finally:
            self._waiting -= 1

    async def check_all(self, client: str) -> None:
        """Raise a Problem, 429, for a wrong attempt where the client or all together have used up theirs."""
        await self.check(client)
        if client not in self._known and not await self._limiter.test(self._of_all, "all"):
            raise await self._too_many_of_all()

    async def fail(self, client: str) -> None:
        """Count a wrong attempt."""
        await self._limiter.hit(self._of_one, client)
        await self._limiter.hit(self._of_all, "all")

    def succeed(self, client: str) -> None:
        """Remember that a client was right."""
        self._known[client] = None
        self._known.move_to_end(client)
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)

    async def _too_many_of_all(self) -> Problem:
        stats = await self._limiter.get_window_stats(self._of_all, "all")
        return too_many("attempts", f"Too many wrong {self._what} come in.", stats.reset_time)
