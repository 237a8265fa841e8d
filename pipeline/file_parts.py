"""Which files an input consists of, where it is more than one: a shapefile, or a FileGDB, which is a folder."""

from pathlib import Path

OF_SHAPEFILE = frozenset((".shp", ".shx", ".dbf", ".prj", ".cpg"))
"""What is read of a shapefile: GIS programs put further files beside it, and staff a workbook of its name."""


def parts_of(path: Path) -> list[Path]:
    """The files on disk that belong to the input ``path``, sorted; empty where there is none."""
    near = path.rglob("*") if path.is_dir() else path.parent.glob("*")
    return sorted(file for file in near if file.is_file() and is_part(file, path))


def is_part(file: Path, path: Path) -> bool:
    """Whether ``file`` belongs to the input ``path``: it is the file itself, another of the same shapefile, or lies in
    the folder, without the locks of programs that have a FileGDB open."""
    if path.suffix.lower() == ".shp":
        return file.suffix.lower() in OF_SHAPEFILE and file.with_suffix("") == path.with_suffix("")
    return path == file or (path in file.parents and file.suffix != ".lock")
