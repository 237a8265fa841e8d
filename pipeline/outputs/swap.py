"""Putting a finished GeoPackage in the place of an older one that another program may have open."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

LOGS = ("-wal", "-shm", "-journal")


def swap_geopackage(raw: Path, path: Path) -> None:
    """Replace ``path`` by the content of ``raw``. Raises sqlite3.OperationalError where another program works on
    ``path``.

    The content is copied by VACUUM: SQLite counts the changes of a file in its header, GDAL makes one more whenever the
    clock ticks between two of its own, and a copy starts the count anew, so that the same results are the same bytes.

    QGIS keeps a log beside a GeoPackage that it has open (path-wal). Under a new file it would be taken for a part of
    that, and break it; one that a crash left behind is first worked in.
    """
    logs = [path.with_name(path.name + end) for end in LOGS]
    if path.exists() and any(log.exists() for log in logs):
        with closing(sqlite3.connect(path, timeout=1)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    for log in logs:
        log.unlink(missing_ok=True)
    part = path.with_suffix(".part.gpkg")
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(raw)) as database:
            database.execute("VACUUM INTO ?", (str(part),))
        os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
