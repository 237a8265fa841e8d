"""The results as a STAC catalogue: valid, complete, and readable wherever the folder is moved."""

import json
import shutil

import numpy as np
import pystac
import pytest
import rasterio
from pystac.validation.stac_validator import JsonSchemaSTACValidator
from tiny_world import World


def published(folder):
    """A world of its own with a catalogue."""
    world = World.finished(folder)
    world.settings["deliverables"] = ["patches", "stac"]
    world.write_config()
    world.run()
    return world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return published(tmp_path_factory.mktemp("1#地块"))  # as an address all from # on would be lost


@pytest.fixture(scope="module")
def moved(world, tmp_path_factory):
    """The collection, opened from a copy of the results."""
    folder = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(world.results, folder, ignore=shutil.ignore_patterns("work"))
    return pystac.Collection.from_file(folder / "collection.json")


def test_each_zone_has_an_item_for_each_period_and_for_the_comparison(moved):
    found = {item.id for item in moved.get_items()}
    assert found == {
        f"tiny-{zone}-{label}"
        for zone in ("F01", "F02", "G01", "W01")
        for label in ("2019-2021", "2023-2025", "2019-2021_2023-2025")
    }


def test_every_link_and_file_is_relative_and_there(world, moved):
    for path in world.results.rglob("*.json"):
        if "work" not in path.parts and path.name != "run.json":
            content = json.loads(path.read_text("utf-8"))
            links = [link["href"] for link in content["links"]]
            links += [asset["href"] for asset in content["assets"].values()]
            assert all(link.startswith(".") for link in links)
            assert all((path.parent / link).is_file() for link in links)
            assert "self" not in {link["rel"] for link in content["links"]}
    rasters = {path.name for path in world.results.glob("zones/*/*.tif")}
    assert {asset.href[2:] for item in moved.get_items() for asset in item.assets.values()} == rasters
    assert {"zones.gpkg", "summary.csv", "patches.csv"} <= moved.assets.keys()


def test_the_catalogue_is_valid_by_the_core_schemas(moved):
    validator = JsonSchemaSTACValidator()
    for part in (moved, *moved.get_items()):
        kind = pystac.STACObjectType.COLLECTION if part is moved else pystac.STACObjectType.ITEM
        validator.validate_core(part.to_dict(), kind, "1.1.0")


def test_the_fields_are_those_of_the_rasters(moved):
    for item in moved.get_items():
        for name, asset in item.assets.items():
            with rasterio.open(asset.get_absolute_href()) as file:
                stored = file.read(1, masked=True).compressed()
                (band,) = asset.extra_fields["bands"]
                assert asset.extra_fields["proj:shape"] == list(file.shape)
                assert asset.extra_fields["proj:transform"] == list(file.transform)[:6]
                assert band["data_type"] == file.dtypes[0]
                assert band["nodata"] == file.nodata
                assert band["raster:scale"] == file.scales[0]
                assert band["statistics"]["mean"] == pytest.approx(np.mean(stored), rel=1e-4, abs=1e-4)
                assert item.properties["proj:code"] == f"EPSG:{file.crs.to_epsg()}"
                assert ("classification:classes" in band) == name.endswith("_class")


def test_times_and_places_cover_the_periods_and_zones(world, moved):
    items = {item.id: item for item in moved.get_items()}
    comparison = items["tiny-G01-2019-2021_2023-2025"].properties
    assert comparison["start_datetime"] == "2019-01-01T00:00:00Z"
    assert comparison["end_datetime"] == "2025-12-31T23:59:59Z"
    assert comparison["datetime"] is None
    (west, south, east, north), *_ = moved.extent.spatial.bboxes
    assert 109 < west < east < 111
    assert 40 < south < north < 41
    assert moved.description.startswith(f"{moved.title}。")
    assert "不作为交易依据" in moved.description
    assert comparison["processing:lineage"].endswith("; 12 scenes")
    assert "; inventories of 2020, 2024; " in items["tiny-F01-2023-2025"].properties["processing:lineage"]
    assert comparison["processing:software"].keys() == {"sinkmap"}
    assert comparison["version"] == moved.extra_fields["version"]


def test_a_second_run_writes_the_same_and_other_periods_leave_no_old_item(tmp_path):
    world = published(tmp_path)
    files = {path: path.read_bytes() for path in world.results.glob("zones/*/*.json")}
    files[world.results / "collection.json"] = (world.results / "collection.json").read_bytes()
    world.run()
    assert {path: path.read_bytes() for path in files} == files
    world.settings["periods"] = {"current": "2023-2025"}
    world.write_config()
    world.run()
    assert {path.name for path in world.results.glob("zones/*/*.json")} == {
        f"{zone}_2023-2025.json" for zone in ("F01", "F02", "G01", "W01")
    }
