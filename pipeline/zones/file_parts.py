"""The files of an input that consists of more than one: a shapefile, a FileGDB, which is a folder, or a GeoPackage that
a GIS program has open."""

from pathlib import Path

OF_SHAPEFILE = frozenset((".shp", ".shx", ".dbf", ".prj", ".cpg"))
"""Files of a shapefile that are read: GIS programs put further files beside it, and staff may add a workbook of the
same name."""

LOG = "-wal"
"""Suffix of the log that SQLite writes beside an open GeoPackage: saved edits stay in it until all programs close the
file."""


def parts_of(path: Path) -> list[Path]:
    """The files on disk that belong to the input ``path``, sorted; empty where there is none."""
    near = path.rglob("*") if path.is_dir() else path.parent.glob("*")
    return sorted(file for file in near if file.is_file() and is_part(file, path) and not _is_empty_log(file))


def is_part(file: Path, path: Path) -> bool:
    """Whether ``file`` belongs to the input ``path``: it is the file itself, the log of the same GeoPackage, another of
    the same shapefile, or lies in the folder, without the locks of programs that have a FileGDB open."""
    if path.suffix.lower() == ".shp":
        return file.suffix.lower() in OF_SHAPEFILE and file.with_suffix("") == path.with_suffix("")
    return file in (path, path.with_name(path.name + LOG)) or (path in file.parents and file.suffix != ".lock")


def _is_empty_log(file: Path) -> bool:
    """Whether the log holds no edit; a program that only reads leaves such a log while it runs."""
    return file.name.endswith(LOG) and file.stat().st_size == 0
