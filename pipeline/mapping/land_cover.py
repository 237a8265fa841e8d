"""A land-cover raster (such as ESA WorldCover) on the run's grid: the share of each pixel that has one of some
classes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import rasterio
import shapely
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window

from pipeline.errors import ZoneError

MAX_PIXELS = 16_000_000
"""Pixels of the raster that are held at once, whatever the grid's resolution."""

MARGIN_PX = 2


@dataclass(frozen=True)
class LandCover:
    """The classes ``values`` of the first band of a raster; ``checksum`` is that of its file."""

    path: Path
    values: tuple[int, ...]
    checksum: str

    @cached_property
    def key(self) -> tuple:
        """What the shares depend on: the file, and CRS, affine and size as read, since they may come from a header
        beside it. Raises ZoneError."""
        with _opened(self.path) as file:
            return self.checksum, self.values, file.crs.to_wkt(), *file.transform[:6], *file.shape

    def share(self, grid: GeoBox) -> np.ndarray:
        """Share (0-1, float32) of each pixel of ``grid`` that is of the classes; 0 beyond the raster. Raises
        ZoneError."""
        with _opened(self.path) as file:
            return self._share(file, grid)

    def _share(self, file: DatasetReader, grid: GeoBox) -> np.ndarray:
        box = transform_bounds(grid.crs, file.crs, *grid.boundingbox, densify_pts=21)
        (left, right), (top, bottom) = GeoBox.from_rio(file).wld2pix(*np.array([box[0::2], box[3::-2]]))
        x0, x1 = int(np.floor(left)) - MARGIN_PX, int(np.ceil(right)) + MARGIN_PX
        y0, y1 = int(np.floor(top)) - MARGIN_PX, int(np.ceil(bottom)) + MARGIN_PX
        if (x1 - x0) * (y1 - y0) > MAX_PIXELS and max(grid.shape) > 1:
            axis = int(grid.width > grid.height)
            middle = grid.shape[axis] // 2
            parts = (grid[:middle], grid[middle:]) if axis == 0 else (grid[:, :middle], grid[:, middle:])
            return np.concatenate([self._share(file, part) for part in parts], axis)
        window = Window(x0, y0, x1 - x0, y1 - y0)
        # beyond the raster is none of the classes, not unknown: it counts in the share of a pixel at its edge
        is_class = np.zeros((y1 - y0, x1 - x0), "float32")
        rows, columns = slice(max(y0, 0), min(y1, file.height)), slice(max(x0, 0), min(x1, file.width))
        if rows.start < rows.stop and columns.start < columns.stop:
            there = np.s_[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0]
            is_class[there] = np.isin(file.read(1, window=Window.from_slices(rows, columns)), self.values)
        share = np.zeros(grid.shape, "float32")
        reproject(
            is_class, share, src_transform=file.window_transform(window), src_crs=file.crs,
            dst_transform=grid.affine, dst_crs=grid.crs, resampling=Resampling.average,
        )  # fmt: skip
        return share


def reach_of(path: Path, crs: str) -> shapely.Polygon:
    """The outline of a land-cover raster in a CRS. Raises ZoneError for a file that is no such raster."""
    with _opened(path) as file:
        if file.crs is None:
            raise ZoneError(f"{path}: the land cover has no CRS; write it into the file")
        if (
            not np.issubdtype(np.dtype(file.dtypes[0]), np.integer)
            or file.transform.b
            or file.transform.d
            or file.transform.e > 0
        ):
            raise ZoneError(f"{path}: is no land cover, a north-up raster of integer classes; name another file")
        return shapely.box(*transform_bounds(file.crs, crs, *file.bounds, densify_pts=21))


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    try:
        with rasterio.open(path) as file:
            yield file
    except RasterioError as error:
        raise ZoneError(
            f"{path}: the land cover cannot be read ({error}); correct land_cover.path or replace the file"
        ) from error
