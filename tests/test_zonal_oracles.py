"""Zonal numbers against what others publish and compute: rasterstats' reference data, fine subdivision of pixels, and
properties that any right sum has."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from conftest import LEFT, PIXEL, REAL, TOP, make_grid
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize

from pipeline.compositing.composite_methods import PeakComposite
from pipeline.mapping.encoding import encode
from pipeline.mapping.zone_pixels import SketchBuilder
from pipeline.scenes.quality import CLEAR
from pipeline.variables import INDEX_NODATA, VARIABLES
from pipeline.zones.coverage import coverage_fractions

REFERENCE = REAL / "zonal_reference"
needs_reference = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real data are not in the repository: ../shared/real"
)

SUBDIVISION = 20


def subdivided(grid, polygon):
    """Covered fractions counted with 20 x 20 points in each pixel: slow, simple, and not ours."""
    fine = rasterize(
        [polygon],
        (grid.height * SUBDIVISION, grid.width * SUBDIVISION),
        transform=grid.zoom_out(1 / SUBDIVISION).affine,
    )
    return fine.reshape(grid.height, SUBDIVISION, grid.width, SUBDIVISION).mean(axis=(1, 3))


# --- published numbers ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slope():
    """(grid, values, valid) of the reference raster."""
    with rasterio.open(REFERENCE / "slope.tif") as file:
        values = file.read(1, masked=True).astype(float)
        return GeoBox.from_rio(file), values.filled(0), ~np.ma.getmaskarray(values)


@needs_reference
def test_counts_of_pixel_centres_and_the_mean_are_as_published(slope):
    """75 and 50 cells with their centre in the polygons, and a mean slope of 14.66 in the first (rasterstats)."""
    grid, values, valid = slope
    polygons = gpd.read_file(REFERENCE / "polygons.shp").geometry
    centres = [rasterize([polygon], grid.shape, transform=grid.affine) == 1 for polygon in polygons]
    assert [int((cells & valid).sum()) for cells in centres] == [75, 50]
    assert values[centres[0] & valid].mean() == pytest.approx(14.66, abs=0.005)


@needs_reference
def test_exact_fractions_agree_with_fine_subdivision_and_stay_near_the_published_mean(slope):
    grid, values, valid = slope
    for polygon, count in zip(gpd.read_file(REFERENCE / "polygons.shp").geometry, (75, 50), strict=True):
        exact, fine = coverage_fractions(grid, polygon), subdivided(grid, polygon)
        assert np.abs(exact - fine).max() < 2 / SUBDIVISION
        assert exact.sum() == pytest.approx(polygon.area / abs(grid.affine.a * grid.affine.e), rel=1e-5)
        assert exact.sum() == pytest.approx(count, rel=0.05)
        means = [(part * values)[valid].sum() / part[valid].sum() for part in (exact, fine)]
        assert means[0] == pytest.approx(means[1], rel=2e-3)
        if count == 75:
            assert means[0] == pytest.approx(14.66, rel=0.03)  # 15.02: a third of the cells lie on the outline


@needs_reference
def test_a_polygon_that_reaches_beyond_the_raster_counts_with_the_part_that_is_there(slope):
    grid, _, _ = slope
    edge = shapely.box(*grid.boundingbox)
    for polygon in gpd.read_file(REFERENCE / "polygons_partial_overlap.shp").geometry:
        inside = polygon.intersection(edge).area / abs(grid.affine.a * grid.affine.e)
        assert coverage_fractions(grid, polygon).sum() == pytest.approx(inside, rel=1e-5, abs=1e-6)


# --- properties -------------------------------------------------------------------------------------------

GRID = make_grid(24, 24)
EDGE = 24 * PIXEL


@st.composite
def polygons(draw):
    """A star-shaped polygon of 3 to 12 corners within the grid."""
    corners = draw(st.integers(3, 12))
    radii = draw(st.lists(st.floats(15, 110), min_size=corners, max_size=corners))
    x, y = draw(st.floats(60, 180)), draw(st.floats(60, 180))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    polygon = shapely.Polygon(
        np.column_stack([LEFT + x + radii * np.cos(angles), TOP - y + np.array(radii) * np.sin(angles)])
    )
    assume(polygon.is_valid and polygon.area > 1)
    return polygon


@given(polygons())
def test_fractions_agree_with_fine_subdivision(polygon):
    # 20 points along a side: an edge through a pixel is off by a twentieth at most, and the sum by far less
    exact, fine = coverage_fractions(GRID, polygon), subdivided(GRID, polygon)
    assert np.abs(exact - fine).max() < 2.5 / SUBDIVISION
    assert exact.sum() * PIXEL**2 == pytest.approx(shapely.clip_by_rect(polygon, *GRID.boundingbox).area, rel=1e-5)


@given(polygons(), st.integers(0, 11), st.booleans())
def test_fractions_do_not_depend_on_where_a_ring_starts_or_how_it_runs(polygon, start, reverse):
    ring = shapely.get_coordinates(polygon.exterior)[:-1]
    turned = np.roll(ring, start, axis=0)[:: -1 if reverse else 1]
    np.testing.assert_allclose(
        coverage_fractions(GRID, shapely.Polygon(turned)), coverage_fractions(GRID, polygon), atol=1e-6
    )


def sketch_of(fractions, index, clear=None, water=None):
    builder = SketchBuilder()
    clear = np.ones(index.shape, "uint16") if clear is None else clear
    water = np.zeros(index.shape, bool) if water is None else water
    builder.add(fractions.astype("float32"), index[None], clear, water[None])
    return builder.sketch()


@st.composite
def landscapes(draw):
    """Stored NDVI of the grid, a share of it unobserved."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    index = rng.integers(-2000, 9500, GRID.shape).astype("int16")
    index[rng.random(GRID.shape) < draw(st.floats(0, 0.6))] = INDEX_NODATA
    return index


@given(landscapes(), polygons(), st.floats(0.2, 0.8), st.floats(0, np.pi))
def test_disjoint_zones_add_up_to_their_union(index, whole, share, angle):
    middle = shapely.Point(LEFT + EDGE * share, TOP - EDGE * (1 - share))
    direction = np.array([np.cos(angle), np.sin(angle)]) * 2 * EDGE
    across = np.array([-direction[1], direction[0]])
    half = shapely.Polygon(
        [np.array(middle.coords[0]) + step for step in (direction, direction + across, across - direction, -direction)]
    )
    parts = [whole.intersection(half), whole.difference(half)]
    assume(all(part.area > 1 for part in parts))
    sketches = [sketch_of(coverage_fractions(GRID, part), index) for part in (*parts, whole)]
    for name in ("land", "clear"):
        first, second, union = (getattr(sketch, name) for sketch in sketches)
        np.testing.assert_allclose(first + second, union, atol=2e-4)
    assert sketches[0].size + sketches[1].size == pytest.approx(sketches[2].size, rel=1e-5)


@settings(max_examples=30)
@given(landscapes(), polygons(), st.integers(1, 23), st.integers(1, 23))
def test_sums_do_not_depend_on_how_a_zone_is_cut_into_windows(index, polygon, row, column):
    fractions = coverage_fractions(GRID, polygon)
    builder = SketchBuilder()
    for rows in (slice(0, row), slice(row, None)):
        for columns in (slice(0, column), slice(column, None)):
            window = (rows, columns)
            ones = np.ones(index[window].shape)
            builder.add(fractions[window], index[window][None], ones.astype("uint16"), ones[None] == 0)
    parts, whole = builder.sketch(), sketch_of(fractions, index)
    np.testing.assert_allclose(parts.land, whole.land, rtol=1e-12)
    assert parts.size == pytest.approx(whole.size, rel=1e-12)


@given(landscapes(), polygons())
def test_what_was_not_observed_is_in_no_mean(index, polygon):
    fractions = coverage_fractions(GRID, polygon)
    seen = index != INDEX_NODATA
    assume((fractions * seen).sum() > 0)
    sketch = sketch_of(fractions, index)
    by_hand = (fractions * np.where(seen, index * 1e-4, 0)).sum() / (fractions * seen).sum()
    assert sketch.mean_index == pytest.approx(by_hand, abs=1e-6)
    assert sketch.observed_fraction == pytest.approx((fractions * seen).sum() / fractions.sum(), rel=1e-5)


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([0, -1000, 500, -200]))
def test_an_offset_of_the_stored_values_that_is_declared_changes_nothing(red, nir, offset):
    """Stored values raised by 1000 and declared with an offset of -0.1 are the same reflectance."""

    def stored_index(shift):
        composite = PeakComposite((1, 1), ("ndvi",))
        composite.next_day(213)
        classes = np.full((1, 1), CLEAR, "uint8")
        bands = {
            name: (np.full((1, 1), value - shift, "uint16"), 1e-4, shift * 1e-4, 0)
            for name, value in (("red", red), ("nir", nir))
        }
        composite.add(classes, bands)
        return int(composite.layers()["ndvi"][0, 0])

    assume(min(red, nir) - offset > 0)
    assert stored_index(offset) == stored_index(0)


@given(st.sampled_from(sorted(VARIABLES)), st.floats(-40, 40, width=32))
def test_nodata_is_never_a_value(name, value):
    variable = VARIABLES[name]
    try:
        stored = encode(variable, np.array([value], "float32"))
    except ValueError:
        return  # beyond what the raster holds: an error, never a wrong number
    assert stored[0] != variable.nodata
    assert encode(variable, np.array([np.nan], "float32"))[0] == variable.nodata
