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

# Wrong attempts allowed, to one client and to all together.
CLIENT_LIMIT, GLOBAL_LIMIT = parse("10/minute"), parse("120/minute")

# While all together are wrong too often, attempts of clients that were never right are checked one at a time, each
# after so long, and so many wait at most. Seconds.
TURN_EVERY, MAX_WAITING = 0.5, 20

# Clients that were right once and are remembered, so many of them.
MAX_KNOWN = 10_000


def client_of(scope: Scope) -> str:
    """Return the client that a request counts for."""
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


class AttemptLimiter:
    """Limits wrong attempts at one secret, by client and of all together; in this process only.

    Many clients can belong to one person. While all together are wrong too often, attempts are slowed down, except
    those of clients that were right before; nobody is locked out by what others do.

    Args:
        what: plural of what is tried, for people.
        client_limit: wrong attempts allowed to one client.
        global_limit: to all clients together.
    """

    def __init__(
        self, what: str, client_limit: RateLimitItem = CLIENT_LIMIT, global_limit: RateLimitItem = GLOBAL_LIMIT
    ) -> None:
        self._what, self._client_limit, self._global_limit = what, client_limit, global_limit
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._known: OrderedDict[str, None] = OrderedDict()
        self._turn, self._waiting = asyncio.Lock(), 0

    async def check(self, client: str) -> None:
        """Raise a Problem, 429, for a client that has used up its attempts."""
        if not await self._limiter.test(self._client_limit, client):
            stats = await self._limiter.get_window_stats(self._client_limit, client)
            raise too_many("attempts", f"Too many wrong {self._what} came from this address.", stats.reset_time)

    async def wait_for_turn(self, client: str) -> None:
        """Wait, while all clients together are wrong too often.

        Raises:
            Problem: 429, too many wait already.
        """
        if client in self._known or await self._limiter.test(self._global_limit, "all"):
            return
        if self._waiting >= MAX_WAITING:
            raise await self._too_many_globally()
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(TURN_EVERY)
        finally:
            self._waiting -= 1

    async def check_all(self, client: str) -> None:
        """Raise a Problem, 429, for a wrong attempt where the client or all together have used up theirs."""
        await self.check(client)
        if client not in self._known and not await self._limiter.test(self._global_limit, "all"):
            raise await self._too_many_globally()

    async def record_failure(self, client: str) -> None:
        """Count a wrong attempt."""
        await self._limiter.hit(self._client_limit, client)
        await self._limiter.hit(self._global_limit, "all")

    def record_success(self, client: str) -> None:
        """Remember that a client was right."""
        self._known[client] = None
        self._known.move_to_end(client)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    async def _too_many_globally(self) -> Problem:
        stats = await self._limiter.get_window_stats(self._global_limit, "all")
        return too_many("attempts", f"Too many wrong {self._what} come in.", stats.reset_time)
