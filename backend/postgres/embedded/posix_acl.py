"""POSIX access control lists, written as the extended attribute that acl(5) and linux/posix_acl_xattr.h describe.

Python's library has no call for them, and neither `setfacl` nor libacl is everywhere, least of all in a container.
The attribute is a version, then entries of kind, rights and user or group, sorted; without it, the folder's mode says
the same.
"""

import errno
import os
import stat
import struct
from pathlib import Path

ACCESS_LIST = "system.posix_acl_access"
VERSION_2 = struct.pack("<I", 2)
ENTRY = "<HHI"

OWNER, USER, GROUP, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
NO_ID = 0xFFFFFFFF


def grant_traverse(folder: Path, uid: int) -> None:
    """Let one user pass through a folder, but not list it: by its access control list, else by mode o+x."""
    mode = folder.stat().st_mode
    try:
        try:
            entries = list(struct.iter_unpack(ENTRY, os.getxattr(folder, ACCESS_LIST)[4:]))
        except OSError as error:
            if error.errno != errno.ENODATA:
                raise
            entries = [(OWNER, mode >> 6 & 7, NO_ID), (GROUP, mode >> 3 & 7, NO_ID), (OTHERS, mode & 7, NO_ID)]
        rights = {(kind, number): right for kind, right, number in entries}
        rights[USER, uid] = rights.get((USER, uid), 0) | 1
        # The mask bounds what named users and groups may do.
        rights[MASK, NO_ID] = rights.get((MASK, NO_ID), rights[GROUP, NO_ID]) | 1
        packed = (struct.pack(ENTRY, kind, right, number) for (kind, number), right in sorted(rights.items()))
        os.setxattr(folder, ACCESS_LIST, VERSION_2 + b"".join(packed))
    except (AttributeError, OSError):  # macOS's Python has no such call; not every file system has lists
        folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
