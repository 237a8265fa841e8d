"""Putting a finished GeoPackage in the place of an older one that another program may have open."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

LOGS = ("-wal", "-shm", "-journal")


def swap_geopackage(part: Path, path: Path) -> None:
    """Replace ``path`` by ``part``. Raises sqlite3.OperationalError where another program works on ``path``.

    QGIS keeps a log beside a GeoPackage that it has open (path-wal). Under a new file it would be taken for a part of
    that, and break it; one that a crash left behind is first worked in.
    """
    logs = [path.with_name(path.name + end) for end in LOGS]
    if path.exists() and any(log.exists() for log in logs):
        with closing(sqlite3.connect(path, timeout=1)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    for log in logs:
        log.unlink(missing_ok=True)
    os.replace(part, path)
