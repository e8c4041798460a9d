"""Which version answers a draft: the one of its first answer, else the one of its install's arm.

Arms are drawn by a salted hash of the install's id, so that every replica draws the same one and nothing is looked up.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol
from uuid import UUID

from backend.drafts.service import FirstAnswer, find_first_answer
from backend.postgres.database import Database, DatabaseUnavailable
from model.serving import Classifier

Arm = Literal["champion", "challenger"]

# How long a version that was replaced goes on answering the drafts that it answered first.
DRAIN_PERIOD = timedelta(minutes=30)

# Kinds of drafts that take part in an experiment: not those of the playground, nor simulated ones.
KINDS_IN_EXPERIMENTS = frozenset({"ask", "edit"})

# Drafts whose first answer this process remembers: some 13 MB. Others are looked up in the database, if recorded.
MAX_REMEMBERED = 50_000

# How long an answer waits for the look-up of a draft. Seconds.
MAX_LOOKUP_WAIT = 0.3

# A database that takes longer than this for a look-up counts as unavailable. Seconds.
LOOKUP_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Challenger:
    """A loaded challenger: its deployment, the share of installs that it answers, and the salt that draws them."""

    deployment_id: UUID
    classifier: Classifier
    share: float
    salt: str


@dataclass(frozen=True, slots=True)
class ShadowModel:
    """A loaded version whose answers are stored and shown to nobody, and its deployment."""

    deployment_id: UUID
    classifier: Classifier


@dataclass(frozen=True, slots=True)
class LoadedModels:
    """The versions in this process's memory and their roles.

    Attributes:
        champion: answers whatever takes part in no experiment.
        by_version: all of them, including those that only answer drafts which they answered first.
        challenger, shadow: None where none is deployed, or where it could not be loaded.
    """

    champion: Classifier
    by_version: Mapping[str, Classifier]
    challenger: Challenger | None = None
    shadow: ShadowModel | None = None

    @property
    def routing(self) -> "Routing":
        """Which version each install's new drafts get."""
        if self.challenger is None:
            return Routing(self.champion.version)
        challenger = self.challenger
        return Routing(self.champion.version, challenger.classifier.version, challenger.share, challenger.salt)


@dataclass(frozen=True, slots=True)
class Routing:
    """Which version each install's new drafts get, by the names of the versions."""

    champion: str
    challenger: str | None = None
    share: float = 0.0
    salt: str = ""

    def version_for(self, install_id: UUID) -> str:
        """Return the version for an install."""
        if self.challenger is None or draw_arm(self.salt, self.share, install_id) == "champion":
            return self.champion
        return self.challenger


@dataclass(frozen=True, slots=True)
class Exposure:
    """An install's part in an experiment: the challenger's deployment, the arm, and the challenger's share then."""

    deployment_id: UUID
    arm: Arm
    share: float


@dataclass(frozen=True, slots=True)
class Fallback:
    """The champion, which answers if the challenger fails, and the challenger's deployment, to which that counts."""

    classifier: Classifier
    deployment_id: UUID


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers a draft.

    Attributes:
        classifier: the version that does.
        exposure: what the answer records of an experiment; None if the draft takes part in none.
        fallback: None unless the classifier is the challenger.
    """

    classifier: Classifier
    exposure: Exposure | None = None
    fallback: Fallback | None = None


class RoutableDraft(Protocol):
    """What the router reads of a draft."""

    @property
    def draft_id(self) -> UUID:
        """The id of the draft, the same for all its states."""

    @property
    def install_id(self) -> UUID:
        """The install that it is written in."""

    @property
    def kind(self) -> str:
        """One of ask, edit, try and demo."""

    @property
    def record(self) -> bool:
        """Whether its answers may be recorded, and so may have been."""


class Router:
    """Chooses the version that answers each draft.

    A draft keeps the version of its first answer while that is loaded: its writer shall not see the tags of one model
    and then those of another.

    Args:
        shipped: the champion until a deployment is known.
        database: where the first answers of drafts are recorded.
    """

    def __init__(self, shipped: Classifier, database: Database) -> None:
        self.models = LoadedModels(shipped, {shipped.version: shipped})
        self._previous: list[tuple[float, Routing]] = []
        self._sticky_versions = StickyVersions(database)

    def switch_to(self, models: LoadedModels) -> None:
        """Route by other models from now on."""
        if models.routing != self.models.routing:
            self._previous.append((time.monotonic() + DRAIN_PERIOD.total_seconds(), self.models.routing))
        self.models = models

    async def route(self, draft: RoutableDraft) -> Route:
        """Choose the version that answers a draft."""
        if draft.kind not in KINDS_IN_EXPERIMENTS:
            return Route(self.models.champion)
        first = self._sticky_versions.recall(draft.draft_id)
        if first is None and draft.record and self._may_have_started_otherwise(draft.install_id):
            first = await self._sticky_versions.look_up(draft.draft_id)
        route = self._choose_route(first, draft.install_id)
        if first is None:
            deployment_id = route.exposure.deployment_id if route.exposure else None
            first = FirstAnswer(route.classifier.version, deployment_id)
        self._sticky_versions.remember(draft.draft_id, first)
        return route

    def _choose_route(self, first: FirstAnswer | None, install_id: UUID) -> Route:
        challenger = self.models.challenger
        if first is not None and first.version in self.models.by_version:
            classifier = self.models.by_version[first.version]
            if challenger is None or first.deployment_id != challenger.deployment_id:
                return self._make_route(classifier, None)
            arm: Arm = "challenger" if classifier is challenger.classifier else "champion"
            return self._make_route(classifier, Exposure(challenger.deployment_id, arm, challenger.share))
        if challenger is None:
            return Route(self.models.champion)
        arm = draw_arm(challenger.salt, challenger.share, install_id)
        classifier = challenger.classifier if arm == "challenger" else self.models.champion
        # A draft whose first version is gone is answered, but its writer saw two: it takes part in nothing any more.
        exposure = Exposure(challenger.deployment_id, arm, challenger.share) if first is None else None
        return self._make_route(classifier, exposure)

    def _make_route(self, classifier: Classifier, exposure: Exposure | None) -> Route:
        challenger = self.models.challenger
        if challenger is None or classifier is not challenger.classifier:
            return Route(classifier, exposure)
        return Route(classifier, exposure, Fallback(self.models.champion, challenger.deployment_id))

    def _may_have_started_otherwise(self, install_id: UUID) -> bool:
        """Return whether another replica may have answered a draft first with another version that is still loaded.

        Only a recent switch that changed what the install gets makes that possible.
        """
        self._previous = [(until, routing) for until, routing in self._previous if until > time.monotonic()]
        present = self.models.routing.version_for(install_id)
        before = {routing.version_for(install_id) for _, routing in self._previous}
        return not before.isdisjoint(self.models.by_version.keys() - {present})


class StickyVersions:
    """The versions of drafts' first answers: those that this process gave, and those that other replicas recorded."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered: OrderedDict[UUID, FirstAnswer] = OrderedDict()
        # The event loop itself holds only weak references to tasks.
        self._lookups: set[asyncio.Task[FirstAnswer | None]] = set()

    def remember(self, draft_id: UUID, first: FirstAnswer) -> None:
        """Remember a draft's first answer; one that is known already stays."""
        self._remembered.setdefault(draft_id, first)
        self._remembered.move_to_end(draft_id)
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)

    def recall(self, draft_id: UUID) -> FirstAnswer | None:
        """Return what this process remembers of a draft."""
        return self._remembered.get(draft_id)

    async def look_up(self, draft_id: UUID) -> FirstAnswer | None:
        """Return what the database has of a draft; None also if it is unavailable or slow.

        The look-up is a task of its own, since even giving up on a stalled connection takes seconds.
        """
        lookup = asyncio.create_task(self._look_up(draft_id))
        self._lookups.add(lookup)
        lookup.add_done_callback(self._lookups.discard)
        done, _ = await asyncio.wait({lookup}, timeout=MAX_LOOKUP_WAIT)
        return lookup.result() if done else None

    async def _look_up(self, draft_id: UUID) -> FirstAnswer | None:
        try:
            async with self._database.session(within=LOOKUP_TIMEOUT) as session:
                return await find_first_answer(session, draft_id)
        except DatabaseUnavailable:
            return None


def hash_install(salt: str, install_id: UUID) -> float:
    """Return an install's place in [0, 1), uniform over installs and independent between salts."""
    digest = hashlib.sha256(f"{salt}/{install_id}".encode()).digest()
    # 53 bits are what a float holds exactly, so that 1 itself can't come out.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def draw_arm(salt: str, share: float, install_id: UUID) -> Arm:
    """Return an install's arm. An install of the challenger's stays with it however much the share grows."""
    return "challenger" if hash_install(salt, install_id) < share else "champion"
