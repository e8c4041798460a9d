"""Which arm an install is in: drawn by a salted hash, so that every replica draws the same and nothing is looked up."""

import hashlib
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Arm = Literal["champion", "challenger"]


@dataclass(frozen=True, slots=True)
class Exposure:
    """What an answer notes of the challenger's deployment it belongs to: the install's arm, and the share then."""

    deployment_id: UUID
    arm: Arm
    share: float


@dataclass(frozen=True, slots=True)
class Begun:
    """The version of a draft's first answer, and the challenger's deployment that it took part in, if any."""

    version: str
    deployment_id: UUID | None


def point(salt: str, install_id: UUID) -> float:
    """An install's place in [0, 1), uniform over installs, and independent between salts."""
    digest = hashlib.sha256(f"{salt}/{install_id}".encode()).digest()
    # 53 bits are what a float holds exactly, so that 1 itself can't come out.
    return (int.from_bytes(digest[:8], "big") >> 11) / 2**53


def draw(salt: str, share: float, install_id: UUID) -> Arm:
    """An install's arm. One of the challenger's installs stays with it however much the share grows."""
    return "challenger" if point(salt, install_id) < share else "champion"
