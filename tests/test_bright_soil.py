"""Bright soil flagged as cloud: what a season shows, worked by hand, pixel by pixel."""

import numpy as np
import pytest
from conftest import CRS, make_grid, write_item

from pipeline.bright_soil import BrightSoil
from pipeline.catalog import find_scenes
from pipeline.cube import Cube, Tile
from pipeline.provenance import Marks
from pipeline.scene import BUFFERED, CLEAR
from pipeline.tile_year import TileYear, composite_tile

FLAGGED = BUFFERED
"""As a cloud is; snow and cirrus are 0."""


def season(dates: list[tuple[int, float, float]]) -> list[int]:
    """Classes of one pixel after the test, for dates of (class, red, near infrared)."""
    soil = BrightSoil((1, 1))
    observed = [
        (np.array([[bits]], "uint8"), {
            name: (np.array([[round(value * 1e4)]], "uint16"), 1e-4, 0.0, 0)
            for name, value in (("red", red), ("nir", nir))
        })
        for bits, red, nir in dates
    ]  # fmt: skip
    for classes, bands in observed:
        soil.add(classes, bands)
    return [int(soil.rescue(classes, bands)[0, 0]) for classes, bands in observed]


SAND = (0.30, 0.36)
CLOUD = (0.62, 0.65)


@pytest.mark.parametrize("flag", [FLAGGED, 0], ids=["cloud", "snow or cirrus"])
def test_sand_that_is_flagged_on_most_dates_is_clear_on_all(flag):
    assert season([(CLEAR, *SAND), *[(flag, *SAND)] * 3]) == [CLEAR] * 4


def test_a_cloud_over_sand_stays_a_cloud():
    """Three flagged dates show the sand; on the fourth it is a cloud indeed."""
    dates = [(CLEAR, *SAND), *[(FLAGGED, *SAND)] * 3, (FLAGGED, *CLOUD)]
    assert season(dates) == [CLEAR] * 4 + [FLAGGED]


@pytest.mark.parametrize(
    ("why", "dates"),
    [
        ("never clear", [(FLAGGED, *SAND)] * 4),
        ("two flagged dates", [(CLEAR, *SAND), *[(FLAGGED, *SAND)] * 2]),
        ("flagged on half of the dates", [(CLEAR, *SAND)] * 3 + [(FLAGGED, *SAND)] * 3),
        ("dark: thin cloud over grass", [(CLEAR, 0.08, 0.30), *[(FLAGGED, 0.10, 0.31)] * 3]),
        ("other in red", [(CLEAR, *SAND), *[(FLAGGED, 0.34, 0.36)] * 3]),
        ("other in near infrared", [(CLEAR, *SAND), *[(FLAGGED, 0.30, 0.40)] * 3]),
        ("nodata", [(CLEAR, *SAND), *[(FLAGGED, 0.0, 0.36)] * 3]),
    ],
)
def test_anything_else_stays_flagged(why, dates):
    assert season(dates) == [bits for bits, _, _ in dates], why


@pytest.mark.parametrize("looked_for", [False, True])
def test_a_tile_with_flagged_sand(tmp_path, looked_for):
    """Sand in the left half is called cloud (9) on three dates of four, a true cloud lies on the right on the last.
    Looked for, it is clear four times, and its false cloud no longer grows over the grass beside it."""
    shape = (64, 64)
    sand = np.arange(64) < 32
    for number, day in enumerate(("2023-07-20", "2023-07-30", "2023-08-05", "2023-08-15")):
        classes = np.where(sand, 9 if number else 5, 4)
        red, nir = np.where(sand, 3000, 400), np.where(sand, 3600, 3000)
        if number == 3:
            classes[60:], red[60:], nir[60:] = 9, 6000, 6100
        pixels = {"red": red.astype("uint16"), "nir": nir.astype("uint16"), "scl": classes.astype("uint8")}
        write_item(tmp_path, f"S{number}", day, pixels={key: np.tile(row, (64, 1)) for key, row in pixels.items()})
    grid = make_grid(*shape)
    area = grid.extent.geom
    scenes, _ = find_scenes(tmp_path, (2023,), ((7, 15), (8, 31)), ("red", "nir"), CRS, area)
    cube = Cube(tmp_path / "cube.zarr", grid, 256)
    cube.create()
    cube.add_year(2023, ("ndvi", "clear_count", "water_count", "peak_day"))
    tile = Tile(0, 0, (slice(0, 64), slice(0, 64)))
    marks = Marks(tmp_path / "marks")
    unit = TileYear(cube, tile, 2023, tuple(scenes), "max_index", ("ndvi",), 2, marks, {}, looked_for)
    assert composite_tile(unit) == []
    clear = cube.read(2023, "clear_count", (slice(5, 6), slice(0, 64)))[0]
    near = [4, 4, 4] if looked_for else [1, 1, 4]
    assert [clear[0], clear[33], clear[40]] == near
    assert clear[62] == 3
