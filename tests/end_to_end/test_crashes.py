"""Kills under load, of the database and of the whole service, and a full disk: what was acknowledged is there, once."""

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from backend.postgres.embedded.cluster import find_processes
from tests.deploy.load import Ledger, write
from tests.end_to_end.process import free_port, get, run, serving
from tests.end_to_end.stored import stored_events

pytestmark = pytest.mark.anyio


async def answers(ledger: Ledger, more: int) -> None:
    """Wait until so many more requests were answered."""
    enough = ledger.answered + more
    async with asyncio.timeout(60):
        while ledger.answered < enough:
            await asyncio.sleep(0.05)


async def test_kills_under_load_lose_nothing_that_was_acknowledged(short_folder: Path) -> None:
    data_dir, port = short_folder / "data", free_port()
    settings: dict[str, Any] = {"TAGALONG_PORT": port, "TAGALONG_MODEL_TIER": "light"}
    ledger, stop = Ledger(), asyncio.Event()
    with serving(data_dir, **settings) as (process, address, _):
        # Without a pause, or a kill may find them all between two requests.
        writers = [asyncio.create_task(write(address, ledger, stop, keep=n < 4, pause=0)) for n in range(6)]
        await answers(ledger, 100)
        for each in find_processes(data_dir / "postgres"):
            each.kill()
        await answers(ledger, 50)
        async with asyncio.timeout(30):
            while (await asyncio.to_thread(get, f"{address}/health/ready"))["database"] == "away":
                await asyncio.sleep(0.1)
        await answers(ledger, 100)
        process.kill()
        process.wait()
    with serving(data_dir, **settings) as (_, address, _):
        await answers(ledger, 100)
        stop.set()
        await asyncio.gather(*writers)
        assert ledger.failed  # else nothing was killed under load
        assert "0 differ or are missing, 0 differ or are surplus" in run(data_dir, "recount").stdout
    stored = await stored_events(data_dir)
    print(f"{ledger.answered} answered, {len(ledger.failed)} failed, {len(ledger.acknowledged)} events acknowledged")
    assert len(stored) == len(set(stored))
    assert set(ledger.acknowledged) <= set(stored)
    assert len(ledger.acknowledged) == len(set(ledger.acknowledged))


@pytest.mark.slow
async def test_a_full_disk_loses_nothing_that_was_acknowledged(short_folder: Path) -> None:
    data_dir = short_folder / "data"
    data_dir.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=150m,mode=0700", "tmpfs", str(data_dir)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    ledger, stop = Ledger(), asyncio.Event()
    try:
        with serving(data_dir, TAGALONG_MODEL_TIER="light") as (_, address, _):
            writers = [asyncio.create_task(write(address, ledger, stop)) for _ in range(4)]
            await answers(ledger, 50)
            ballast = data_dir / "ballast"
            while not ledger.failed:  # events were refused: what is written next finds no room
                fill(ballast, shutil.disk_usage(data_dir).free)
                await asyncio.sleep(0.1)
            assert any("503" in each for each in ledger.failed)
            ballast.unlink()
            await answers(ledger, 200)
            stop.set()
            await asyncio.gather(*writers)
            assert "0 differ or are missing, 0 differ or are surplus" in run(data_dir, "recount").stdout
        stored = await stored_events(data_dir)
    finally:
        subprocess.run(["umount", "-l", str(data_dir)], check=True)
    print(f"{ledger.answered} answered, {len(ledger.failed)} failed, {len(ledger.acknowledged)} events acknowledged")
    assert set(ledger.acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))


def fill(ballast: Path, free: int) -> None:
    """Take up so much more of the disk."""
    with ballast.open("ab") as file, suppress(OSError):
        os.posix_fallocate(file.fileno(), ballast.stat().st_size, max(free, 1))
