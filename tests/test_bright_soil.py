"""Bright soil flagged as cloud: what a season shows, worked by hand, pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
from conftest import CRS, make_grid, write_item, write_tif

from pipeline.blocks import CELL_PX
from pipeline.compositing.bright_soil import BrightSoil
from pipeline.compositing.cube import Cube, Tile
from pipeline.compositing.tile_year import TileYear, composite_tile
from pipeline.execution.provenance import Marks
from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.quality import BUFFERED, CLEAR
from pipeline.scenes.season import PEAK

FLAGGED = BUFFERED
"""As a cloud is; snow and cirrus are 0."""


def season(days: list[list[tuple[int, float, float]]], **stored) -> list[int]:
    """Classes of one pixel after the test, for days of scenes of (class, red, near infrared), as `observed` has it."""
    soil = BrightSoil((1, 1))
    scenes = [[observed(*scene, **stored) for scene in day] for day in days]
    for day in scenes:
        soil.next_day()
        for classes, bands in day:
            soil.add(classes, bands)
    return [int(soil.rescue(classes, bands)[0, 0]) for day in scenes for classes, bands in day]


def observed(bits, red, nir, dtype="uint16", step=1e-4, nodata=0) -> tuple[np.ndarray, dict]:
    """A scene of one pixel, stored in steps."""
    stored = {name: np.array([[value / step]]).round(4).astype(dtype) for name, value in (("red", red), ("nir", nir))}
    return np.array([[bits]], "uint8"), {name: (value, step, 0.0, nodata) for name, value in stored.items()}


def dates(*scenes: tuple[int, float, float]) -> list[list[tuple[int, float, float]]]:
    """Days of one scene each."""
    return [[scene] for scene in scenes]


SAND = (0.30, 0.36)
CLOUD = (0.62, 0.65)


@pytest.mark.parametrize("flag", [FLAGGED, 0], ids=["cloud", "snow or cirrus"])
def test_sand_that_is_flagged_on_most_dates_is_clear_on_all(flag):
    assert season(dates((CLEAR, *SAND), *[(flag, *SAND)] * 3)) == [CLEAR] * 4


@pytest.mark.parametrize(("red", "found"), [(0.16, CLEAR), (0.14, FLAGGED)])
def test_soil_is_bright_from_its_least_red_on(red, found):
    assert season(dates((CLEAR, red, 0.3), *[(FLAGGED, red + 0.02, 0.32)] * 3)) == [CLEAR] + [found] * 3


def test_a_date_that_lacks_a_band_says_nothing():
    """Its red is no part of the mean of the clear days, whose near infrared it has not."""
    days = dates((CLEAR, *SAND), (CLEAR, 0.9, 0.0), (CLEAR, 0.0, 0.9), *[(FLAGGED, *SAND)] * 3)
    assert season(days) == [CLEAR] * 6


def test_each_pixel_of_an_oblong_tile_has_a_season_of_its_own():
    """Of three pixels side by side only the last is flagged, on three dates of four."""
    soil = BrightSoil((1, 3))
    bands = {
        name: (np.full((1, 3), value, "float32"), 1.0, 0.0, -1)
        for name, value in zip(("red", "nir"), SAND, strict=True)
    }
    clear, flagged = np.full((1, 3), CLEAR, "uint8"), np.array([[CLEAR, CLEAR, FLAGGED]], "uint8")
    for classes in (clear, flagged, flagged, flagged):
        soil.next_day()
        soil.add(classes, bands)
    assert soil.rescue(flagged, bands).tolist() == [[CLEAR] * 3]
    assert soil.rescue(np.full((1, 3), FLAGGED, "uint8"), bands).tolist() == [[FLAGGED, FLAGGED, CLEAR]]


def test_a_cloud_over_sand_stays_a_cloud():
    """Three flagged dates show the sand; on the fourth it is a cloud indeed."""
    days = dates((CLEAR, *SAND), *[(FLAGGED, *SAND)] * 3, (FLAGGED, *CLOUD))
    assert season(days) == [CLEAR] * 4 + [FLAGGED]


@pytest.mark.parametrize(
    ("why", "scenes"),
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
def test_anything_else_stays_flagged(why, scenes):
    assert season(dates(*scenes)) == [bits for bits, _, _ in scenes], why


def test_overlapping_tiles_of_a_day_are_one_date():
    """Two flagged days are too few, and three are more than two clear ones, whether one tile saw them or two."""
    clear, flagged = [(CLEAR, *SAND)] * 2, [(FLAGGED, *SAND)] * 2
    assert season([clear, flagged, flagged]) == [CLEAR] * 2 + [FLAGGED] * 4
    assert season([clear, clear, flagged, flagged, flagged]) == [CLEAR] * 10


@pytest.mark.parametrize("order", [1, -1])
def test_a_day_is_clear_where_one_of_its_tiles_is(order):
    """Three days are flagged and three clear, which is not on most: in whichever order the tiles of one come."""
    both = [(FLAGGED, *SAND), (CLEAR, *SAND)][::order]
    days = [both, *dates(*[(CLEAR, *SAND)] * 2, *[(FLAGGED, *SAND)] * 3)]
    assert season(days) == [bits for day in days for bits, _, _ in day]


def test_daily_products_have_more_dates_than_a_byte_counts():
    assert season(dates((CLEAR, *SAND), *[(FLAGGED, *SAND)] * 258)) == [CLEAR] * 259


def test_missing_values_of_floating_point_data_are_no_date():
    """1e20 as float32 is not the 1e20 of its metadata; three flagged dates, one of them without red."""
    stored = {"dtype": "float32", "step": 1.0, "nodata": 1e20}
    days = dates((CLEAR, *SAND), *[(FLAGGED, *SAND)] * 2, (FLAGGED, 1e20, 0.36))
    assert season(days, **stored) == [CLEAR] + [FLAGGED] * 3


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
    clear = clear_counts(tmp_path, shape, looked_for)[5]
    near = [4, 4, 4] if looked_for else [1, 1, 4]
    assert [clear[0], clear[33], clear[40]] == near
    assert clear[62] == 3


def test_tiles_of_a_day_are_one_date_of_a_composite(tmp_path):
    """Sand is clear on the first day and flagged on two more, in two tiles each."""
    for number, day in enumerate(("2023-07-20", "2023-07-30", "2023-08-05")):
        pixels = {"red": (3000, "uint16"), "nir": (3600, "uint16"), "scl": (9 if number else 5, "uint8")}
        for tile in "AB":
            arrays = {key: np.full((32, 32), *value) for key, value in pixels.items()}
            write_item(tmp_path, f"S{number}{tile}", day, pixels=arrays)
    assert (clear_counts(tmp_path, (32, 32), bright_soil=True) == 1).all()


def test_what_brings_ndvi_alone_has_no_brightness(tmp_path):
    """Meadow (NDVI 0.6) that is cloudy in most periods of MOD13: red of an index scene is made of its NDVI, and says
    nothing of bright soil."""
    for number, day in enumerate((193, 201, 209, 217)):
        reliability = np.uint8(3 if number else 0)
        layers = {"NDVI": np.int16(6000), "pixel_reliability": reliability, "VI_Quality": np.uint16(2048)}
        for layer, value in layers.items():
            write_tif(tmp_path / f"MOD13Q1.A2023{day}.h26v04.061_{layer}.tif", np.full((8, 8), value), pixel=10)
    assert (clear_counts(tmp_path, (8, 8), bright_soil=True) == 1).all()


@pytest.mark.parametrize("bright_soil", [False, True])
def test_finer_scenes_have_no_say(tmp_path, bright_soil):
    """Masks of scenes finer than the grid are not mended, nor are those of the others by what finer ones show."""
    for number, day in enumerate(("2023-07-20", "2023-07-30", "2023-08-05", "2023-08-15")):
        side, pixel = (8, 10) if number < 3 else (16, 5)
        values = {"red": np.uint16(3000), "nir": np.uint16(3600), "scl": np.uint8(9 if number else 5)}
        name = f"S{number}"
        write_item(tmp_path, name, day, pixels={key: np.full((8, 8), value) for key, value in values.items()})
        for key, value in values.items():
            write_tif(tmp_path / f"{name}_{key}.tif", np.full((side, side), value), pixel=pixel)
    assert (clear_counts(tmp_path, (8, 8), bright_soil) == 1).all()


def clear_counts(folder: Path, shape: tuple[int, int], bright_soil: bool) -> np.ndarray:
    """Clear dates of each pixel in the composite of the scenes in ``folder``."""
    grid = make_grid(*shape)
    scenes, _ = find_scenes(folder, Wanted((2023,), PEAK, ("red", "nir"), CRS, grid.extent.geom))
    cube = Cube(folder / "cube.zarr", grid, 256)
    cube.create()
    cube.add_year(2023, ("ndvi", "clear_count", "water_count", "peak_day"))
    window = tuple(slice(0, size) for size in shape)
    marks = Marks(folder / "marks")
    tile = Tile(0, 0, window, np.ones([-(-size // CELL_PX) for size in shape], bool))
    unit = TileYear(cube, tile, 2023, tuple(scenes), "max_index", ("ndvi",), 20, marks, {}, bright_soil)
    assert composite_tile(unit) == []
    return cube.read(2023, "clear_count", window)
