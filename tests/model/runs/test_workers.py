"""Worker processes end with their command, however that ends, and say nothing of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from model.runs.workers import worker_pool

AT_WORK = """
import signal
import time
from pathlib import Path
from model.runs.workers import worker_pool

def work(seconds):
    time.sleep(seconds)

if __name__ == "__main__":
    # Started in the background of a shell script, it would ignore what a terminal sends.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with worker_pool(2) as pool:
        tasks = [pool.submit(work, 60) for _ in range(9)]
        print("at work", flush=True)
        tasks[0].result()
"""


def test_tasks_are_done_by_other_processes_and_start_once_in_each() -> None:
    with worker_pool(2, os.chdir, ("/",)) as pool:
        tasks = [pool.submit(os.getcwd) for _ in range(5)]
        assert [task.result() for task in tasks] == ["/"] * 5
        assert pool.submit(os.getpid).result() != os.getpid()


@pytest.mark.parametrize(
    ("sign", "after"),
    [(signal.SIGINT, 0.0), (signal.SIGINT, 1.0), (signal.SIGKILL, 1.0)],
    ids=["interrupted while they start", "interrupted while they work", "killed while they work"],
)
def test_they_end_with_their_command_at_once_and_in_silence(tmp_path: Path, sign: signal.Signals, after: float) -> None:
    script = tmp_path / "at_work.py"
    script.write_text(AT_WORK)
    command = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "at work\n"
    time.sleep(after)
    # As a terminal does it: to all of them; what kills is sent to the command alone.
    (os.killpg if sign == signal.SIGINT else os.kill)(command.pid, sign)
    _, told = command.communicate(timeout=120)  # its end is that of all who hold its standard error
    assert told.count("Traceback") <= 1
    assert "SpawnProcess" not in told
    assert ("KeyboardInterrupt" in told) == (sign == signal.SIGINT)
