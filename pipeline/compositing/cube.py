"""The cube: yearly composites on the run's grid in a Zarr store, one group a year."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from math import gcd
from pathlib import Path
from uuid import uuid4

import numpy as np
import shapely
import zarr
from numcodecs import Blosc
from odc.geo.geobox import GeoBox
from rasterio import Affine
from rasterio.transform import from_origin
from zarr.codecs import BloscCodec
from zarr.errors import GroupNotFoundError

from pipeline.blocks import BLOCK_PX, CELL_PX, Cells, blocks_of, pixel_box
from pipeline.errors import OutputError
from pipeline.execution.json_file import read_json
from pipeline.execution.whole_file import delete, patiently
from pipeline.variables import INDEX_NODATA, INDEX_STEP

CODEC = Blosc(cname="lz4", clevel=1, shuffle=Blosc.BITSHUFFLE)
"""A quarter of the time of zstd for a twelfth more disk."""

MADE = "made"
"""Attribute of an array: a unique name."""

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Tile:
    """A tile of the grid and the window of it, in grid pixels, that the zones touch; ``cells`` says for each cell of
    the window whether a zone touches it."""

    row: int
    column: int
    window: Window
    cells: Cells = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        return f"r{self.row:03}c{self.column:03}"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the window."""
        return tuple(part.stop - part.start for part in self.window)


def block_aligned_grid(
    bounds: tuple[float, float, float, float], crs: str, resolution: float, origin: tuple[float, float]
) -> GeoBox:
    """The grid over ``bounds`` (CRS units), its edges a whole number of blocks away from ``origin``.

    With the scenes' corner as origin no block of a scene is decoded for two tiles, and a small correction of a boundary
    does not change the grid.
    """
    step = BLOCK_PX * resolution
    left, bottom, right, top = bounds
    left, bottom = (o + np.floor((edge - o) / step) * step for edge, o in zip((left, bottom), origin, strict=True))
    right, top = (o + np.ceil((edge - o) / step) * step for edge, o in zip((right, top), origin, strict=True))
    shape = (round((top - bottom) / resolution), round((right - left) / resolution))
    return GeoBox(shape, from_origin(left, top, resolution, resolution), crs)


def touched_tiles(grid: GeoBox, tile_px: int, geometries: np.ndarray) -> list[Tile]:
    """The tiles that a geometry (grid CRS) touches, each with the window of whole blocks that is touched."""
    cells = _touched_cells(grid, geometries)
    found = []
    for row, column in product(*(range(-(-size // tile_px)) for size in grid.shape)):
        here = tuple(slice(i * tile_px // CELL_PX, (i + 1) * tile_px // CELL_PX) for i in (row, column))
        blocks = blocks_of(cells[here])
        if blocks.any():
            ends = [np.flatnonzero(blocks.any(axis=axis))[[0, -1]] + [0, 1] for axis in (1, 0)]
            window = tuple(
                slice(first * tile_px + int(low) * BLOCK_PX,
                      min(first * tile_px + int(high) * BLOCK_PX, (first + 1) * tile_px, size))
                for first, (low, high), size in zip((row, column), ends, grid.shape, strict=True)
            )  # fmt: skip
            places = tuple(slice(part.start // CELL_PX, -(-part.stop // CELL_PX)) for part in window)
            found.append(Tile(row, column, window, cells[places]))
    return found


def _touched_cells(grid: GeoBox, geometries: np.ndarray) -> Cells:
    """Of each cell of ``grid`` (north up), (rows, columns) bool, whether a geometry reaches into it."""
    small = GeoBox(tuple(-(-size // CELL_PX) for size in grid.shape), grid.zoom_out(CELL_PX).affine, grid.crs)
    side, left, top = small.resolution.x, small.affine.c, small.affine.f
    # a little smaller, so that a geometry that ends where the cell begins does not count
    low, high = 1e-7 * side, (1 - 1e-7) * side
    touched = np.zeros(small.shape, bool)
    shapely.prepare(geometries)
    for geometry in geometries:
        here = pixel_box(small, geometry)
        y, x = (side * np.arange(part.start, part.stop) for part in here)
        boxes = shapely.box(left + x + low, (top - y - high)[:, None], left + x + high, (top - y - low)[:, None])
        touched[here] |= shapely.intersects(geometry, boxes)
    return touched


@dataclass(frozen=True)
class Cube:
    """Layers of the yearly composites in a Zarr store: int16 indices in steps of 1e-4, uint8 counts, uint16 days.

    A value of this class is only the address; it can be sent to a worker.
    """

    path: Path
    grid: GeoBox
    tile_px: int

    @classmethod
    def kept(cls, path: Path) -> "Cube":
        """The existing cube. Raises FileNotFoundError if there is none."""
        about = zarr.open_group(path, mode="r").attrs
        return cls(path, GeoBox(about["shape"], Affine(*about["transform"]), about["crs"]), about["tile_px"])

    def create(self) -> None:
        """Make the store, or keep an existing one with exactly this grid."""
        about = {
            "crs": str(self.grid.crs),
            "transform": list(self.grid.affine)[:6],
            "shape": list(self.grid.shape),
            "tile_px": self.tile_px,
            "chunk_px": self._chunk_px,
            "index_scale": INDEX_STEP,
            "index_nodata": INDEX_NODATA,
        }
        try:
            if dict(zarr.open_group(self.path, mode="r").attrs) == about:
                return
        except (FileNotFoundError, GroupNotFoundError, ValueError, KeyError, TypeError):
            pass
        # the file that identifies the store goes first, so that a half-deleted one is never taken for a complete one
        (self.path / "zarr.json").unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)
        patiently(lambda: zarr.open_group(self.path, mode="w", attributes=about))

    def add_year(self, year: int, layers: tuple[str, ...]) -> None:
        """Make the arrays of a year unless they exist; a year left incomplete by a power cut is made anew."""
        try:
            patiently(lambda: self._add_missing(year, layers))
        except (ValueError, KeyError, TypeError):
            shutil.rmtree(self.path / str(year))
            self._add_missing(year, layers)

    def _add_missing(self, year: int, layers: tuple[str, ...]) -> None:
        group = zarr.open_group(self.path, mode="a").require_group(str(year))
        for layer in layers:
            if layer not in group:
                _array_metadata.cache_clear()
                dtype = {"count": "uint8", "day": "uint16"}.get(layer.rpartition("_")[2], "int16")
                group.create_array(
                    layer,
                    shape=self.grid.shape,
                    chunks=(self._chunk_px, self._chunk_px),
                    dtype=dtype,
                    fill_value=INDEX_NODATA if dtype == "int16" else 0,
                    compressors=BloscCodec(cname=CODEC.cname, clevel=CODEC.clevel, shuffle="bitshuffle"),
                    dimension_names=("y", "x"),
                    attributes={MADE: uuid4().hex},
                )

    def made(self, year: int, layers: tuple[str, ...]) -> list[str]:
        """What identifies the arrays: one that was deleted and made again is a different one. Empty for one that does
        not exist."""
        folders = [self.path / str(year) / layer for layer in layers]
        return [((read_json(folder / "zarr.json") or {}).get("attributes") or {}).get(MADE, "") for folder in folders]

    @property
    def _chunk_px(self) -> int:
        """Side of a chunk: no chunk lies in two tiles, since two workers may write these at once."""
        return gcd(self.tile_px, BLOCK_PX)

    def write(self, year: int, tile: Tile, layers: dict[str, np.ndarray]) -> None:
        """Store the layers of a tile's window; every other pixel of the tile becomes nodata.

        Chunks are written and read one by one in the thread of the worker: Zarr passes each through an event loop,
        which takes three times as long and makes the workers wait for each other.
        """
        whole = tuple(
            slice(step * self.tile_px, min((step + 1) * self.tile_px, size))
            for step, size in zip((tile.row, tile.column), self.grid.shape, strict=True)
        )
        for name, values in layers.items():
            about = _array_metadata(self.path / str(year) / name)
            for file, into, out_of in self._chunks(year, name, tile.window, whole):
                part = values[out_of]
                if np.all(part == about["fill_value"]):
                    delete(file)
                    continue
                if part.shape == (self._chunk_px, self._chunk_px):
                    chunk = np.ascontiguousarray(part)
                else:
                    chunk = np.full((self._chunk_px, self._chunk_px), about["fill_value"], about["data_type"])
                    chunk[into] = part
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(CODEC.encode(chunk))

    def read(self, year: int, layer: str, window: Window) -> np.ndarray:
        """Stored integers of a window, nodata where nothing was stored."""
        return self.read_years((year,), layer, window)[0]

    def read_years(self, years: Sequence[int], layer: str, window: Window) -> np.ndarray:
        """`read` of each year, (years, rows, columns). Raises OSError if a layer of a year does not exist."""
        abouts = [_array_metadata(self.path / str(year) / layer) for year in years]
        values = np.empty((len(years), *(part.stop - part.start for part in window)), abouts[0]["data_type"])
        for year, about, of_year in zip(years, abouts, values, strict=True):
            for file, out_of, into in self._chunks(year, layer, window, window):
                try:
                    stored = _decoded(file)
                except FileNotFoundError:
                    of_year[into] = about["fill_value"]
                    continue
                of_year[into] = np.frombuffer(stored, values.dtype).reshape(self._chunk_px, self._chunk_px)[out_of]
        return values

    def _chunks(self, year: int, layer: str, window: Window, within: Window) -> Iterator[tuple[Path, Window, Window]]:
        """The files of the chunks ``within`` a window, with what they share with ``window``: the part of the chunk and
        the part of the window."""
        size, folder = self._chunk_px, self.path / str(year) / layer / "c"
        for place in product(*(range(w.start // size, -(-w.stop // size)) for w in within)):
            shared = [
                (max(w.start, i * size), max(w.start, i * size, min(w.stop, (i + 1) * size)))
                for i, w in zip(place, window, strict=True)
            ]
            yield (
                folder.joinpath(*map(str, place)),
                tuple(slice(a - i * size, b - i * size) for i, (a, b) in zip(place, shared, strict=True)),
                tuple(slice(a - w.start, b - w.start) for w, (a, b) in zip(window, shared, strict=True)),
            )

    def forget_coverage(self, name: str) -> None:
        """Delete the covered fractions of a zone."""
        shutil.rmtree(self._coverage / name, ignore_errors=True)

    def write_coverage(self, name: str, window: Window, fractions: np.ndarray) -> None:
        """Keep the covered fractions (float32) of a zone's pixels in a window."""
        file = self._coverage_file(name, window)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(CODEC.encode(np.ascontiguousarray(fractions)))

    def read_coverage(self, name: str, window: Window) -> np.ndarray:
        """What `write_coverage` kept. Raises OutputError where it is gone."""
        file = self._coverage_file(name, window)
        try:
            stored = _decoded(file)
        except FileNotFoundError:
            raise OutputError(f"{file}: is gone; run again with --force") from None
        return np.frombuffer(stored, "float32").reshape([part.stop - part.start for part in window])

    @property
    def _coverage(self) -> Path:
        return self.path.with_name("coverage")

    def _coverage_file(self, name: str, window: Window) -> Path:
        return self._coverage / name / f"r{window[0].start}c{window[1].start}.blosc"


def _decoded(file: Path) -> bytes:
    """The unpacked content of a file. Raises FileNotFoundError, and OutputError for one left incomplete by a power
    cut."""
    packed = file.read_bytes()
    try:
        return CODEC.decode(packed)
    except (RuntimeError, ValueError) as error:
        raise OutputError(f"{file}: is damaged ({error}); run again with --force") from error


@cache
def _array_metadata(folder: Path) -> dict:
    """Zarr's metadata of an array: ``data_type``, ``fill_value``."""
    return json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
