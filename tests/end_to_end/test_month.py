"""A simulated month, shortened to six days; the whole of it is slow."""

import asyncio
from pathlib import Path

import pytest

from tests.end_to_end.month import MONTH, SHORTENED, Month, Plan


def live(plan: Plan, seed: int, folder: Path, **settings: str) -> None:
    month = Month(plan, seed, folder / "data", settings)
    asyncio.run(month.live())
    print(month.report())


def test_a_better_version_becomes_champion_and_a_worse_and_a_broken_one_do_not(
    short_folder: Path, database_url: str
) -> None:
    live(SHORTENED, 7, short_folder, TAGALONG_DATABASE_URL=database_url.replace("+asyncpg", ""))


@pytest.mark.slow
def test_a_whole_month_on_the_embedded_database(short_folder: Path) -> None:
    live(MONTH, 20261120, short_folder)
