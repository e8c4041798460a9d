"""How much of what is recorded may come from one address, without keeping any address."""

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

# How often the salts of the days ahead are looked after. Seconds.
PREPARE_EVERY = 3600.0

# An answer to one draft; a writer who pauses every second for a quarter of an hour stays below it.
MAX_SUGGESTIONS_OF_DRAFT = 1_000

UNBOUNDED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """New installs and new drafts of one address and day that are recorded; 0: no bound."""

    installs: int
    drafts: int

    @property
    def parameters(self) -> dict[str, int]:
        """The parameters of the statement that records."""
        return {
            "most_installs": self.installs or UNBOUNDED,
            "most_drafts": self.drafts or UNBOUNDED,
            "most_suggestions": MAX_SUGGESTIONS_OF_DRAFT,
        }


NO_BOUNDS = Bounds(0, 0)


class AddressHashes:
    """Hashes addresses with the day's salt, which all processes share and which goes with the day."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._salts: dict[date, bytes] = {}

    async def prepare_ahead(self) -> None:
        """Learn the salts of today and tomorrow, so that no answer waits for them."""
        today = datetime.now(UTC).date()
        await self.prepare([today, today + timedelta(days=1)])

    async def prepare(self, days: Sequence[date]) -> None:
        """Learn the salts of days.

        Raises:
            DatabaseUnavailable: they can't be learned now.
        """
        for day in sorted({*days} - self._salts.keys()):
            async with self._database.session() as session:
                row = insert(AddressSalt).values(day=day, salt=secrets.token_bytes(32))
                await session.execute(row.on_conflict_do_nothing(index_elements=["day"]))
                salt = await session.scalar(select(AddressSalt.salt).where(AddressSalt.day == day))
            assert salt is not None
            self._salts = {known: value for known, value in self._salts.items() if (day - known).days < 2} | {day: salt}

    def hash(self, address: str, day: date) -> bytes:
        """Return the hash of an address on a day whose salt is known."""
        return hmac.digest(self._salts[day], address.encode(), "sha256")[:16]


async def forget_addresses(session: AsyncSession, today: date) -> None:
    """Forget what addresses began on the days before, and the salts, without which a hash is nobody's."""
    for table in (Newcomer, AddressSalt):
        await session.execute(delete(table).where(table.day < today))
