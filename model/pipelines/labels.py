"""Which names of labels can be tags."""

import re
from typing import Final

_TAG: Final = re.compile(r"[a-z0-9.+#-]{1,35}")


def is_tag(name: str) -> bool:
    """Return whether a label can be a tag of the site: 1 to 35 of the characters a-z 0-9 . + # -."""
    return _TAG.fullmatch(name) is not None
