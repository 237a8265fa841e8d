"""Deliverables written whole, also while another program has the older file open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipeline.errors import OutputError
from pipeline.execution.whole_file import delete, whole

LOGS = ("-wal", "-shm", "-journal")


@contextmanager
def swapped(path: Path, mend: str = "close it or free disk space") -> Iterator[Path]:
    """The path to write to; when the block ends, what was written takes the place of ``path``, whole or not at all.
    Raises OutputError, whose sentence ends with ``mend``: what to do."""
    raw = path.with_name(f"{path.stem}.raw.gpkg")
    try:
        with whole(path) as part:
            if path.suffix == ".gpkg":
                delete(raw)
                yield raw
                _put_away_logs(path)
                _copy_geopackage(raw, part)
            else:
                yield part
    except (OSError, sqlite3.Error, RuntimeError) as error:  # pyogrio raises RuntimeErrors
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written ({reason}); {mend}") from error
    finally:
        with suppress(OSError):
            delete(raw)


def _put_away_logs(path: Path) -> None:
    """Make a GeoPackage ready to be replaced. Raises sqlite3.OperationalError where another program works on it.

    QGIS keeps a log beside a GeoPackage that it has open (path-wal). Beside a new file it would be taken for a part of
    that file, and damage it; a log that a crash left behind is first merged.
    """
    logs = [path.with_name(path.name + end) for end in LOGS]
    if path.exists() and any(log.exists() for log in logs):
        with closing(sqlite3.connect(path, timeout=1)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    for log in logs:
        delete(log)


def _copy_geopackage(raw: Path, part: Path) -> None:
    """Copy by VACUUM, so that the same results give the same bytes: SQLite counts the changes of a file in its header,
    GDAL makes one more whenever the clock ticks between two of its own, and a copy starts the count anew."""
    delete(part)
    with closing(sqlite3.connect(raw)) as database:
        database.execute("VACUUM INTO ?", (str(part),))
