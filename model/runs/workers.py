"""Worker processes that end with the command that started them: without a traceback of theirs, or a wait for them."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context, parent_process
from typing import Any


@contextmanager
def workers(
    processes: int, start: Callable[..., None] | None = None, given: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of so many processes for the block; if an exception ends it, they end at once, whatever they do.

    Tasks are to be submitted, not mapped: a stopped ``map`` cancels its tasks by itself, and Python 3.11 hangs where
    processes end with cancelled tasks before them (its ``terminate_broken`` raises InvalidStateError).

    Args:
        start: called with ``given`` in each process before its first task.
    """
    others = active_children()
    # spawn: polars and ONNX Runtime have threads of their own, and a process forked from them may never end.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (start, given))
    try:
        with _interrupt_put_off():
            # Each task that finds no process waiting starts one, and a process takes long to start.
            for _ in range(processes):
                pool.submit(_nothing)
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
def _interrupt_put_off() -> Iterator[None]:
    """Put off Ctrl-C to the end of the block, and keep it from the processes that are started in it for good.

    A terminal sends it to all of them. They take over what this thread blocks; another thread of ours may still get it.
    """
    came = threading.Event()
    is_main = threading.current_thread() is threading.main_thread()  # only that one may set a handler, or gets Ctrl-C
    handler = signal.signal(signal.SIGINT, lambda *_: came.set()) if is_main else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if is_main:
            signal.signal(signal.SIGINT, handler)
    if came.is_set():
        raise KeyboardInterrupt


def _begin(start: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if start is not None:
        start(*given)


def _end_with_parent() -> None:
    """End this process when its parent does, as one that is killed: nobody else would tell it."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _nothing() -> None:
    """Give a process a reason to start."""
