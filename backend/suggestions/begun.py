"""Which version each draft began with, so that its writer is not shown tags of one model and then of another."""

import asyncio
from collections import OrderedDict
from uuid import UUID

from sqlalchemy import select

from backend.deployments.arms import Begun
from backend.drafts.tables import Draft
from backend.postgres.database import Database, DatabaseUnavailable

# Drafts remembered here: some 13 MB. The others are in the database, if their writers agreed to that.
MOST = 50_000

# Chips wait no longer than this for what the database knows of a draft. Seconds.
LOOK_WITHIN = 0.3

# A database that takes longer than this is taken for away. Seconds.
AWAY_AFTER = 3.0


class BegunDrafts:
    """The drafts that this process has answered, and those that the database knows from other replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[UUID, Begun] = OrderedDict()
        # The event loop itself holds tasks but weakly.
        self._looks: set[asyncio.Task[Begun | None]] = set()

    def remember(self, draft_id: UUID, begun: Begun) -> None:
        """Note what a draft's first answer was of; later ones change nothing."""
        self._known.setdefault(draft_id, begun)
        self._known.move_to_end(draft_id)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def recall(self, draft_id: UUID) -> Begun | None:
        """What this process knows of a draft."""
        return self._known.get(draft_id)

    async def look_up(self, draft_id: UUID) -> Begun | None:
        """What the database knows of a draft; None too if it is away or slow.

        It is a task of its own, since even giving up on a stalled connection takes seconds.
        """
        look = asyncio.create_task(self._look(draft_id))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)
        done, _ = await asyncio.wait({look}, timeout=LOOK_WITHIN)
        return look.result() if done else None

    async def _look(self, draft_id: UUID) -> Begun | None:
        try:
            async with self._database.session(within=AWAY_AFTER) as session:
                statement = select(Draft.model_version, Draft.deployment_id).where(Draft.id == draft_id)
                row = (await session.execute(statement)).first()
        except DatabaseUnavailable:
            return None
        return None if row is None else Begun(row.model_version, row.deployment_id)
