"""Ten minutes at four fifths of the capacity: no leak, nothing lost. See `soak.py`."""

from pathlib import Path

import pytest

from tests.end_to_end.soak import soak

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_ten_minutes_of_work_leak_nothing_and_lose_nothing(short_folder: Path) -> None:
    soaked = await soak(short_folder / "data", 600)
    print(soaked)
    assert (soaked.lost, soaked.doubled, soaked.failed) == (0, 0, 0)
    assert "0 differ or are missing, 0 differ or are surplus" in soaked.recount
    # On a machine that does other things besides, four fifths of before may be too much now.
    assert soaked.refused_as_overload + soaked.unrecorded < soaked.requests / 20
    # A leak of a few hundred bytes a request would show: there are some 100 requests a second.
    assert soaked.growth_mb_a_minute < 1.0
