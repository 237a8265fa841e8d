"""Cloud-Optimized GeoTIFFs that say what they hold: unit, names, scale, nodata and statistics."""

import errno
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what rasterio.shutil lets through on a full disk
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, DatasetWriter, MemoryFile
from rasterio.shutil import copy
from rasterio.windows import Window

from pipeline.blocks import BLOCK_PX
from pipeline.errors import OutputError
from pipeline.execution.compiled import njit
from pipeline.execution.whole_file import delete, whole
from pipeline.variables import Variable

ENCODING = {"COMPRESS": "DEFLATE", "LEVEL": "1", "PREDICTOR": "YES", "BLOCKSIZE": str(BLOCK_PX), "NUM_THREADS": "1"}
"""DEFLATE opens in every desktop GIS; a higher level costs time for 1 % of size."""

NOTED = (".aux.xml", ".ovr", ".vat.dbf")
"""Suffixes of what a GIS puts beside a raster: statistics, pyramids, and ArcGIS's table of the values."""

IN_MEMORY_PX = 4 << 20
"""Up to this size a raster is kept in memory until its one copy to a COG, a larger one in an uncompressed file."""
IN_MEMORY = {"driver": "MEM"}
ON_DISK = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "bigtiff": "IF_SAFER",
           "sparse_ok": True}  # fmt: skip


class CogWriter:
    """Takes a raster window by window and leaves a valid COG at ``path``, or nothing.

    The windows go to memory or, beyond `IN_MEMORY_PX`, to an uncompressed temporary file. The overviews are built
    there, before the one copy to a COG: that takes half the time of letting the COG driver build them. GDAL does not
    always report a write that the disk refuses, for instance because it is full for a moment. So the temporary file,
    which holds nothing but pixels, is read back and compared; everything else, the compressed COG included, is made in
    memory and written from there.

    ``colors`` (red, green and blue, 0-255, by value) become the colour table of a class raster; ``further`` names the
    bands after the first, in the same unit.
    """

    def __init__(
        self,
        path: Path,
        grid: GeoBox,
        variable: Variable,
        description: str,
        tags: dict[str, str],
        colors: dict[int, tuple[int, int, int]] | None = None,
        further: tuple[str, ...] = (),
    ) -> None:
        self._path, self._variable = path, variable
        self._names = (description, *(f"{description} {name}" for name in further))
        self._tags, self._colors = tags, colors
        self._raw = path.with_suffix(".raw.tif")
        bands = 1 + len(further)
        self._sums = np.zeros((bands, 3), "int64")  # whole numbers add up the same in any order
        self._ranges: list[list[int]] = [[] for _ in range(bands)]
        small = grid.width * grid.height <= IN_MEMORY_PX
        self._file = rasterio.open(
            "" if small else self._raw, "w+", width=grid.width, height=grid.height, count=bands, dtype=variable.dtype,
            crs=str(grid.crs), transform=grid.affine, nodata=variable.nodata, **(IN_MEMORY if small else ON_DISK),
        )  # fmt: skip
        if small:
            nodata = np.full((bands, min(BLOCK_PX, grid.height), grid.width), variable.nodata, variable.dtype)
            for row in range(0, grid.height, BLOCK_PX):
                here = nodata[:, : grid.height - row]
                self._file.write(here, window=Window(0, row, grid.width, here.shape[1]))

    def write(self, stored: np.ndarray, row: int, column: int, band: int = 1) -> None:
        """Put stored integers with their top left pixel at (row, column)."""
        self._file.write(stored, band, window=Window(column, row, stored.shape[1], stored.shape[0]))
        low, high, *sums = _summary(stored, self._variable.nodata)
        if sums[0]:
            self._ranges[band - 1] += [low, high]
            self._sums[band - 1] += sums

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None:
                self._finish()
        except (RasterioError, CPLE_BaseError, OSError) as failure:
            reason = getattr(failure, "strerror", None) or failure
            raise OutputError(
                f"{self._path}: cannot be written ({reason}); free disk space or close the file"
            ) from failure
        finally:
            self._file.close()
            for leftover in (self._raw, Path(f"{self._raw}.aux.xml")):
                with suppress(OSError):
                    delete(leftover)

    def _finish(self) -> None:
        if self._file.driver == IN_MEMORY["driver"]:
            self._deliver(self._file)
            return
        place = self._file.crs, self._file.transform, self._file.nodata
        self._file.close()
        with MemoryFile(ext=".vrt") as view:
            with rasterio.open(self._raw) as raw:
                self._compare(raw)
                copy(raw, view.name, driver="VRT")
            with rasterio.open(view.name, "r+") as described:
                described.crs, described.transform, described.nodata = place
                self._deliver(described)

    def _compare(self, raw: DatasetReader) -> None:
        """Raises OSError where the disk does not hold what was written."""
        windows = (window for _, window in raw.block_windows())
        kept = sum(
            np.array([_summary(stored, self._variable.nodata)[2:] for stored in raw.read(window=window)])
            for window in windows
        )
        if not np.array_equal(kept, self._sums):
            raise OSError(errno.EIO, f"{self._raw.name} does not hold what was written to it")

    def _deliver(self, file: DatasetWriter) -> None:
        """Say in ``file`` what it holds, give it overviews, and put its copy in place."""
        variable = self._variable
        file.scales = (variable.scale,) * file.count
        file.units = (variable.unit,) * file.count
        file.descriptions = self._names
        title = f"{variable.long_name} [{variable.unit}]"
        file.update_tags(TIFFTAG_IMAGEDESCRIPTION=title, TIFFTAG_SOFTWARE="sinkmap", **self._tags)
        if self._colors:
            file.write_colormap(1, self._colors)
        for band, (sums, found) in enumerate(zip(self._sums, self._ranges, strict=True), start=1):
            file.update_tags(band, **_statistics(*sums, found, file.width * file.height))
        how = Resampling.nearest if variable.scale == 1 else Resampling.average
        file.build_overviews(overview_factors(file.width, file.height), how)
        with MemoryFile() as made, whole(self._path) as part:
            copy(file, made.name, driver="COG", OVERVIEWS="FORCE_USE_EXISTING", **ENCODING)
            part.write_bytes(made.getbuffer())
            for of_older in noted(self._path):
                delete(of_older)


def _statistics(count: int, total: int, squares: int, found: list[int], size: int) -> dict[str, str]:
    """Tags of a band as GDAL calls them, in stored integers."""
    tags = {"STATISTICS_VALID_PERCENT": f"{100 * count / size:.4g}"}
    if count:
        mean = total / count
        deviation = max(squares / count - mean**2, 0) ** 0.5
        named = zip(("MINIMUM", "MAXIMUM", "MEAN", "STDDEV"), (min(found), max(found), mean, deviation), strict=True)
        tags = {f"STATISTICS_{name}": f"{value:.6g}" for name, value in named} | tags
    return tags


@njit(nogil=True, cache=True)
def _summary(stored, nodata):
    """Minimum, maximum, number, sum and sum of squares of the values that are not nodata."""
    low, high, count, total, squares = np.int64(1 << 62), np.int64(-(1 << 62)), 0, 0, 0
    for y in range(stored.shape[0]):
        for x in range(stored.shape[1]):
            value = np.int64(stored[y, x])
            if value != nodata:
                low, high = min(low, value), max(high, value)
                count += 1
                total += value
                squares += value * value
    return low, high, count, total, squares


def noted(raster: Path) -> tuple[Path, ...]:
    """The files that a GIS may have put beside a raster (`NOTED`)."""
    return tuple(raster.with_name(raster.name + suffix) for suffix in NOTED)


def overview_factors(width: int, height: int) -> list[int]:
    """2, 4, 8... until the raster fits into one block."""
    factors, factor = [], 2
    while max(width, height) * 2 > BLOCK_PX * factor:
        factors.append(factor)
        factor *= 2
    return factors
