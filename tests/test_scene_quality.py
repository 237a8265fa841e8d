"""What each scene shows of each zone, counted on a zone of 100 pixels."""

import csv
import os

import numpy as np
import pytest
import shapely
from conftest import CRS, LEFT, TOP, make_grid, write_item
from rasterio.features import geometry_mask
from tiny_world import World

from pipeline.compositing.cube import Cube, Tile
from pipeline.errors import OutputError
from pipeline.questions import scene_quality
from pipeline.questions.scene_quality import TileQuality, ZoneScene, tile_quality, together, write_quality, zone_scenes
from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.reflectance import read_classes
from pipeline.scenes.season import PEAK
from pipeline.zones.zone import Zone

ZONE = shapely.box(LEFT + 20, TOP - 120, LEFT + 120, TOP - 20)
"""10 x 10 pixels of 10 m."""

ALL = np.ones((1, 1), bool)
"""The one cell of a tile of 16 x 16 pixels."""


def test_shares_of_a_zone(tmp_path):
    """Of 100 pixels 90 have reflectance; of these 50 land, 20 water, 20 cloud or snow."""
    classes, red = np.full((16, 16), 4, "uint8"), np.full((16, 16), 900, "uint16")
    classes[:, 7:9], classes[:, 9], classes[:, 10] = 6, 9, 11
    red[:, 11:] = 0
    pixels = {"scl": classes, "red": red, "nir": np.full((16, 16), 3000, "uint16")}
    write_item(tmp_path, "A", pixels=pixels)
    grid = make_grid(16, 16)
    found, _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, grid.extent.geom))
    zone = Zone("G01", "-", "grassland", "-", 1.0, None, ZONE)
    cube, tile = Cube(tmp_path / "cube.zarr", grid, 256), Tile(0, 0, (slice(0, 16), slice(0, 16)), ALL)
    counts = tile_quality(TileQuality(cube, tile, (zone,), tuple(found), tmp_path))
    (row,) = zone_scenes(zone, found, counts)
    assert (row.zone_id, row.scene, row.date) == ("G01", "A", "2023-08-01")
    assert row.seen_percent == 90
    assert (row.clear_percent, row.water_percent) == (100 * 70 / 90, 100 * 20 / 90)
    assert row.flagged_percent == 100 * 20 / 90


def test_the_pixels_of_a_zone_are_found_once_for_all_scenes(tmp_path, monkeypatch):
    """For each scene anew, 25 000 vertices cost more than the scenes."""
    for name, day in (("A", "2023-08-01"), ("B", "2023-08-11")):
        write_item(tmp_path, name, day)
    grid = make_grid(16, 16)
    found, _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, grid.extent.geom))
    zone = Zone("G01", "-", "grassland", "-", 1.0, None, ZONE)
    cube, tile = Cube(tmp_path / "cube.zarr", grid, 256), Tile(0, 0, (slice(0, 16), slice(0, 16)), ALL)
    masks = []
    monkeypatch.setattr(
        scene_quality, "geometry_mask", lambda *args: masks.append(mask := geometry_mask(*args)) or mask
    )
    rows = zone_scenes(zone, found, tile_quality(TileQuality(cube, tile, (zone,), tuple(found), tmp_path)))
    assert [(row.scene, row.seen_percent) for row in rows] == [("A", 4), ("B", 4)]  # scenes of 4 x 4 pixels
    assert len(masks) == 1


def test_a_scene_is_read_once_for_all_zones_of_a_tile_and_counted_over_all_tiles(tmp_path, monkeypatch):
    """For each zone anew, 300 zones took 300 times as long."""
    write_item(tmp_path, "A")  # of 4 x 4 pixels
    grid = make_grid(16, 16)
    scenes, _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, grid.extent.geom))
    zones = tuple(
        Zone(f"G{number:02}", "-", "grassland", "-", 1.0, None, shapely.box(LEFT, TOP - 160, LEFT + 10 * number, TOP))
        for number in range(1, 13)
    )
    cube, read = Cube(tmp_path / "cube.zarr", grid, 256), []
    monkeypatch.setattr(scene_quality, "read_classes", lambda *args: read.append(args) or read_classes(*args))
    tiles = [Tile(0, place, (slice(0, 16), slice(8 * place, 8 * place + 8)), ALL) for place in (0, 1)]
    counts = together([tile_quality(TileQuality(cube, tile, zones, tuple(scenes), tmp_path)) for tile in tiles])
    assert len(read) == 1, "the second tile lies beside the scene"
    shares = [row.seen_percent for zone in zones for row in zone_scenes(zone, scenes, counts)]
    assert shares == [100 * 4 * min(number, 4) / (16 * number) for number in range(1, 13)]


def test_the_command_writes_a_row_for_each_zone_and_scene(tmp_path, sinkmap):
    world = World.at(tmp_path)
    done = sinkmap("quality", world.config, "--out", world.out)
    assert done.code == 0, done.err
    with (world.results / "scene_quality.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 * 12
    shares = [float(row["晴空占比 clear_percent"]) + float(row["掩膜占比 flagged_percent"]) for row in rows]
    assert max(abs(share - 100) for share in shares) < 0.11


def test_a_table_that_another_program_has_open_is_named(tmp_path, monkeypatch):
    """As Excel has it on Windows."""

    def in_use(*_):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(os, "replace", in_use)
    with pytest.raises(OutputError, match=r"scene_quality\.csv: cannot be written \(in use\); close it in Excel"):
        write_quality(tmp_path / "scene_quality.csv", [])


def test_shares_have_one_decimal_and_none_is_an_empty_cell(tmp_path):
    write_quality(tmp_path / "q.csv", [ZoneScene("G01", "A", "2023-08-01", "S2", 0.0, None, None, 100 / 3)])
    lines = (tmp_path / "q.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines[1:] == ["G01,A,2023-08-01,S2,0.0,,,33.3"]
