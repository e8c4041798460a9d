"""Limits on what one client address may have recorded in a day, without storing any address."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, select, text
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

# Admits a new draft of an address: no row means that its address has started as many installs or drafts on the day as
# it may. It locks the address's row, so it comes before anything that locks a draft.
ADMIT = """
    INSERT INTO newcomer (day, address, crowd, installs, drafts)
    SELECT :day, :address, gen_random_uuid(),
        CASE WHEN EXISTS (SELECT FROM draft WHERE install_id = :install_id) THEN 0 ELSE 1 END, 1
    WHERE :address IS NOT NULL AND NOT EXISTS (SELECT FROM draft WHERE id = :draft_id)
    ON CONFLICT (day, address) DO UPDATE
    SET installs = newcomer.installs + excluded.installs, drafts = newcomer.drafts + 1
    WHERE newcomer.installs + excluded.installs <= :most_installs AND newcomer.drafts < :most_drafts
    RETURNING crowd
"""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends something on a day: the hash of the address, None where nothing is bounded, and its limits."""

    day: date
    address: bytes | None = None
    limits: AddressLimits = NO_LIMITS


async def admit_draft(session: AsyncSession, draft_id: UUID, install_id: UUID, sender: Sender) -> bool:
    """Return whether a draft that is not known yet may be recorded, and count it for its address if so."""
    if sender.address is None:
        return True
    values = {"day": sender.day, "address": sender.address, "draft_id": draft_id, "install_id": install_id}
    return await session.scalar(ADMISSION, values | sender.limits.parameters) is not None


ADMISSION = text(ADMIT).bindparams(
    bindparam("day", type_=Newcomer.day.type),
    bindparam("address", type_=Newcomer.address.type),
    bindparam("draft_id", type_=Uuid()),
    bindparam("install_id", type_=Uuid()),
)


class AddressHasher:
    """Hashes addresses with a salt of the day, which all processes share and which is deleted with the day.

    Args:
        database: where the salts are.
        limits: how much of one address is recorded; where nothing is bounded, nothing is hashed.
    """

    def __init__(self, database: Database, limits: AddressLimits = NO_LIMITS) -> None:
        self.limits = limits
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

    async def identify(self, address: str, moment: datetime) -> Sender:
        """Return the sender at an address.

        Raises:
            DatabaseUnavailable: the salt of the day can't be loaded now.
        """
        day = moment.astimezone(UTC).date()
        if not address or not (self.limits.installs or self.limits.drafts):
            return Sender(day)
        await self.load_salts([day])
        return Sender(day, self.hash(address, day), self.limits)

    def hash(self, address: str, day: date) -> bytes:
        """Return the hash of an address on a day whose salt is loaded."""
        return hmac.digest(self._salts[day], address.encode(), "sha256")[:16]


async def delete_addresses(session: AsyncSession, today: date) -> None:
    """Delete the counts of earlier days' addresses, and the salts without which their hashes lead to nobody."""
    for table in (Newcomer, AddressSalt):
        await session.execute(delete(table).where(table.day < today))
