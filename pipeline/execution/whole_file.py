"""Files written whole: under another name beside their place, and moved there when they are complete."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

PART = ".part"
"""Suffix of a file that is being written, after the number of the process."""


WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8) if os.name == "nt" else ()
"""Waits before each new try. On Windows a virus scanner or a cloud folder holds a new file for a moment, when it can be
neither moved nor deleted."""


def move(source: Path, target: Path) -> None:
    """Put a file or folder in the place of another. Raises OSError."""
    patiently(partial(os.replace, source, target))


def delete(path: Path) -> None:
    """Delete a file, where there is one. Raises OSError."""
    patiently(partial(path.unlink, missing_ok=True))


def patiently(act: Callable[[], None]) -> None:
    """Call act(); if that is refused, call it again after each of `WAITS_S`. Raises OSError."""
    for seconds in WAITS_S:
        try:
            return act()
        except PermissionError:
            time.sleep(seconds)
    return act()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """The path to write to; when the block ends, the file written takes the place of ``path``. If the block fails,
    ``path`` stays as it was. Raises OSError."""
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        yield part
        move(part, path)
    finally:
        with suppress(OSError):
            delete(part)
