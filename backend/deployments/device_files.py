"""The model for the device: which version is offered, and its file, made once and kept in the data folder."""

import asyncio
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import model.serving
from backend.deployments import registry
from backend.deployments.device_versions import read_device_version
from backend.deployments.tables import Deployment
from model.serving import RegistryError, ReleaseError, device_file

log = logging.getLogger(__name__)

# Files that stay in the folder: the one that is offered, and those offered before, since a version may be rolled back.
MAX_FILES = 3


class NoDeviceFile(Exception):
    """No version's file can be made now; the message says why."""


@dataclass(frozen=True, slots=True)
class DeviceFile:
    """A version's file on the disk, and the sha256 of its content."""

    version: str
    path: Path
    sha256: bytes

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.path.stat().st_size


class DeviceFiles:
    """Makes the files that devices get, each once.

    Args:
        folder: where they are kept; it need not exist.
        shipped: folders of shipped models, the one that serves before the others.
        models_dir: the registry's folder.
    """

    def __init__(self, folder: Path, shipped: Sequence[Path], models_dir: Path) -> None:
        self._folder, self._shipped, self._models_dir = folder, shipped, models_dir
        self._files: dict[str, DeviceFile] = {}
        self._problems: dict[str, str] = {}
        # No file may be made twice at once.
        self._making = asyncio.Lock()

    async def open_newest(self, champions: Sequence[Deployment]) -> DeviceFile:
        """Return the file of the newest version with a device form among the champions, else of a shipped one.

        Args:
            champions: the one that serves, the one that it replaced, and so on.

        Raises:
            NoDeviceFile: none can be made.
        """
        async with self._making:
            for version, folder in self._list_candidates(champions):
                file = self._files.get(version)
                if file is not None and file.path.exists():
                    return file
                try:
                    file = await asyncio.to_thread(self._open, version, folder)
                except (ReleaseError, OSError) as error:
                    if self._problems.get(version) != str(error):
                        log.error("%s can't be offered to devices: %s", version, error)
                    self._problems[version] = str(error)
                    continue
                self._files[version] = file
                return file
        raise NoDeviceFile("; ".join(self._problems.values()) or "no version has a device form")

    def _list_candidates(self, champions: Iterable[Deployment]) -> Iterable[tuple[str, Path]]:
        """Yield the versions with a device form, the one to offer first, and their folders."""
        for deployment in champions:
            try:
                registered = registry.read_version(self._models_dir, deployment.number)
            except RegistryError:
                continue
            if read_device_version(registered.folder) == deployment.model_version:
                yield deployment.model_version, registered.folder
        for folder in self._shipped:
            if version := read_device_version(folder):
                yield version, folder

    def _open(self, version: str, folder: Path) -> DeviceFile:
        """Return a version's file, made now unless it lies in the folder, whole."""
        prefix = f"{version}.{_hash_code()[:16]}."
        for path in self._folder.glob(f"{prefix}*.bin"):
            digest = hashlib.sha256(path.read_bytes()).digest()
            if path.name == f"{prefix}{digest.hex()}.bin":
                return DeviceFile(version, path, digest)
            path.unlink(missing_ok=True)
        content = device_file(folder)
        digest = hashlib.sha256(content).digest()
        path = self._folder / f"{prefix}{digest.hex()}.bin"
        for made in (self._folder.parent, self._folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write(path, content)
        for old in sorted(self._folder.glob("*.bin"), key=os.path.getmtime, reverse=True)[MAX_FILES:]:
            old.unlink(missing_ok=True)
        return DeviceFile(version, path, digest)

    def _write(self, path: Path, content: bytes) -> None:
        """Write a file, whole and on the disk or not at all."""
        descriptor, temporary = tempfile.mkstemp(dir=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise


@cache
def _hash_code() -> str:
    """Return a hash of the code that makes the files: another version of it may make others of the same model."""
    digest = hashlib.sha256()
    for path in sorted(Path(model.serving.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
