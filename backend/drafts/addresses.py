"""Limits on what one client address may have recorded in a day, without storing any address."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.drafts.tables import AddressSalt, Newcomer
from backend.postgres.database import Database

# How often the salts of today and tomorrow are fetched ahead. Seconds.
LOAD_SALTS_EVERY = 3600.0

# A writer who pauses every second for a quarter of an hour stays below it.
MAX_SUGGESTIONS_OF_DRAFT = 1_000

UNLIMITED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """How many new installs and new drafts of one address are recorded in a day; 0: no limit."""

    installs: int
    drafts: int

    @property
    def parameters(self) -> dict[str, int]:
        """The limits as parameters of the statement that records an answer."""
        return {
            "most_installs": self.installs or UNLIMITED,
            "most_drafts": self.drafts or UNLIMITED,
            "most_suggestions": MAX_SUGGESTIONS_OF_DRAFT,
        }


NO_LIMITS = AddressLimits(0, 0)


class AddressHasher:
    """Hashes addresses with a salt of the day, which all processes share and which is deleted with the day."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._salts: dict[date, bytes] = {}

    async def load_next_salts(self) -> None:
        """Load the salts of today and tomorrow, so that no answer waits for them."""
        today = datetime.now(UTC).date()
        await self.load_salts([today, today + timedelta(days=1)])

    async def load_salts(self, days: Sequence[date]) -> None:
        """Load the salts of days, and create those that no process has created yet.

        Raises:
            DatabaseUnavailable: the salts can't be loaded now.
        """
        for day in sorted({*days} - self._salts.keys()):
            async with self._database.session() as session:
                row = insert(AddressSalt).values(day=day, salt=secrets.token_bytes(32))
                await session.execute(row.on_conflict_do_nothing(index_elements=["day"]))
                salt = await session.scalar(select(AddressSalt.salt).where(AddressSalt.day == day))
            assert salt is not None
            self._salts = {known: value for known, value in self._salts.items() if (day - known).days < 2} | {day: salt}

    def hash(self, address: str, day: date) -> bytes:
        """Return the hash of an address on a day whose salt is loaded."""
        return hmac.digest(self._salts[day], address.encode(), "sha256")[:16]


async def delete_addresses(session: AsyncSession, today: date) -> None:
    """Delete the counts of earlier days' addresses, and the salts without which their hashes lead to nobody."""
    for table in (Newcomer, AddressSalt):
        await session.execute(delete(table).where(table.day < today))
