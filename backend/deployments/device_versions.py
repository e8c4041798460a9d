"""The versions that devices may answer with: what they can suggest is known without loading their graphs.

A device goes on with its version when the service has a newer one. So what a version can suggest is kept in the
database as soon as this service ships it or has it in its registry.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from backend.deployments.tables import DeviceVersion
from backend.postgres.database import Database
from model.serving import Classifier, RegistryError, ReleaseError, name_in_use, read_manifest, version_numbers

log = logging.getLogger(__name__)

# How often the registry is looked through for new versions. Seconds.
FIND_EVERY = 60.0

# Vocabularies of so many versions stay in memory, some 2 MB each.
MAX_REMEMBERED = 8

# The tier that has a device form.
DEVICE_TIER = "light"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a version can suggest, and for which sites."""

    sites: frozenset[str]
    tags: frozenset[str]

    def knows(self, tag: str) -> bool:
        """Return whether a tag can be one of the version's, under its own name or the one that is in use now."""
        return tag in self.tags or name_in_use(tag) in self.tags


class DeviceVersions:
    """Knows what each version with a device form can suggest.

    Args:
        database: where vocabularies are kept.
        shipped: folders of shipped models.
        models_dir: the registry's folder.
    """

    def __init__(self, database: Database, shipped: Collection[Path], models_dir: Path) -> None:
        self._database, self._models_dir = database, models_dir
        self._shipped = {version: folder for folder in shipped if (version := read_device_version(folder))}
        self._remembered: OrderedDict[str, Vocabulary] = OrderedDict()
        self._unreadable: set[str] = set()

    async def record_new_versions(self) -> None:
        """Record what the versions on the disk can suggest, where the database has it not yet.

        Raises:
            DatabaseUnavailable: it is tried again later.
        """
        folders = self._shipped | await asyncio.to_thread(lambda: dict(find_device_versions(self._models_dir)))
        async with self._database.session() as session:
            known = await session.scalars(select(DeviceVersion.version).where(DeviceVersion.version.in_(folders)))
            missing = folders.keys() - set(known)
        for version in sorted(missing):
            try:
                vocabulary = await asyncio.to_thread(read_vocabulary, version, folders[version])
            except ReleaseError as error:
                if version not in self._unreadable:
                    log.error("what %s can suggest is not known: %s", version, error)
                self._unreadable.add(version)
                continue
            row = {"version": version, "sites": sorted(vocabulary.sites), "tags": sorted(vocabulary.tags)}
            async with self._database.session() as session:
                await session.execute(insert(DeviceVersion).values(row).on_conflict_do_nothing())

    async def find(self, versions: Collection[str]) -> Mapping[str, Vocabulary]:
        """Return the vocabularies of those of some versions that this service knows.

        Raises:
            DatabaseUnavailable: a version that is not remembered can't be looked up now.
        """
        vocabularies = {}
        for version in versions:
            vocabulary = self._remembered.get(version) or await self._look_up(version)
            if vocabulary is None:
                continue
            vocabularies[version] = self._remembered[version] = vocabulary
            self._remembered.move_to_end(version)
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return vocabularies

    async def _look_up(self, version: str) -> Vocabulary | None:
        async with self._database.session() as session:
            row = await session.get(DeviceVersion, version)
        if row is not None:
            return Vocabulary(frozenset(row.sites), frozenset(row.tags))
        # Shipped, and not recorded yet, since the database was unavailable at the start.
        if version in self._shipped:
            return await asyncio.to_thread(read_vocabulary, version, self._shipped[version])
        return None


@lru_cache(maxsize=MAX_REMEMBERED)
def read_vocabulary(version: str, folder: Path) -> Vocabulary:
    """Return what a version can suggest; its name is that of its content, so it is read once.

    Raises:
        ReleaseError: its files are not whole.
    """
    classifier = Classifier.load(folder)
    if classifier.version != version:
        raise ReleaseError(f"{folder} holds {classifier.version}, not {version}.")
    return Vocabulary(classifier.sites, classifier.known)


def find_device_versions(models_dir: Path) -> Iterator[tuple[str, Path]]:
    """Yield the registered versions that have a device form, and their folders."""
    try:
        numbers = version_numbers(models_dir)
    except RegistryError:
        return
    for number in numbers:
        folder = models_dir / str(number)
        if version := read_device_version(folder):
            yield version, folder


def read_device_version(folder: Path) -> str | None:
    """Return the name of the version in a folder, or None if there is none or it has no device form."""
    try:
        manifest = read_manifest(folder)
    except ReleaseError:
        return None
    return str(manifest["version"]) if manifest["tier"] == DEVICE_TIER else None
