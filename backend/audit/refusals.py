"""Refused sign-ins in the audit log: counted in memory, with at most one row a minute, however many there are."""

from collections import Counter
from ipaddress import ip_address, ip_network

from backend.audit.service import ADMIN, record_act
from backend.postgres.database import Database, DatabaseUnavailable

FLUSH_EVERY = 60.0

# A row names this many networks at most, those with the most attempts.
MAX_NETWORKS = 5

# Bits kept of an address: enough to see where an attack comes from and to block it, not whose machine it is.
PREFIX_BITS = {4: 24, 6: 48}


class RefusedSignIns:
    """Counts wrong passwords by network until they are written to the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts: Counter[str] = Counter()

    def count(self, client: str) -> None:
        """Count one wrong password from an address."""
        self._attempts[network_of(client)] += 1

    async def flush(self) -> None:
        """Write what was counted to the audit log; if the database is unreachable, keep it for the next time."""
        if not self._attempts:
            return
        attempts, self._attempts = self._attempts, Counter()
        details = {"attempts": attempts.total(), "networks": dict(attempts.most_common(MAX_NETWORKS))}
        try:
            async with self._database.session() as session:
                await record_act(session, "refuse sign-in", "", details, actor=ADMIN)
        except DatabaseUnavailable:
            self._attempts += attempts


def network_of(client: str) -> str:
    """Return the network that an address belongs to: ``203.0.113.0/24``; ``unknown`` if it is not an address."""
    try:
        address = ip_address(client)
    except ValueError:
        return "unknown"
    return str(ip_network((address, PREFIX_BITS[address.version]), strict=False))
