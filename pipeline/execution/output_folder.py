"""The folder of a run: writable, and in the hands of one run at a time."""

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from time import sleep, time

import psutil

from pipeline.errors import OutputError, os_error_sentence
from pipeline.execution.whole_file import delete

LOCK = "run.lock"
BEING_WRITTEN_S = 2
"""A lock without content that is older than this counts as damaged."""

CLOCK_STEP_S = 120
"""Start times of a process that differ by less are the same start: the system computes them from a clock that may be
set."""


def writable_folder(folder: Path) -> Path:
    """Make the folder and test whether it can be written. Raises OutputError if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test-{os.getpid()}"
        try:
            probe.write_bytes(b"x")
        finally:
            delete(probe)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror}); choose another folder with --out"
        ) from error
    return folder


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process until the block ends. Raises OutputError that names who holds it already.

    The lock is a file that says process, host and time. The lock of a dead process, as after a crash, is taken over.
    Whether a process on another host still runs cannot be known here, so its lock is left to the user.
    """
    lock = writable_folder(folder) / LOCK
    while not _set(lock):
        holder = _holder(lock)
        if holder is None and _age_s(lock) < BEING_WRITTEN_S:
            sleep(0.05)
        elif holder is None or _is_dead(holder):
            _take_away(lock, holder)
        else:
            raise OutputError(
                f"{folder.parent}: another run holds it (process {holder['pid']} on {holder['host']}, since "
                f"{holder['since']}); wait until it ends, or if it is gone for good delete {lock}"
            )
    try:
        yield
    finally:
        holder = _holder(lock) or {}
        if (holder.get("pid"), holder.get("host")) == (os.getpid(), socket.gethostname()):
            with suppress(OSError):
                delete(lock)


PLACES = (
    *(f"{year}{place}" for year in ("", "[0-9]*/") for place in ("", "zones/*/", "exports/")),
    *("coefficients/", "work/", "work/*/", "work/stac/*/", "work/stac/*/*/"),
)
"""Where the run writes, the results of a year included."""

LEFTOVERS = (
    "*.part", "*.part-journal", "*.raw.tif", "*.raw.tif.aux.xml", "*.raw.gpkg", "*.raw.gpkg-journal", ".write-test-*",
    f"{LOCK}.{escape(socket.gethostname())}-*",
)  # fmt: skip
"""Names of files that are being written, and of a lock that is being removed here."""


def clear_leftovers(folder: Path) -> None:
    """Delete what a killed run was still writing in ``folder``."""
    for pattern in (f"{place}{name}" for place in PLACES for name in LEFTOVERS):
        for left in folder.glob(pattern):
            if not _is_being_written(left.name):
                with suppress(OSError):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_being_written(name: str) -> bool:
    """Whether another running process has the number at the end of the name."""
    number = re.search(r"[.-](\d+)(\.part(-journal)?)?$", name)
    return number is not None and int(number[1]) != os.getpid() and psutil.pid_exists(int(number[1]))


def _set(lock: Path) -> bool:
    """Make the lock, unless there is one."""
    try:
        with lock.open("x", encoding="utf-8") as file:
            since = datetime.fromtimestamp(psutil.Process().create_time(), UTC).isoformat(timespec="seconds")
            json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": since}, file)
    except FileExistsError:
        return False
    except OSError as error:
        raise OutputError(os_error_sentence(error, lock)) from error
    return True


def _holder(lock: Path) -> dict | None:
    """Who holds the lock; None where it is gone, damaged, or only just being written."""
    try:
        holder = json.loads(lock.read_text(encoding="utf-8"))
        return {"pid": int(holder["pid"]), "host": str(holder["host"]), "since": str(holder["since"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _age_s(lock: Path) -> float:
    """Seconds between the time of the lock and now; it may lie in the future after a clock was set back."""
    try:
        return abs(time() - lock.stat().st_mtime)
    except OSError:
        return 0.0


def _is_dead(holder: dict) -> bool:
    """Whether the holder ran on this host and has ended. Another process that now has its number started later."""
    if holder["host"] != socket.gethostname():
        return False
    try:
        started = psutil.Process(holder["pid"]).create_time()
        return abs(started - datetime.fromisoformat(holder["since"]).timestamp()) > CLOCK_STEP_S
    except (psutil.Error, ValueError, TypeError):
        return True


def _take_away(lock: Path, seen: dict | None) -> None:
    """Remove the lock that was ``seen``; one that another run has set in the meantime is put back."""
    aside = lock.with_name(f"{lock.name}.{socket.gethostname()}-{os.getpid()}")
    with suppress(FileNotFoundError):
        os.rename(lock, aside)
        if _holder(aside) == seen:
            aside.unlink()
        else:
            os.rename(aside, lock)
