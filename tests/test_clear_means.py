"""Scenes finer than the grid: what is cloud at the scene's own pixels enters no mean."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import PIXEL, make_grid, noon, write_tif

from pipeline.compositing import clear_means as module
from pipeline.compositing.clear_means import clear_means, pixels_within
from pipeline.compositing.cube import Cube, Tile
from pipeline.compositing.tile_year import TileYear, composite_tile
from pipeline.execution.provenance import Marks
from pipeline.scenes.quality import CLEAR, WATER, QualityRule
from pipeline.scenes.scene import Band, Scene

V, W, C, N = 4, 6, 9, 0
"""Vegetation, water, cloud, no data."""
RULE = QualityRule(frozenset({V}), frozenset({W}), frozenset({C}), N, "-")

QUALITY = [
    [V, V, C, C, W, W],
    [V, V, C, V, W, V],
    [C, C, V, V, N, N],
    [C, C, C, V, V, V],
]
"""Six grid pixels of 2 x 2: clear, a quarter clear, mostly water; cloud, three quarters clear, half of it clear."""
RED = [
    [400, 400, 5000, 5000, 100, 100],
    [400, 600, 5000, 300, 100, 700],
    [5000, 5000, 200, 200, 0, 0],
    [5000, 5000, 5000, 800, 0, 500],
]


def scene_of(folder, red, quality, pixel=PIXEL):
    red = np.asarray(red, "uint16")
    bands = {
        "red": Band(str(write_tif(folder / "red.tif", red, pixel=pixel)), scale=1e-4),
        "nir": Band(str(write_tif(folder / "nir.tif", 2 * red, pixel=pixel)), scale=1e-4),
    }
    layer = Band(str(write_tif(folder / "scl.tif", np.asarray(quality, "uint8"), pixel=pixel)))
    return Scene("A", "-", noon(2023, 8, 1), bands, layer, RULE, "-", pixel_m=pixel)


def means(scene, grid, within=2, buffer_m=0, cells=None):
    classes, bands = clear_means(scene, ("red", "nir"), grid, within, buffer_m, cells)
    return classes, bands["red"][0]


def test_a_pixel_takes_the_mean_of_what_is_clear_in_it(tmp_path):
    classes, red = means(scene_of(tmp_path, RED, QUALITY), make_grid(2, 3, 20.0))
    assert classes.tolist() == [[CLEAR, 0, CLEAR | WATER], [0, CLEAR, CLEAR]]
    # (400 + 400 + 400 + 600) / 4; (100 + 100 + 100 + 700) / 4; (200 + 200 + 800) / 3; of 0, no data, and 500 the latter
    assert red.tolist() == [[450, 0, 250], [0, 400, 500]]


def test_a_missing_value_of_floating_point_data_enters_no_mean(tmp_path):
    """1e20 as float32 is not the 1e20 of its metadata."""
    scene = scene_of(tmp_path, [[400, 400], [400, 400]], [[V, V], [V, V]])
    write_tif(tmp_path / "red.tif", np.array([[0.04, 0.06], [1e20, np.nan]], "float32"))
    scene = replace(scene, bands=scene.bands | {"red": replace(scene.bands["red"], scale=1.0, nodata=1e20)})
    assert means(scene, make_grid(1, 1, 20.0))[1].tolist() == [[pytest.approx(0.05)]]


@pytest.mark.parametrize(("shadows", "refused"), [(0, False), (1, False), (2, True)])
def test_an_offset_subtracted_twice_shows_in_shadows_that_enter_no_mean(tmp_path, shadows, refused):
    """Steppe of .15 and .3 stays possible at .05 and .2; shadow of .04 and .08 does not."""
    red, quality = np.full((100, 200), 1500), np.full((100, 200), V)
    red[:shadows], quality[:shadows] = 400, C
    scene = scene_of(tmp_path, red, quality)
    scene = replace(scene, bands={name: replace(band, offset=-0.1) for name, band in scene.bands.items()})
    if refused:
        with pytest.raises(ValueError, match="2% of its pixels, shadow and water among them, have reflectance below"):
            means(scene, make_grid(50, 100, 20.0))
    else:
        assert (means(scene, make_grid(50, 100, 20.0))[0] == CLEAR).all()


def test_clouds_grow_at_the_pixels_of_the_scene(tmp_path):
    """A cloud pixel and a buffer of one pixel of the scene, half a pixel of the grid."""
    quality = np.full((4, 8), V)
    quality[1, 1] = C
    scene = scene_of(tmp_path, np.full((4, 8), 700), quality)
    assert (means(scene, make_grid(2, 4, 20.0))[0] == CLEAR).all()
    grown = means(scene, make_grid(2, 4, 20.0), buffer_m=10)[0]
    # of the pixel on the left 4 of 4 are lost, of the three around it 2, 2 and 1
    assert grown.tolist() == [[0, CLEAR, CLEAR, CLEAR], [CLEAR, CLEAR, CLEAR, CLEAR]]


@pytest.mark.parametrize("strip_px", [1, 40, 200])
def test_strips_make_no_difference(tmp_path, monkeypatch, strip_px):
    rng = np.random.default_rng(1)
    quality = rng.choice([V, W, C, N], (48, 60), p=[0.6, 0.1, 0.2, 0.1])
    scene = scene_of(tmp_path, rng.integers(200, 4000, (48, 60)), quality)
    grid = make_grid(12, 15, 40.0)
    whole = means(scene, grid, 4, 20)
    monkeypatch.setattr(module, "STRIP_PX", strip_px)
    for found, expected in zip(means(scene, grid, 4, 20), whole, strict=True):
        assert (found == expected).all()


def test_only_the_cells_that_are_asked_for_are_worked_out(tmp_path):
    scene = scene_of(tmp_path, np.full((80, 144), 700), np.full((80, 144), V))
    cells = np.array([[True, False, False], [False, False, True]])
    classes, red = means(scene, make_grid(40, 72, 20.0), cells=cells)
    asked = np.zeros((40, 72), bool)
    asked[:32, :32] = asked[32:, 64:] = True
    assert (classes == np.where(asked, CLEAR, 0)).all()
    assert (red == np.where(asked, 700, 0)).all()


@pytest.mark.parametrize(
    ("pixel", "grid_m", "within"), [(10, 10, 1), (10, 19, 1), (10, 20, 2), (10, 250, 25), (30, 250, 8), (30, 10, 1)]
)
def test_how_much_finer_a_scene_is(tmp_path, pixel, grid_m, within):
    scene = scene_of(tmp_path, np.ones((4, 4)), np.ones((4, 4)), float(pixel))
    assert pixels_within(scene, make_grid(400, 400, float(grid_m))) == within


def test_small_clouds_do_not_lower_the_index_of_a_coarse_grid(tmp_path):
    """Ground of NDVI 0.75, three tenths of it under clouds of 40 m and NDVI 0: on a grid of 80 m it is 0.75."""
    rng = np.random.default_rng(3)
    cloud = np.kron(rng.random((32, 32)) < 0.3, np.ones((4, 4), bool))
    scene = scene_of(tmp_path, np.where(cloud, 5000, 500), np.where(cloud, C, V))
    write_tif(tmp_path / "nir.tif", np.where(cloud, 5000, 3500).astype("uint16"))
    grid = make_grid(16, 16, 80.0)
    layers = ("ndvi", "clear_count", "water_count", "peak_day")
    cube = Cube(tmp_path / "cube.zarr", grid, 512)
    cube.create()
    cube.add_year(2023, layers)
    tile = Tile(0, 0, (slice(0, 16), slice(0, 16)), np.ones((1, 1), bool))
    unit = TileYear(cube, tile, 2023, (scene,), "max_index", ("ndvi",), 0, Marks(tmp_path / "marks"), {"all": "1"})
    assert composite_tile(unit) == []
    seen = cube.read(2023, "clear_count", tile.window) == 1
    assert 0.6 < seen.mean() < 1
    assert (cube.read(2023, "ndvi", tile.window)[seen] == 7500).all()
