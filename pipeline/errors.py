"""The errors a user can mend. Each message is one sentence: what, where, and what to do."""

import errno
import os
from pathlib import Path

LONGEST_PATH = 259
"""Longest path, in characters, that Windows opens unless long paths are enabled."""


class SinkmapError(Exception):
    """Base of all errors shown to the user without a traceback; ``exit_code`` ends the command."""

    exit_code = 1


class ConfigError(SinkmapError):
    """The configuration or a coefficient file is wrong."""

    exit_code = 2


class ZoneError(SinkmapError):
    """The zone boundaries or the forest stands are wrong; ``zh`` says it in Chinese, where that is known."""

    exit_code = 3

    def __init__(self, message: str, zh: str = "") -> None:
        super().__init__(message)
        self.zh = zh or message


class SceneError(SinkmapError):
    """A scene cannot be used: unreadable, of unknown scale, or not surface reflectance."""

    exit_code = 4


class AwayError(SceneError):
    """A file of a scene cannot be read at present, because it, its drive or its network is gone. This says nothing of
    its content: the next run tries the scene again."""


class OutputError(SinkmapError):
    """A result cannot be written: read-only folder, full disk, file open in another program."""

    exit_code = 5


class PartialError(SinkmapError):
    """Some zones could not be computed; the results of the others are there."""

    exit_code = 6


class PlotError(SinkmapError):
    """The field plots are wrong, too few, or match no scene."""

    exit_code = 7


def too_long(path: str | Path) -> str:
    """What to do about a path that is too long for Windows; empty on other systems and for shorter paths."""
    if os.name != "nt" or len(os.path.abspath(path)) <= LONGEST_PATH:
        return ""
    return f"its path is longer than the {LONGEST_PATH} characters that Windows opens: use a shorter folder"


def away(scene: str, path: str, error: OSError) -> AwayError:
    """The error for a file of a scene that the system does not open."""
    mend = too_long(path) or "see that it is there, then run again"
    return AwayError(f"scene {scene}: {path} cannot be read now ({error}); {mend}")


def os_error_sentence(error: OSError, where: Path | str) -> str:
    """A sentence about the error of the operating system while writing to ``where``."""
    place = error.filename2 or error.filename or where
    if error.errno == errno.ENOSPC:
        return f"{place}: the disk is full; free space and run again, finished work is kept"
    mend = "free space or check the permissions there, then run again"
    if isinstance(error, PermissionError):
        mend = "close it in other programs or check the permissions there, then run again"
    return f"{place}: {error.strerror or error}; {too_long(place) or mend}"
