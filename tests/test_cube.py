"""The cube is a Zarr store like any other, whatever wrote it."""

import os
import shutil

import numpy as np
import pytest
import zarr
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from pipeline.compositing.cube import Cube, Tile, block_aligned_grid
from pipeline.errors import OutputError
from pipeline.execution import whole_file
from pipeline.variables import INDEX_NODATA

GRID = GeoBox((1024, 1536), from_origin(500_000, 4_500_000, 10, 10), "EPSG:32649")
WINDOW = (slice(768, 1024), slice(900, 1400))
CELLS = np.ones((8, 16), bool)


@pytest.fixture(params=[512, 768, 2048])
def cube(request, tmp_path):
    """A cube in which one window of one tile is filled."""
    cube = Cube(tmp_path / "cube.zarr", GRID, request.param)
    cube.create()
    cube.add_year(2024, ("ndvi", "clear_count"))
    row, column = (w.start // request.param for w in WINDOW)
    window = (WINDOW[0], slice(max(900, column * request.param), min(1400, (column + 1) * request.param)))
    values = np.arange(256 * (window[1].stop - window[1].start)).reshape(256, -1)
    layers = {"ndvi": (values % 10_000).astype("int16"), "clear_count": (values % 200).astype("uint8")}
    cube.write(2024, Tile(row, column, window, CELLS), layers)
    return cube, window, layers


def test_the_grid_is_whole_blocks_from_the_corner_of_the_scenes():
    """Blocks of 5120 m: the zones reach half a metre above the corner of the scenes, and 2040 m to its right."""
    grid = block_aligned_grid((400_103, 4_499_900, 402_000, 4_500_000.5), "EPSG:32649", 10, (399_960, 4_500_000))
    assert grid.shape == (1024, 512)
    assert grid.boundingbox.bbox == (399_960, 4_494_880, 405_080, 4_505_120)


def test_a_scanner_that_holds_each_new_file_for_a_moment_does_not_stop_the_cube(tmp_path, monkeypatch):
    held, real = [], os.replace

    def replace(source, target):
        if target not in held:
            held.append(target)
            raise PermissionError("Access is denied")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(whole_file, "WAITS_S", (0,) * 9)
    cube = Cube(tmp_path / "cube.zarr", GRID, 512)
    cube.create()
    cube.add_year(2024, ("ndvi", "clear_count"))
    assert len(held) >= 3
    assert (cube.read(2024, "clear_count", WINDOW) == 0).all()


def test_what_was_written_is_read_and_all_else_is_nodata(cube):
    cube, window, layers = cube
    for name, fill in (("ndvi", INDEX_NODATA), ("clear_count", 0)):
        expected = np.full(GRID.shape, fill, layers[name].dtype)
        expected[window] = layers[name]
        for part in (window, np.s_[0:1024, 0:1536], np.s_[767:770, 899:1025], np.s_[5:6, 7:8]):
            read = cube.read(2024, name, part)
            assert read.dtype == expected.dtype
            assert (read == expected[part]).all()


def test_what_is_nodata_now_was_not_left_from_before(cube):
    cube, window, layers = cube
    tile = Tile(*(part.start // cube.tile_px for part in window), window, CELLS)
    cube.write(2024, tile, {"ndvi": np.full_like(layers["ndvi"], INDEX_NODATA)})
    assert (cube.read(2024, "ndvi", window) == INDEX_NODATA).all()
    assert (cube.read(2024, "clear_count", window) == layers["clear_count"]).all()


@pytest.mark.parametrize("years", [(2024, 2025), (2025, 2024)])
def test_a_year_that_is_not_kept_is_no_nodata(cube, years):
    with pytest.raises(OSError, match="2025"):
        cube[0].read_years(years, "ndvi", WINDOW)


def test_years_are_read_on_top_of_each_other(cube):
    cube, window, layers = cube
    cube.add_year(2025, ("ndvi",))
    found = cube.read_years((2025, 2024), "ndvi", window)
    assert (found[0] == INDEX_NODATA).all()
    assert (found[1] == layers["ndvi"]).all()


def test_zarr_reads_the_same(cube):
    cube, _, _ = cube
    group = zarr.open_group(cube.path / "2024", mode="r")
    for name in ("ndvi", "clear_count"):
        assert (group[name][:] == cube.read(2024, name, np.s_[0:1024, 0:1536])).all()


def test_an_array_that_was_made_again_is_another(cube):
    cube, _, _ = cube
    layers = ("ndvi", "clear_count")
    before = cube.made(2024, layers)
    assert len({*before, ""}) == 3
    cube.add_year(2024, layers)
    assert cube.made(2024, layers) == before
    shutil.rmtree(cube.path / "2024" / "ndvi")
    assert cube.made(2024, layers) == ["", before[1]]
    cube.add_year(2024, layers)
    again = cube.made(2024, layers)
    assert again[1] == before[1]
    assert again[0] not in ("", before[0])


def test_coverage_comes_back_until_it_is_forgotten(cube):
    cube, window, _ = cube
    fractions = np.linspace(0, 1, 256 * (window[1].stop - window[1].start), dtype="float32").reshape(256, -1)
    cube.write_coverage("F01", window, fractions)
    assert (cube.read_coverage("F01", window) == fractions).all()
    cube.forget_coverage("F01")
    with pytest.raises(OutputError, match="is gone; run again with --force"):
        cube.read_coverage("F01", window)
