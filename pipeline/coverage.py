"""Exact fractions of the grid's pixels that a polygon covers."""

import warnings
from collections.abc import Iterator

import numpy as np
import shapely
from exactextract import exact_extract
from exactextract.feature import FeatureSource, JSONFeature
from exactextract.raster import NumPyRasterSource
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning
from rasterio.features import rasterize, shapes

# rasterize says so now and then of the dataset that it makes for itself
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)

COARSE_PX = 4


def coverage_fractions(grid: GeoBox, polygon: shapely.Geometry) -> np.ndarray:
    """Covered fraction (0-1, float32) of each pixel of ``grid`` (north up) by ``polygon`` (grid CRS).

    Exact where the outline runs (exactextract, Baston 2023). Squares of 4 pixels that lie wholly inside
    are cut out first and set to 1: the exact count costs per pixel, the outline is a small part of them.
    """
    fractions = np.zeros(grid.shape, "float32")
    polygon = areal(shapely.clip_by_rect(polygon, *grid.boundingbox))
    whole = _inner_squares(grid, polygon)
    if whole.any():
        inner = whole.repeat(COARSE_PX, 0).repeat(COARSE_PX, 1)[: grid.height, : grid.width]
        fractions[inner] = 1
        polygon = areal(polygon.difference(_outline(grid, whole)))
    if polygon.is_empty:
        return fractions
    left, bottom, right, top = grid.boundingbox
    source = NumPyRasterSource(np.zeros(grid.shape, "uint8"), xmin=left, ymin=bottom, xmax=right, ymax=top)
    found = exact_extract(source, _OneFeature(polygon), ["cell_id", "coverage"])[0]["properties"]
    fractions.flat[found["cell_id"]] += found["coverage"].astype("float32")
    return np.minimum(fractions, 1)


class _Feature(JSONFeature):
    """A polygon handed over as well-known binary: in GeoJSON every vertex becomes a Python object."""

    def __init__(self, polygon: shapely.Geometry) -> None:
        super().__init__()
        self._wkb = shapely.to_wkb(polygon)

    def geometry(self) -> bytes:
        return self._wkb


class _OneFeature(FeatureSource):
    def __init__(self, polygon: shapely.Geometry) -> None:
        super().__init__()
        self._polygon = polygon

    def __iter__(self) -> Iterator[JSONFeature]:
        yield _Feature(self._polygon)

    def count(self) -> int:
        return 1

    def srs_wkt(self) -> None:
        return None


def areal(geometry: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a geometry; clipping can leave points and lines beside them."""
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.multipolygons(parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON])


def _inner_squares(grid: GeoBox, polygon: shapely.Geometry) -> np.ndarray:
    """Which squares of 4 x 4 pixels, whole ones only, lie inside the polygon."""
    shape = (grid.height // COARSE_PX, grid.width // COARSE_PX)
    inside = np.zeros((-(-grid.height // COARSE_PX), -(-grid.width // COARSE_PX)), "bool")
    if min(shape) == 0 or polygon.is_empty:
        return inside
    burn = {"out_shape": shape, "transform": _squares(grid).affine, "dtype": "uint8"}
    edge = rasterize([polygon.boundary], all_touched=True, **burn)
    # a line that leaves a square through its corner is burnt into one of the two it touches: spare the neighbours
    near = np.pad(edge, 1)
    near = np.maximum.reduce([near[y : y + shape[0], x : x + shape[1]] for y in range(3) for x in range(3)])
    inside[: shape[0], : shape[1]] = (rasterize([polygon], **burn) == 1) & (near == 0)
    return inside


def _squares(grid: GeoBox) -> GeoBox:
    """The grid of the whole squares."""
    return grid[: grid.height // COARSE_PX * COARSE_PX, : grid.width // COARSE_PX * COARSE_PX].zoom_out(COARSE_PX)


def _outline(grid: GeoBox, squares: np.ndarray) -> shapely.Geometry:
    found = shapes(squares.astype("uint8"), mask=squares, transform=_squares(grid).affine)
    return shapely.union_all([shapely.geometry.shape(part) for part, _ in found])
