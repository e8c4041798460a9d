"""Refused sign-ins in the audit log: counted in memory, and one row a minute at most, however many there are."""

from collections import Counter
from ipaddress import ip_address, ip_network

from backend.audit.service import ADMIN, note
from backend.postgres.database import Database, DatabaseUnavailable

FLUSH_EVERY = 60.0

# The networks that tried most, of those that a row names.
NAMED = 5

# What is kept of an address: enough to see where a siege comes from and to shut it out, not whose machine it is.
PREFIX = {4: 24, 6: 48}


class RefusedSignIns:
    """Counts wrong passwords by network, until the audit log takes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: Counter[str] = Counter()

    def count(self, client: str) -> None:
        """Count one wrong password from an address."""
        self._waiting[network_of(client)] += 1

    async def flush(self) -> None:
        """Note what waits. If the database is away, it goes on waiting."""
        if not self._waiting:
            return
        taken, self._waiting = self._waiting, Counter()
        details = {"attempts": taken.total(), "networks": dict(taken.most_common(NAMED))}
        try:
            async with self._database.session() as session:
                await note(session, "refuse sign-in", "", details, actor=ADMIN)
        except DatabaseUnavailable:
            self._waiting += taken


def network_of(client: str) -> str:
    """The network that an address belongs to: ``203.0.113.0/24``; ``unknown`` for what is no address."""
    try:
        address = ip_address(client)
    except ValueError:
        return "unknown"
    return str(ip_network((address, PREFIX[address.version]), strict=False))
