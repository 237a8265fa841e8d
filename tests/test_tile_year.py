"""A tile over a mixed season: memory that scenes hand on to each other leaves no trace in the composite."""

from datetime import timedelta

import numpy as np
import pytest
from conftest import LEFT, PIXEL, make_grid, noon, write_tif

from pipeline.compositing import tile_year
from pipeline.compositing.cube import Cube, Tile
from pipeline.compositing.tile_year import TileYear, composite_tile
from pipeline.execution.provenance import Marks
from pipeline.scenes import reflectance
from pipeline.scenes.quality import QualityRule
from pipeline.scenes.scene import Band, Scene

SIDE, BUFFER_M = 64, 20
LAYERS = ("ndvi", "ndmi", "clear_count", "water_count", "peak_day")
RULE = QualityRule(frozenset({4, 5}), frozenset({6}), frozenset({8, 9}), 0, "-")
NAMES = ("red", "nir", "swir16")


def scene_of(folder, name, day, *, band="uint16", quality="uint8", left=0, shared=False, torn=False):
    """A scene of noise in which a third is cloud; ``left`` pixels of the tile lie beside it, ``shared`` has one layer
    for red and near infrared, of ``torn`` the second half of a band is cut off."""
    rng = np.random.default_rng(day)
    shape, place = (SIDE, SIDE - left), LEFT + left * PIXEL
    bands = {}
    for asset in NAMES:
        values = rng.integers(500, 6000, shape).astype(band)
        bands[asset] = Band(str(write_tif(folder / f"{name}_{asset}.tif", values, left=place)), scale=1e-4)
    if shared:
        bands["nir"] = bands["red"].adjusted(-0.5, 0.6)
    if torn:
        path = folder / f"{name}_nir.tif"
        path.write_bytes(path.read_bytes()[: SIDE * SIDE])
    layer = None
    if quality:
        classes = rng.choice([0, 4, 5, 6, 8, 9], shape, p=[0.05, 0.4, 0.35, 0.1, 0.05, 0.05]).astype(quality)
        layer = Band(str(write_tif(folder / f"{name}_scl.tif", classes, left=place)))
    taken = noon(2023, 7, 1) + timedelta(days=day)
    return Scene(name, "-", taken, bands, layer, RULE if quality else None, "-")


def season(folder):
    return (
        scene_of(folder, "eight bits", 1),
        scene_of(folder, "sixteen bits", 2, quality="uint16"),
        scene_of(folder, "one layer", 3, shared=True),
        scene_of(folder, "no quality", 4, quality=None),
        scene_of(folder, "part of the tile", 5, left=23),
        scene_of(folder, "floats", 6, band="float32"),
        scene_of(folder, "integers again", 7),
        scene_of(folder, "part, other bits", 8, left=40, quality="uint16"),
        scene_of(folder, "the last", 9),
    )


def composited(folder, scenes, method):
    grid = make_grid(SIDE, SIDE)
    cube = Cube(folder / "cube.zarr", grid, 512)
    cube.create()
    cube.add_year(2023, LAYERS)
    tile = Tile(0, 0, (slice(0, SIDE), slice(0, SIDE)), np.ones((2, 2), bool))
    unit = TileYear(cube, tile, 2023, scenes, method, ("ndvi", "ndmi"), BUFFER_M, Marks(folder / "marks"), {"all": "1"})
    failed = composite_tile(unit)
    return failed, {name: cube.read(2023, name, tile.window) for name in LAYERS}


@pytest.mark.parametrize("method", ["max_index", "median", "geometric_median"])
def test_scenes_of_all_kinds_composite_as_if_each_had_memory_of_its_own(tmp_path, monkeypatch, method):
    scenes = season(tmp_path)
    failed, found = composited(tmp_path / "a", scenes, method)
    assert failed == []
    assert len(np.unique(found["clear_count"])) > 4
    monkeypatch.setattr(tile_year, "read_classes", lambda scene, grid, _: reflectance.read_classes(scene, grid))
    monkeypatch.setattr(
        tile_year,
        "read_bands",
        lambda scene, names, grid, blocks, _: reflectance.read_bands(scene, names, grid, blocks),
    )
    _, apart = composited(tmp_path / "b", scenes, method)
    for name in LAYERS:
        assert (found[name] == apart[name]).all(), name


def test_a_scene_that_fails_half_way_is_named_and_nothing_is_marked(tmp_path):
    """Its red is read over that of the scene before; the tile is to be done again without it."""
    scenes = season(tmp_path)
    torn = scene_of(tmp_path, "torn", 10, torn=True)
    failed, _ = composited(tmp_path / "a", (*scenes[:3], torn, *scenes[3:]), "max_index")
    assert [aside.scene for aside in failed] == ["torn"]
    assert not list((tmp_path / "a" / "marks").glob("*"))
