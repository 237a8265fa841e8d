"""Exact fractions of the grid's pixels that a polygon covers."""

from collections.abc import Iterator

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import FeatureSource, JSONFeature
from exactextract.raster import NumPyRasterSource
from odc.geo.geobox import GeoBox, GeoboxTiles

from pipeline.blocks import rectangles

PIECE_PX = 64

EXACT_PX = 9
"""Decimals of a pixel. exactextract 0.3.0 counts whole pixels too many or too few along an outline that misses the
corners of pixels only by the last bits, for instance borders made from a raster and transformed to EPSG:4490 and
back."""


def coverage_fractions(grid: GeoBox, polygon: shapely.Geometry) -> np.ndarray:
    """Covered fraction (0-1, float32) of each pixel of ``grid`` (north up) by ``polygon`` (grid CRS).

    Exact where the outline runs (exactextract, Baston 2023). That costs time per pixel, and the outline meets few: only
    cells of 64 x 64 pixels that the outline crosses are computed, those wholly inside are 1.
    """
    height, width = grid.shape
    rows, columns = GeoboxTiles(grid, (PIECE_PX, PIECE_PX)).chunks
    y, x = -np.cumsum([0, *rows]), np.cumsum([0, *columns])
    cells = shapely.box(x[None, :-1], y[1:, None], x[None, 1:], y[:-1, None])
    polygon = in_pixels(polygon, grid)
    if not shapely.is_valid(polygon):  # a hairline that crosses itself once it is rounded, which GEOS refuses to cut
        polygon = shapely.make_valid(polygon)
    polygon = areal(shapely.intersection(polygon, shapely.box(0, -height, width, 0)))
    shapely.prepare(polygon)
    inside, touched = shapely.contains_properly(polygon, cells), shapely.intersects(polygon, cells)
    fractions = inside.astype("float32").repeat(rows, 0).repeat(columns, 1)
    # neighbours in a row as one, for a cut along the border between them costs as much as the outline
    crossed = touched & ~inside
    strips = [(x[c.start], y[r.stop], x[c.stop], y[r.start]) for r, c in rectangles(crossed, crossed.shape, 1)]
    parts = shapely.intersection(polygon, shapely.box(*np.reshape(strips, (-1, 4)).T))
    clipped = shapely.get_type_id(parts) != shapely.GeometryType.POLYGON
    parts[clipped] = [areal(part) for part in parts[clipped]]
    parts = parts[~shapely.is_empty(parts)]
    source = pixel_source(np.zeros(grid.shape, "uint8"))
    by_cell = fractions.reshape(-1)
    for part in exact_extract(source, Polygons(parts), ["cell_id", "coverage"]):
        found = part["properties"]
        by_cell[found["cell_id"]] += found["coverage"].astype("float32")
    return np.minimum(fractions, 1, out=fractions)


def in_pixels(polygons: shapely.Geometry | np.ndarray, grid: GeoBox) -> shapely.Geometry | np.ndarray:
    """Polygons (grid CRS) in pixels to the right and upwards from the upper left corner of ``grid`` (north up)."""
    left, _, _, top = grid.boundingbox
    size = grid.resolution.x, -grid.resolution.y
    return shapely.transform(polygons, lambda xy: np.round((xy - (left, top)) / size, EXACT_PX))


def pixel_source(values: np.ndarray, name: str | None = None) -> NumPyRasterSource:
    """A raster for exactextract in the coordinates of `in_pixels`."""
    height, width = values.shape
    return NumPyRasterSource(values, xmin=0, ymin=-height, xmax=width, ymax=0, name=name)


class _Feature(JSONFeature):
    """A polygon handed over as well-known binary: in GeoJSON every vertex becomes a Python object."""

    def __init__(self, wkb: bytes) -> None:
        super().__init__()
        self._wkb = wkb

    def geometry(self) -> bytes:
        return self._wkb


class Polygons(FeatureSource):
    """Polygons without a CRS for exactextract."""

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
