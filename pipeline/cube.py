"""The cube: yearly composites on the run's grid in a Zarr store, one group a year."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
import zarr
from odc.geo.geobox import GeoBox, GeoboxTiles
from rasterio.transform import from_origin
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from pipeline.variables import INDEX_NODATA, INDEX_STEP

BLOCK_PX = 512
"""The usual block of a tiled GeoTIFF: grid and reading windows fall on multiples of it."""

STRIP_ROWS = BLOCK_PX
"""Rows of a chunk: zones are mapped in strips of this height, so a strip decompresses what it uses."""

BLOSC = BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle")
"""A quarter of the time of zstd for a twelfth more disk."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """A tile of the grid and the window of it, in grid pixels, that the zones touch."""

    row: int
    column: int
    window: Window

    @property
    def name(self) -> str:
        return f"r{self.row:03}c{self.column:03}"


def block_aligned_grid(
    bounds: tuple[float, float, float, float], crs: str, resolution: float, origin: tuple[float, float]
) -> GeoBox:
    """The grid over ``bounds`` (CRS units), its edges a whole number of blocks away from ``origin``.

    With the scenes' corner as origin no block of theirs is decoded for two tiles, and a boundary that is
    corrected a little leaves the grid as it was.
    """
    step = BLOCK_PX * resolution
    left, bottom, right, top = bounds
    left, bottom = (o + np.floor((edge - o) / step) * step for edge, o in zip((left, bottom), origin, strict=True))
    right, top = (o + np.ceil((edge - o) / step) * step for edge, o in zip((right, top), origin, strict=True))
    shape = (round((top - bottom) / resolution), round((right - left) / resolution))
    return GeoBox(shape, from_origin(left, top, resolution, resolution), crs)


def touched_tiles(grid: GeoBox, tile_px: int, geometries: np.ndarray) -> list[Tile]:
    """The tiles that a geometry (grid CRS) touches, each with the block-aligned window of them all in it."""
    tiling = GeoboxTiles(grid, (tile_px, tile_px))
    tree = shapely.STRtree(geometries)
    found = []
    for row, column in np.ndindex(*tiling.shape.yx):
        box = tiling[row, column].boundingbox
        near = geometries[tree.query(shapely.box(*box))]
        clipped = [part for part in shapely.clip_by_rect(near, *box) if not part.is_empty]
        if clipped:
            left, bottom, right, top = shapely.total_bounds(clipped)
            (x0, y0), (x1, y1) = grid.wld2pix(left, top), grid.wld2pix(right, bottom)
            found.append(Tile(row, column, tuple(
                slice(*_snap(low, high, edge, min(edge + tile_px, size)))
                for low, high, edge, size in (
                    (y0, y1, row * tile_px, grid.height), (x0, x1, column * tile_px, grid.width),
                )
            )))  # fmt: skip
    return found


def _snap(low: float, high: float, first: int, end: int) -> tuple[int, int]:
    """[low, high] widened to whole blocks within [first, end)."""
    start = max(first, int(np.floor(low / BLOCK_PX)) * BLOCK_PX)
    return start, max(start + 1, min(end, int(np.ceil(high / BLOCK_PX)) * BLOCK_PX))


@dataclass(frozen=True)
class Cube:
    """Layers of the yearly composites in a Zarr store: int16 indices in steps of 1e-4, uint8 counts, uint16 days.

    A value of this class is only the address; it can be sent to a worker.
    """

    path: Path
    grid: GeoBox
    tile_px: int

    def create(self) -> bool:
        """Make the store, or keep the one that has this very grid. Returns whether it is new."""
        about = {
            "crs": str(self.grid.crs),
            "transform": list(self.grid.affine)[:6],
            "shape": list(self.grid.shape),
            "tile_px": self.tile_px,
            "index_scale": INDEX_STEP,
            "index_nodata": INDEX_NODATA,
        }
        try:
            if dict(zarr.open_group(self.path, mode="r").attrs) == about:
                return False
        except (FileNotFoundError, GroupNotFoundError, ValueError, KeyError):
            pass
        shutil.rmtree(self.path, ignore_errors=True)
        zarr.open_group(self.path, mode="w", attributes=about)
        return True

    @property
    def _chunks(self) -> tuple[int, int]:
        return STRIP_ROWS, min(self.tile_px, self.grid.width)

    def add_year(self, year: int, layers: tuple[str, ...]) -> None:
        """Make the arrays of a year, where they are not there yet."""
        group = zarr.open_group(self.path, mode="a").require_group(str(year))
        for layer in layers:
            if layer not in group:
                dtype = {"count": "uint8", "day": "uint16"}.get(layer.rpartition("_")[2], "int16")
                group.create_array(
                    layer,
                    shape=self.grid.shape,
                    chunks=self._chunks,
                    dtype=dtype,
                    fill_value=INDEX_NODATA if dtype == "int16" else 0,
                    compressors=BLOSC,
                    dimension_names=("y", "x"),
                )

    def write(self, year: int, tile: Tile, layers: dict[str, np.ndarray]) -> None:
        """Store the layers of a tile's window; every other pixel of its chunk becomes nodata."""
        group = zarr.open_group(self.path / str(year), mode="r+")
        rows, columns = (
            slice(step * self.tile_px, min((step + 1) * self.tile_px, size))
            for step, size in ((tile.row, self.grid.height), (tile.column, self.grid.width))
        )
        inside = tuple(
            slice(w.start - c.start, w.stop - c.start) for w, c in zip(tile.window, (rows, columns), strict=True)
        )
        for name, values in layers.items():
            array = group[name]
            chunk = np.full((rows.stop - rows.start, columns.stop - columns.start), array.fill_value, array.dtype)
            chunk[inside] = values
            array[rows, columns] = chunk

    def new_coverage(self, name: str) -> zarr.Array:
        """An empty layer, on the whole grid, for the covered fractions of a zone's pixels."""
        return zarr.open_group(self.path, mode="a").create_array(
            f"coverage/{name}", shape=self.grid.shape, chunks=(STRIP_ROWS, BLOCK_PX), dtype="float32", fill_value=0,
            compressors=BLOSC, overwrite=True,
        )  # fmt: skip

    def open_coverage(self, name: str) -> zarr.Array:
        return zarr.open_array(self.path / "coverage" / name, mode="r")

    def open_year(self, year: int) -> dict[str, zarr.Array]:
        """The layers of a year, to read windows of stored integers from."""
        return dict(zarr.open_group(self.path / str(year), mode="r").arrays())
