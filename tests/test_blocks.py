"""What no zone touches and what clouds hide is not read; what is read is the same as ever."""

import math

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from pipeline.blocks import BLOCK_PX, CELL_PX, blocks_of, blocks_with, cells_of, grown, rectangles
from pipeline.compositing.cube import touched_tiles
from pipeline.scenes.reflectance import _copy, _whole_factor
from pipeline.scenes.scene import Band
from pipeline.zones.coverage import coverage_fractions

CRS, LEFT, TOP = "EPSG:32649", 400_000, 4_500_000


def grid_of(rows, columns, pixel=10.0, left=LEFT, top=TOP):
    return GeoBox((rows, columns), from_origin(left, top, pixel, pixel), CRS)


def test_a_block_is_found_by_its_one_pixel():
    classes, but = np.full((600, 1100), 4, "uint8"), np.zeros((600, 1100), "bool")
    classes[511, 512] = classes[599, 1099] = classes[0, 0] = 3
    but[0, 0] = True
    assert blocks_with(classes, 1, but).tolist() == [[False, True, False], [False, False, True]]


@given(
    arrays("bool", st.tuples(st.integers(1, 4), st.integers(1, 4))),
    st.sampled_from([BLOCK_PX, CELL_PX]),
    st.floats(0.01, 1),
)
def test_the_rectangles_are_the_squares_that_are_asked_for_each_once(squares, side, last):
    shape = tuple((size - 1) * side + math.ceil(last * side) for size in squares.shape)
    count = np.zeros(shape, "uint8")
    for window in rectangles(squares, shape, side):
        count[window] += 1
    asked = squares.repeat(side, 0).repeat(side, 1)[: shape[0], : shape[1]]
    assert (count == asked).all()


def test_a_block_is_asked_for_with_one_of_its_cells():
    cells = np.zeros((16, 40), bool)
    cells[15, 16] = cells[0, 39] = True
    assert blocks_of(cells).tolist() == [[False, True, True]]
    assert cells_of(blocks_of(cells), cells.shape).sum() == 16 * 24


def test_cells_grow_by_one_each_way():
    cells = np.zeros((4, 5), bool)
    cells[0, 0] = cells[3, 3] = True
    assert grown(cells).astype(int).tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 1, 1],
        [0, 0, 1, 1, 1],
    ]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """1500 x 1300 pixels of 20 m, all different by chance."""
    path = tmp_path_factory.mktemp("blocks") / "a.tif"
    values = np.random.default_rng(5).integers(1, 60_000, (1500, 1300)).astype("uint16")
    with rasterio.open(
        path, "w", driver="GTiff", width=1300, height=1500, count=1, dtype="uint16", crs=CRS, nodata=0,
        transform=from_origin(LEFT, TOP, 20, 20), tiled=True, blockxsize=BLOCK_PX, blockysize=BLOCK_PX,
    ) as out:  # fmt: skip
        out.write(values, 1)
    return path, values


@pytest.mark.parametrize("repeated", [1, 2, 5])
@pytest.mark.parametrize("within", [0, 1])
@pytest.mark.parametrize(("column", "row"), [(0, 0), (-300, -7), (900, 1100), (1200, 1400)])
def test_blocks_that_are_asked_for_hold_what_the_whole_holds(file, repeated, within, column, row):
    """The grid begins inside the file or before it, at the edge of one of its pixels or a pixel of the grid further,
    and reaches beyond; its pixels are those of the file, or parts of them."""
    path, values = file
    side, first_row, first_column = 20 / repeated, row * repeated + within, column * repeated + within
    grid = grid_of(1100, 1030, side, LEFT + first_column * side, TOP - first_row * side)
    rows, columns = (
        (np.arange(size) + first) // repeated + 1200 for size, first in ((1100, first_row), (1030, first_column))
    )
    whole = np.pad(values, 1200)[np.ix_(rows, columns)]
    assert (_copy(Band(str(path)), grid, None) == whole).all()
    blocks = np.array([[True, False, True], [False, True, True], [False, False, True]])
    part = _copy(Band(str(path)), grid, blocks)
    asked = blocks.repeat(BLOCK_PX, 0).repeat(BLOCK_PX, 1)[:1100, :1030]
    assert (part == np.where(asked, whole, 0)).all()
    used = np.full_like(part, 77)
    over = _copy(Band(str(path)), grid, blocks, used)
    assert over is used
    assert (over == part).all()


@pytest.mark.parametrize(
    ("pixel", "left", "top", "factor"),
    [
        (10, LEFT, TOP, 1),
        (20, LEFT - 30, TOP, 2),  # the grid begins with the second half of a pixel
        (30, LEFT + 30, TOP + 60, 3),
        (10, LEFT - 5, TOP, None),
        (10, LEFT, TOP + 5, None),
        (20, LEFT - 5, TOP, None),
        (15, LEFT, TOP, None),
        (5, LEFT, TOP, None),
    ],
)
@pytest.mark.parametrize("off", [0, 3])
def test_pixels_are_copied_where_their_edges_meet(pixel, left, top, factor, off):
    """Wherever the corner of the grid itself lies."""
    grid, source = grid_of(4, 6, 10.0, LEFT + off, TOP), grid_of(40, 50, float(pixel), left + off, top)
    assert _whole_factor(source, grid) == factor


def test_a_tile_names_the_blocks_that_a_zone_touches():
    grid = grid_of(2048, 2048)
    side = BLOCK_PX * 10
    ell = shapely.union(
        shapely.box(LEFT + 100, TOP - 2.5 * side, LEFT + 200, TOP - 100),
        shapely.box(LEFT + 100, TOP - 2.5 * side, LEFT + 1.5 * side, TOP - 2.4 * side),
    )
    (tile,) = touched_tiles(grid, 2048, np.array([ell]))
    assert tile.shape == (3 * BLOCK_PX, 2 * BLOCK_PX)
    assert blocks_of(tile.cells).tolist() == [[True, False], [True, False], [True, True]]
    # a column of ten pixels, three blocks long; along the foot 76 pixels wide, at rows 1229 to 1280 of 1536
    assert tile.cells[:, 0].tolist() == [True] * 40 + [False] * 8
    assert tile.cells[:, 20].tolist() == [False] * 38 + [True] * 2 + [False] * 8


@given(st.lists(st.tuples(st.floats(0, 6000), st.floats(0, 6000)), min_size=3, max_size=12))
@example([(0, 0), (1, 0), (611, 6e-5)])
def test_all_that_a_zone_covers_lies_in_the_cells_of_its_tiles(corners):
    grid, zone = grid_of(1024, 1024), shapely.Polygon([(LEFT + x, TOP - y) for x, y in corners]).buffer(0)
    assume(not zone.is_empty)
    covered = coverage_fractions(grid, zone) > 1e-5  # less is a hairline along the edge of a cell, which is not touched
    for tile in touched_tiles(grid, 512, np.array([zone])):
        rows, columns = tile.window
        cells = tile.cells.repeat(CELL_PX, 0).repeat(CELL_PX, 1)
        assert not covered[rows, columns][~cells].any()
        covered[rows, columns] = False
    assert not covered.any()
