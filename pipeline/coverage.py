"""Exact fractions of the grid's pixels that a polygon covers."""

from collections.abc import Iterator

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import FeatureSource, JSONFeature
from exactextract.raster import NumPyRasterSource
from odc.geo.geobox import GeoBox, GeoboxTiles

CELL_PX = 64


def coverage_fractions(grid: GeoBox, polygon: shapely.Geometry) -> np.ndarray:
    """Covered fraction (0-1, float32) of each pixel of ``grid`` (north up) by ``polygon`` (grid CRS).

    Exact where the outline runs (exactextract, Baston 2023). That costs per pixel, of which the outline meets few: it
    is asked of the cells of 64 x 64 pixels that the outline crosses, those wholly inside are 1.
    """
    cells = GeoboxTiles(grid, (CELL_PX, CELL_PX))
    boxes = _boxes(cells)
    polygon = areal(shapely.intersection(polygon, shapely.box(*grid.boundingbox)))
    shapely.prepare(polygon)
    inside, touched = shapely.contains_properly(polygon, boxes), shapely.intersects(polygon, boxes)
    rows, columns = cells.chunks
    fractions = inside.astype("float32").repeat(rows, 0).repeat(columns, 1)
    parts = shapely.intersection(polygon, boxes[touched & ~inside])
    clipped = shapely.get_type_id(parts) != shapely.GeometryType.POLYGON
    parts[clipped] = [areal(part) for part in parts[clipped]]
    parts = parts[~shapely.is_empty(parts)]
    if not parts.size:
        return fractions
    left, bottom, right, top = grid.boundingbox
    source = NumPyRasterSource(np.zeros(grid.shape, "uint8"), xmin=left, ymin=bottom, xmax=right, ymax=top)
    # a few at a time: while it works, no other worker can go on that asks for the interpreter
    for first in range(0, parts.size, 8):
        for part in exact_extract(source, _Polygons(parts[first : first + 8]), ["cell_id", "coverage"]):
            found = part["properties"]
            fractions.flat[found["cell_id"]] += found["coverage"].astype("float32")
    return np.minimum(fractions, 1, out=fractions)


def _boxes(cells: GeoboxTiles) -> np.ndarray:
    """The box of each cell, (rows, columns)."""
    left, bottom, right, top = cells.base.boundingbox
    ends = [np.cumsum([0, *sizes]) / total for sizes, total in zip(cells.chunks, cells.base.shape, strict=True)]
    y, x = top - ends[0] * (top - bottom), left + ends[1] * (right - left)
    return shapely.box(x[None, :-1], y[1:, None], x[None, 1:], y[:-1, None])


class _Feature(JSONFeature):
    """A polygon handed over as well-known binary: in GeoJSON every vertex becomes a Python object."""

    def __init__(self, wkb: bytes) -> None:
        super().__init__()
        self._wkb = wkb

    def geometry(self) -> bytes:
        return self._wkb


class _Polygons(FeatureSource):
    def __init__(self, polygons: np.ndarray) -> None:
        super().__init__()
        self._wkbs = shapely.to_wkb(polygons)

    def __iter__(self) -> Iterator[JSONFeature]:
        return map(_Feature, self._wkbs)

    def count(self) -> int:
        return self._wkbs.size

    def srs_wkt(self) -> None:
        return None


def areal(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry; clipping can leave points and lines beside them."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])
