"""What all contenders share: timing, and how they return their answer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import psutil

ROOT = Path(__file__).parent.parent


def measured(job: Path, work: Callable[[], dict | None]) -> dict:
    """Time of ``work()`` and peak memory of this process, with its return value.

    The inputs are read once before the clock starts, so that the page cache is warm for every contender, and files of
    earlier contenders are flushed to disk.
    """
    for file in sorted((job / "scenes").rglob("*.tif")):
        with file.open("rb") as stream:
            while stream.read(1 << 22):
                pass
    if hasattr(os, "sync"):
        os.sync()
    # a virtual machine is given its memory when it first touches it: not at the cost of who comes first, neither for
    # arrays nor for the pages of the files that are written
    subprocess.run([sys.executable, "-c", "b'x' * (3 << 30)"], check=True)
    return timed(work) | {"peak_gib": peak_gib()}


def timed(work: Callable[[], dict | None]) -> dict:
    """Seconds and CPU seconds of ``work()``, with its return value."""
    start, cpu = perf_counter(), process_time()
    found = work() or {}
    return {"seconds": perf_counter() - start, "cpu": process_time() - cpu, **found}


def peak_gib() -> float:
    """Peak resident memory of this process so far, GiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**30
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def answer(result: dict) -> None:
    """Pass the result to run.py, as the last line of the output."""
    print(json.dumps(result))
