"""Fractions of pixels: 3 x 3 grids by hand, exactextract itself, and areas that must add up."""

import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from hypothesis import example, given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin
from shapely import MultiPolygon, Polygon, box

from pipeline.zones.coverage import coverage_fractions

GRID = GeoBox((3, 3), from_origin(0, 3, 1, 1), "EPSG:32649")
LARGE = GeoBox((203, 203), from_origin(0, 200, 1, 1), "EPSG:32649")
"""Three whole cells each way and a ragged edge of 11 pixels."""


@pytest.mark.parametrize(
    ("polygon", "fractions"),
    [
        (box(0, 0, 3, 3), [[1, 1, 1], [1, 1, 1], [1, 1, 1]]),
        (box(0.5, 0.5, 2.5, 2.5), [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]),
        (Polygon([(0, 0), (3, 3), (3, 0)]), [[0, 0, 0.5], [0, 0.5, 1], [0.5, 1, 1]]),
        # 3 x 3 less a hole of 1 x 1 about the centre pixel's lower right corner
        (box(0, 0, 3, 3) - box(1.5, 0.5, 2.5, 1.5), [[1, 1, 1], [1, 0.75, 0.75], [1, 0.75, 0.75]]),
        (MultiPolygon([box(0, 2, 1, 3), box(2, 0, 3, 0.5)]), [[1, 0, 0], [0, 0, 0], [0, 0, 0.5]]),
        (box(1.2, 1.2, 1.6, 1.7), [[0, 0, 0], [0, 0.2, 0], [0, 0, 0]]),  # smaller than a pixel
        (box(-5, -5, 0.5, 9), [[0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 0]]),  # reaches off the grid
        (box(7, 7, 9, 9), [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
        (box(3, 0, 5, 3), [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),  # shares an edge with the grid
        (Polygon(), [[0, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ],
)
def test_fractions_by_hand(polygon, fractions):
    found = coverage_fractions(GRID, polygon)
    assert found.dtype == "float32"
    assert found == pytest.approx(np.array(fractions), abs=1e-6)


def test_a_pixel_of_ten_metres_counts_like_one_of_one():
    grid = GeoBox((3, 3), from_origin(400_000, 4_500_000, 10, 10), "EPSG:32649")
    found = coverage_fractions(grid, box(400_005, 4_499_975, 400_025, 4_499_995))
    assert found == pytest.approx(np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]), abs=1e-6)


# the outline of a patch of the sample, in EPSG:4490 and back: its corners are corners of pixels, but for the last bits
ON_CORNERS = Polygon([
    (421000.0000000001, 4516500.0), (421500.00000000023, 4517000.0), (420999.9999999998, 4516999.999999999),
    (421000.0000000002, 4517999.999999999), (420000.0000000001, 4518000.0), (420000.0000000006, 4516500.000000001),
])  # fmt: skip


def test_a_hairline_that_rounding_makes_cross_itself_still_has_its_area():
    """A part of a stand of the sample, 2.7 cm wide; the last bits of its corners decide whether it is valid."""
    hairline = Polygon([
        (417887.967588654, 4512536.844631098), (418038.146833142, 4512494.219898682),
        (417887.9672933378, 4512536.817999019), (417887.9687009687, 4512536.944941387),
    ])  # fmt: skip
    grid = GeoBox((2, 2), from_origin(417_500, 4_513_000, 500, 500), "EPSG:32649")
    assert coverage_fractions(grid, hairline).sum() * 500**2 == pytest.approx(hairline.area, abs=0.01)


def test_an_outline_along_the_pixels_is_not_misled_by_the_last_bits_of_its_corners():
    grid = GeoBox((5, 4), from_origin(420_000, 4_518_500, 500, 500), "EPSG:32649")
    halves = [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0.5, 0], [0, 0, 0, 0]]
    assert coverage_fractions(grid, ON_CORNERS) == pytest.approx(np.array(halves), abs=1e-6)


@st.composite
def stars(draw, centre=100.0, reach=95.0):
    """Star-shaped polygons, some with a hole, of 3 to 40 corners, ragged or snapped to the corners of squares."""
    corners = draw(st.integers(3, 40))
    radii = np.array(draw(st.lists(st.floats(0.2, 1), min_size=corners, max_size=corners))) * reach
    angles = 2 * np.pi * np.arange(corners) / corners
    ring = centre + np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])
    if draw(st.booleans()):
        ring = np.round(ring / 8) * 8
    hole = centre + 0.15 * reach * np.column_stack([np.cos(angles), np.sin(angles)])
    polygon = Polygon(ring, [hole] if draw(st.booleans()) else []).buffer(0)
    return polygon if polygon.area > 0 else box(0, 0, reach, reach)


def plain(polygon):
    """exactextract of the whole polygon at once."""
    source = NumPyRasterSource(np.zeros(LARGE.shape), xmin=0, ymin=-3, xmax=203, ymax=200)
    feature = {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(polygon)}
    found = exact_extract(source, feature, ["cell_id", "coverage"])[0]["properties"]
    fractions = np.zeros(LARGE.shape)
    fractions.flat[found["cell_id"]] = found["coverage"]
    return fractions


# its left edge passes through the corner of four cells
CORNERS = Polygon([(32, 104), (96, 40), (160, 40), (160, 104)])


@given(stars())
@example(CORNERS)
def test_going_cell_by_cell_changes_no_fraction(polygon):
    assert np.abs(coverage_fractions(LARGE, polygon) - plain(polygon)).max() < 1e-5


@given(stars())
@example(CORNERS)
def test_fractions_add_up_to_the_area_of_the_polygon(polygon):
    assert coverage_fractions(LARGE, polygon).sum(dtype=float) == pytest.approx(polygon.area, rel=1e-6, abs=1e-3)


@given(stars(), st.integers(0, 39), st.booleans())
def test_where_and_which_way_a_ring_begins_does_not_matter(polygon, start, backwards):
    polygon = max(shapely.get_parts(polygon), key=shapely.area)
    ring = np.roll(np.array(polygon.exterior.coords)[:-1], start, axis=0)
    turned = Polygon(ring[::-1] if backwards else ring, polygon.interiors)
    assert np.abs(coverage_fractions(LARGE, turned) - coverage_fractions(LARGE, polygon)).max() < 1e-5


@given(stars(), st.floats(5, 195), st.floats(5, 195))
def test_disjoint_parts_add_up_to_their_union(polygon, x, y):
    """Cut by a vertical and a horizontal line."""
    parts = [polygon & box(a, b, c, d) for a, c in ((0, x), (x, 203)) for b, d in ((-3, y), (y, 200))]
    together = sum(coverage_fractions(LARGE, part) for part in parts)
    assert np.abs(together - coverage_fractions(LARGE, polygon)).max() < 2e-5


@given(stars(centre=150.0))
def test_what_lies_off_the_grid_does_not_count(polygon):
    inside = polygon & box(0, -3, 203, 200)
    assert coverage_fractions(LARGE, polygon).sum(dtype=float) == pytest.approx(inside.area, rel=1e-6, abs=1e-3)
