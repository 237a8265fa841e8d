"""Ctrl-C reaches every process of a terminal. Those that a run has started ignore it and wait for the run to end them:
else each would print a traceback of its own."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker


@contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes started in the block never receive Ctrl-C; this process receives it when the block ends. Windows passes
    no such mask on: there the processes have to `ignore` it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # where it has to be started, that takes the mask away again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Leave Ctrl-C to the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def dask_setup(worker: object) -> None:
    """`ignore` in a Dask worker, which calls the function of this name in every module that it preloads."""
    ignore()
