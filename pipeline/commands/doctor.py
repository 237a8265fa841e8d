"""Is the installation sound? One remark for each thing examined: what was found and, if it is wrong, what to do."""

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyogrio
import pyproj
import rasterio

from pipeline import STRAY_DATA
from pipeline.errors import OutputError
from pipeline.execution.output_folder import writable_folder

RASTER_DRIVERS = {"COG": "write", "GTiff": "write", "JP2OpenJPEG": "read", "HDF5": "read", "HDF4": "read"}
OPTIONAL_DRIVERS = {"HDF4": "pyhdf reads MODIS .hdf files", "HDF5": "h5py reads VIIRS .h5 files"}
"""GDAL drivers that may be missing, since another library reads these files."""
VECTOR_DRIVERS = ("GPKG", "ESRI Shapefile", "OpenFileGDB", "GeoJSON")
EVERY_SHEET = "碳汇片区森林草原湿地"
"""Characters that every sheet needs."""
MIN_MEMORY, MIN_DISK = 2 << 30, 5 << 30


@dataclass(frozen=True)
class Remark:
    """One thing examined: its name, what was found and, if it is not ``ok``, what to do."""

    what: str
    found: str
    ok: bool = True
    advice: str = ""


def examine(out: Path) -> Iterator[Remark]:
    """Remarks on the installation and on the output folder ``out``."""
    yield Remark("Python", f"{platform.python_version()} in {sys.prefix}", (3, 11) <= sys.version_info[:2] < (3, 14),
                 "install Python 3.11 to 3.13")  # fmt: skip
    yield Remark("GDAL", f"rasterio {rasterio.__gdal_version__}, pyogrio {pyogrio.__gdal_version_string__}")
    yield _transformation()
    yield from _environment()
    yield from _drivers()
    yield _fonts()
    yield _writing(out)
    memory = psutil.virtual_memory().available
    yield Remark("memory", f"{memory / 2**30:.1f} GiB free", memory >= MIN_MEMORY,
                 "close other programs, or run with --workers 1 and a smaller grid.tile_px")  # fmt: skip
    if there := next((place for place in (out, *out.parents) if place.is_dir()), None):
        disk = psutil.disk_usage(str(there)).free
        yield Remark(
            "disk", f"{disk / 2**30:.1f} GiB free at {out}", disk >= MIN_DISK,
            "free space or choose another disk with --out; sinkmap plan says how much a run takes",
        )  # fmt: skip


def _transformation() -> Remark:
    """Whether PROJ and its database transform a place with known coordinates correctly."""
    advice = "install the packages of requirements.lock again; unset PROJ_DATA"
    try:
        move = pyproj.Transformer.from_crs("EPSG:4490", "EPSG:32649", always_xy=True)
        east, north = move.transform(111.0, 40.0)
        good = abs(east - 500_000) < 1e-3 and abs(north - 4_427_757.2189) < 0.01
    except pyproj.exceptions.ProjError as error:
        return Remark("PROJ", f"{pyproj.proj_version_str} cannot transform ({error})", False, advice)
    return Remark("PROJ", f"{pyproj.proj_version_str}, data in {pyproj.datadir.get_data_dir()}", good, advice)


def _environment() -> Iterator[Remark]:
    """Data folders of another installation that environment variables point to; the package ignores them."""
    for name, value in STRAY_DATA.items():
        yield Remark(name, f"{value} belongs to another installation; ignored here, unset it for other programs")
    if not STRAY_DATA:
        yield Remark("environment", "points to no PROJ or GDAL data of another installation")


def _drivers() -> Iterator[Remark]:
    with rasterio.Env() as env:
        rasters = env.drivers()
    for name, use in RASTER_DRIVERS.items():
        there = name in rasters
        if there or name not in OPTIONAL_DRIVERS:
            yield Remark(f"driver {name}", f"can {use}" if there else "missing", there,
                         "install the packages of requirements.lock again")  # fmt: skip
        else:
            yield Remark(f"driver {name}", f"not in this GDAL and not needed, {OPTIONAL_DRIVERS[name]}")
    vectors = pyogrio.list_drivers()
    for name in VECTOR_DRIVERS:
        yield Remark(f"driver {name}", "can read" + (" and write" if "w" in vectors.get(name, "") else ""),
                     name in vectors, "install the packages of requirements.lock again")  # fmt: skip


def _fonts() -> Remark:
    """The font that sheets are drawn with, found in the same way."""
    from pipeline.outputs.sheets.fonts import find_fonts

    try:
        return Remark("Chinese font", find_fonts(EVERY_SHEET).name)
    except (OutputError, OSError, AttributeError):
        return Remark(
            "Chinese font", "none", False, "install the packages of requirements.lock again, or Noto Sans CJK SC"
        )


def _writing(out: Path) -> Remark:
    existed = out.exists()
    try:
        writable_folder(out)
        if not existed:
            out.rmdir()
    except OutputError as error:
        found, _, advice = str(error).rpartition("; ")
        return Remark("writing", found, False, advice)
    return Remark("writing", f"{out} can be written")
