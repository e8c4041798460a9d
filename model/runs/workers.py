"""Worker processes that end with the command that started them, at once and without a traceback."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any


@contextmanager
def worker_pool(
    processes: int, start: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of processes; if an exception ends the block, they end at once, whatever they do.

    Tasks are to be submitted, not mapped: a stopped ``map`` cancels its tasks by itself, and Python 3.11 hangs where
    processes end with cancelled tasks before them (its ``terminate_broken`` raises InvalidStateError).

    Args:
        start: called with ``arguments`` in each process before its first task.
    """
    others = active_children()
    # spawn: polars and ONNX Runtime have threads of their own, and a process forked from them may never end.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (start, arguments))
    try:
        with _defer_interrupt():
            # Each task that finds no process waiting starts one, and a process takes long to start.
            for _ in range(processes):
                pool.submit(_do_nothing)
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown()


@contextmanager
def _defer_interrupt() -> Iterator[None]:
    """Defer Ctrl-C to the end of the block, and block it for good in the processes that are started in it.

    A terminal sends it to all of them. They inherit what this thread blocks; another thread of ours may still get it.
    """
    interrupted = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()  # only that one may set a handler, or gets Ctrl-C
    handler = signal.signal(signal.SIGINT, lambda *_: interrupted.set()) if is_main else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if is_main:
            signal.signal(signal.SIGINT, handler)
    if interrupted.is_set():
        raise KeyboardInterrupt


def _begin(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*arguments)


def _end_with_parent() -> None:
    """End this process when its parent ends, even if that is killed and cannot say so."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do_nothing() -> None:
    """Do nothing, so that a process has a reason to start."""
