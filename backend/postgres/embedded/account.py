"""The system user that PostgreSQL runs as, and what it may reach."""

import logging
import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.postgres.embedded.errors import EmbeddedFailure
from backend.postgres.embedded.posix_acl import grant_traverse
from backend.postgres.embedded.programs import PROGRAMS, ensure_folder_permissions, ensure_user_exists

if sys.platform != "win32":
    import pwd

log = logging.getLogger(__name__)

SYSTEM_USER = "pgserver"


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_us(self) -> bool:
        """Return whether this process runs as this user already."""
        return self.uid == os.geteuid()

    def popen_arguments(self) -> dict[str, Any]:
        """Return the arguments with which `subprocess` runs a program as this user, in an environment of its own."""
        identity = {} if self.is_us else {"user": self.uid, "group": self.gid, "extra_groups": []}
        # PGPORT, PGDATA and their like would change what the programs do; LC_ALL fixes the language of messages and
        # macOS's start, which fails without a locale.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {"env": {**environment, "LC_ALL": "C"}, **identity}


def choose_account(pgdata: Path) -> Account:
    """Return this process's user, or, under root, the owner of the data; `pgserver` for new data.

    Raises:
        EmbeddedFailure: the data belongs to another user, or `pgserver` can't be made.
    """
    uid = os.geteuid()
    owner = pgdata.stat().st_uid if pgdata.exists() else uid
    if uid == 0:
        uid = owner or ensure_system_user()
    elif owner != uid:
        raise EmbeddedFailure(
            f"{pgdata} belongs to {user_name(owner)}: start the service as before, or give it to this user"
            f" with: sudo chown -R {user_name(uid)} '{pgdata.parent}'"
        )
    entry = pwd.getpwuid(uid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def ensure_system_user() -> int:
    """Return the id of the system user `pgserver`, which is made if it is missing. Needs root."""
    try:
        ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedFailure(
            f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER} cannot be made ({error}):"
            " start the service as an ordinary user."
        ) from error
    return pwd.getpwnam(SYSTEM_USER).pw_uid


def user_name(uid: int) -> str:
    """Return the name of a user, or its id where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def grant_access(account: Account, pgdata: Path) -> None:
    """Let another user reach its data and PostgreSQL's programs. Needs root."""
    if account.is_us:
        return
    if not (PROGRAMS / "postgres").stat().st_mode & stat.S_IXOTH:  # installed under a strict umask
        log.info("opening PostgreSQL's programs to %s", account.name)
        ensure_folder_permissions(PROGRAMS.parent, stat.S_IRGRP | stat.S_IROTH)
        ensure_folder_permissions(PROGRAMS, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    for folder in {*pgdata.parents, *PROGRAMS.parents}:
        if not folder.stat().st_mode & stat.S_IXOTH:
            grant_traverse(folder, account.uid)
