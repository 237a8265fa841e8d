"""What a result depends on: content keys and marks of units of work, checksums of inputs, versions."""

import hashlib
import json
import os
import platform
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rasterio
import xxhash

from pipeline.execution.cores import available_cores
from pipeline.execution.json_file import read_json, write_json
from pipeline.execution.whole_file import delete

PACKAGE = Path(__file__).parents[1]
LIBRARIES = (
    "rasterio",
    "odc-loader",
    "odc-geo",
    "exactextract",
    "numpy",
    "zarr",
    "geopandas",
    "shapely",
    "pyproj",
    "dask",
)


def content_key(*parts: Any) -> str:
    """Key of a unit of work: a digest of all that its result depends on (JSON values, in order)."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def key_parts(**parts: Any) -> dict[str, str]:
    """Key of a unit of work, by part: a digest of everything it depends on in each part, so that a mark can say which
    part changed."""
    return {name: content_key(part)[:16] for name, part in parts.items()}


@cache
def code_key(*modules: str) -> str:
    """Digest of the source of modules of the package: results are redone when their code changes."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update((PACKAGE / module).with_suffix(".py").read_bytes())
    return digest.hexdigest()[:16]


UNREADABLE = "unreadable"
"""Stands in place of the checksum of a file that cannot be read now; it is not remembered."""


class Checksums:
    """xxh3-128 of files. A file with the size and time remembered in ``memory`` is not read again."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        known = read_json(memory)
        self._known: dict[str, list] = known if isinstance(known, dict) else {}

    def stamps(self, paths: list[str]) -> dict[str, str]:
        """Size and time of each path that `of` was asked for, from before its checksum was computed."""
        return {path: self._known[path][0] for path in paths}

    def of(self, paths: list[str]) -> dict[str, str]:
        """Checksum of each path; `UNREADABLE` where a file cannot be read now (its reader will say why)."""
        stale = [path for path in paths if self._known.get(path, [None])[0] != stamp(path)]
        with ThreadPoolExecutor(available_cores()) as pool:
            for path, entry in zip(stale, pool.map(checksum, stale), strict=True):
                self._known[path] = entry
        if stale:
            write_json(self._memory, {path: entry for path, entry in self._known.items() if entry[1] != UNREADABLE})
        return {path: self._known[path][1] for path in paths}


def stamp(path: str) -> str:
    """Size and time of a file, which change when it is replaced; "missing" if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return "missing"
    return f"{status.st_size}-{status.st_mtime_ns}"


def checksum(path: str) -> list[str]:
    """Stamp and checksum of a file, `UNREADABLE` where it cannot be read."""
    when = stamp(path)
    try:
        with open(path, "rb") as file:
            return [when, hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()]
    except OSError:
        return [when, UNREADABLE]


FILES = "result files"
"""Name of the part of a mark that holds stamp and checksum of the files."""


class Marks:
    """Completion marks: the key that each finished unit had, one small file each, written last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def why_stale(self, unit: str, key: dict[str, str], *files: Path) -> list[str]:
        """Why the unit has to be done: ["new"], the names of the `key_parts` that changed, ["file missing"], or
        ["file damaged"] if a file has other content than when it was finished, such as an older copy put back. Empty
        if the unit was finished with this key and its ``files`` are as they were; a file whose size and time are
        unchanged is not read."""
        done = self.read(unit)
        if not isinstance(done, dict):
            return ["new"]
        finished = done.pop(FILES, {})
        changed = [part for part in {**key, **done} if key.get(part) != done.get(part)]
        if changed or all(_is_still(file, finished.get(file.name)) for file in files):
            return changed
        return ["file damaged"] if all(file.is_file() for file in files) else ["file missing"]

    def read(self, unit: str) -> Any:
        """The mark of the unit, None if there is none or it cannot be read."""
        return read_json(self.folder / f"{unit}.json")

    def take_back(self, unit: str) -> None:
        """Remove a unit's mark, before its result is touched: a change that is stopped half way and then undone
        must not find the old mark on a new result."""
        delete(self.folder / f"{unit}.json")

    def forget(self, pattern: str = ".*") -> None:
        """Take back the marks of units whose whole name matches a pattern: a zone F1_sink begins like a raster of the
        zone F1."""
        for file in self.folder.glob("*.json"):
            if re.fullmatch(pattern, file.stem):
                delete(file)

    def write(self, unit: str, key: Any, *files: Path) -> None:
        """Mark a unit as finished with this key and these ``files``."""
        finished = {FILES: {file.name: checksum(str(file)) for file in files}} if files else {}
        write_json(self.folder / f"{unit}.json", key | finished if finished else key)


def _is_still(file: Path, finished: list[str] | None) -> bool:
    """Whether a file still has the stamp or the checksum in its mark."""
    now = stamp(str(file))
    if not finished or now == finished[0]:
        return bool(finished)
    same_size = now.partition("-")[0] == finished[0].partition("-")[0]
    return same_size and checksum(str(file))[1] == finished[1]


def versions() -> dict[str, str]:
    """Versions of Python, sinkmap, GDAL and the libraries that touch numbers."""
    from pipeline import __version__

    return {
        "sinkmap": __version__,
        "python": platform.python_version(),
        "gdal": rasterio.__gdal_version__,
        **{name: version(name) for name in LIBRARIES},
    }


@cache
def installed() -> dict[str, str]:
    """What two processes must have in common for the same results: `versions`, with Python as major.minor, and a digest
    of the package's code. Cached, since a source file that is replaced later is not the code that runs."""
    modules = sorted(file.relative_to(PACKAGE).with_suffix("").as_posix() for file in PACKAGE.rglob("*.py"))
    return versions() | {"python": platform.python_version().rpartition(".")[0], "sinkmap code": code_key(*modules)}
