"""What a user can get wrong, each produced for real: one sentence that names the place and what to do, an exit code,
no traceback, and nothing at a final name."""

import contextlib
import json
import os
import pkgutil
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
import shapely.affinity
from conftest import ROOT
from tiny_world import (
    CLOUD,
    CRS,
    DAYS,
    LEFT,
    STANDS,
    VEGETATION,
    YEARS,
    ZONES,
    World,
    box,
    child,
    clouds_over,
    command,
    read_csv,
    run_with_small_files,
    undisturbed,
)

from pipeline.errors import ConfigError
from pipeline.execution.output_folder import held
from pipeline.outputs import cog
from pipeline.questions.explain import explain
from pipeline.questions.finished import FinishedRun
from pipeline.questions.what_if import what_if
from pipeline.zones.file_parts import parts_of

WINDOWS = sys.platform == "win32"
CONFIG, ZONE, SCENE, OUTPUT, PARTIAL = 2, 3, 4, 5, 6
"""Exit codes."""

SMALL_DISK = 8 << 20


@pytest.fixture
def world(tmp_path):
    return World.at(tmp_path)


def published(folder):
    """Files that pass for results: all but what the run keeps for itself."""
    return [p.name for p in folder.rglob("*") if p.is_file() and "work" not in p.relative_to(folder).parts]


def leftovers(folder):
    return [name for name in published(folder) if ".part" in name or ".raw" in name]


def assert_one_sentence(error, *named):
    assert error.startswith("Error: ")
    assert error.count("\n") == 1, error
    assert "Traceback" not in error
    for text in named:
        assert str(text) in error


# --- the table --------------------------------------------------------------------------------------------
# each case breaks the world and returns what the sentence must name; ARGUMENTS has further words of the command


def line_of(world, word):
    """How an error names the line of the config that has this word."""
    lines = world.config.read_text(encoding="utf-8").splitlines()
    return f"tiny.yaml:{next(number for number, line in enumerate(lines, 1) if json.dumps(word) in line)}:"


def unknown_key(world):
    world.settings["grid"]["resolution"] = 30
    world.write_config()
    return line_of(world, "resolution"), "did you mean 'resolution_m'?"


def wrong_type(world):
    world.settings["grid"]["resolution_m"] = "thirty"
    world.write_config()
    return line_of(world, "thirty"), "grid.resolution_m", "number"


def missing_key(world):
    del world.settings["zones"]["path"]
    world.write_config()
    return line_of(world, "zones"), "'path' is missing; add it"


def not_yaml(world):
    world.config.write_text("name: tiny\nscenes: [2019\nzones: {", encoding="utf-8")
    return "tiny.yaml:", "not valid YAML"


def config_in_gbk(world):
    world.config.write_bytes("name: 包头\n".encode("gbk"))
    return "tiny.yaml", "UTF-8"


def empty_config(world):
    world.config.write_text("", encoding="utf-8")
    return ("tiny.yaml",)


def periods_out_of_order(world):
    world.settings["periods"] = {"baseline": "2023-2025", "current": "2019-2021"}
    world.write_config()
    return "tiny.yaml:", "periods", "the baseline must end before"


def unknown_crs(world):
    world.settings["grid"]["crs"] = "EPSG:999999"
    world.write_config()
    return "EPSG:999999", "grid.crs"


def geographic_crs(world):
    world.settings["grid"] = {"crs": "EPSG:4490", "resolution_m": 30}
    world.write_config()
    return "EPSG:4490", "grid.crs"


def no_coefficients(world):
    shutil.rmtree(world.coefficients)
    return "coefficients", "no coefficient file"


def an_ecosystem_without_coefficients(world):
    (world.coefficients / "wetland.yaml").unlink()
    return "coefficients", "wetland"


def a_coefficient_that_is_no_number(world):
    world.change_coefficient("wetland", "value: 530", "value: many")
    return "wetland.yaml:", "many"


def missing_zones(world):
    world.zones.unlink()
    return "zones.gpkg", "there is no such file; correct its path"


def garbage_zones(world):
    world.zones.write_bytes(b"not a GeoPackage" * 100)
    return "zones.gpkg", "export it again"


def cut_zones(world):
    content = world.zones.read_bytes()
    world.zones.write_bytes(content[: len(content) // 2])
    return ("zones.gpkg",)


def zones_without_crs(world):
    path = world.folder / "zones.shp"
    world.write_zones(ZONES, crs=None, path=path)
    world.settings["zones"]["path"] = "zones.shp"
    world.write_config()
    return "zones.shp", "no CRS", "define the projection"


def zones_without_a_column(world):
    world.settings["zones"]["columns"]["stratum"] = "TIPE"
    world.write_config()
    return "zones.gpkg", "'TIPE'", "did you mean 'TYPE'?"


def too_few_zones(world):
    world.write_zones({name: zone for name, zone in ZONES.items() if name != "F02"})
    return "zones.gpkg", "1 forest, not 2", "zones.expected"


def doubled_ids(world):
    world.write_zones(ZONES)
    _sql(world.zones, "UPDATE zones SET ID = 'F01' WHERE ID = 'F02'")
    return "zones.gpkg", "F01 is there twice", "give each zone its own"


def an_id_that_leads_out_of_the_folder(world):
    _sql(world.zones, "UPDATE zones SET ID = '../F02' WHERE ID = 'F02'")
    return "zones.gpkg", "../F02", "use letters"


def unknown_class(world):
    world.write_zones(ZONES | {"F02": ("沙地", *ZONES["F02"][1:])})
    return "zones.gpkg", "F02", "沙地", "zones.classes"


def unknown_vegetation_type(world):
    world.write_zones(ZONES | {"G01": ("草地", "高寒草甸", ZONES["G01"][2])})
    return "zones.gpkg", "G01", "高寒草甸", "coefficient file"


def a_zone_that_crosses_itself(world):
    bow = shapely.transform(
        shapely.Polygon([(0, 0), (90, 80), (90, 0), (0, 80)]), lambda xy: xy * 30 + [LEFT, 4_497_000]
    )
    world.write_zones(ZONES | {"F02": (*ZONES["F02"][:2], bow)})
    return "zones.gpkg", "F02", "correct it in GIS"


def unknown_species(world):
    world.write_stands([("胡杨", *STANDS[0][1:]), ("梭梭", *STANDS[1][1:])])
    return "stands.gpkg", "'胡杨' (1 stands), '梭梭' (1 stands)", "forest coefficient file"


def negative_volume(world):
    world.write_stands([(STANDS[0][0], -3.0, *STANDS[0][2:]), STANDS[1]])
    return "stands.gpkg", "V2020"


def all_stands_elsewhere(world):
    """As by a wrong zone of Gauss-Krueger."""
    world.write_stands([(*stand[:3], shapely.affinity.translate(stand[3], 200_000)) for stand in STANDS])
    return world.stands, "no stand lies in a forest or grassland zone", "CRS"


def volume_of_a_stand_for_that_of_a_hectare(world):
    # 1.3e4 m3 of a stand of 430 ha: beyond what a raster of t C/ha holds
    world.write_stands([("华北落叶松", 13_000.0, 19_000.0, STANDS[0][3]), STANDS[1]])
    return "F01", "t DM/ha"


def a_coefficient_beyond_all_reason(world):
    world.change_coefficient("wetland", "value: 530", "value: 53000")
    return "wetland.yaml", "agb_g_m2", "outside its valid range 0 to 4000"


def missing_scenes(world):
    shutil.rmtree(world.folder / "scenes")
    return "scenes", "correct scenes.path"


def empty_scene_folder(world):
    shutil.rmtree(world.folder / "scenes")
    (world.folder / "scenes").mkdir()
    return (world.folder / "scenes",)


def all_scenes_elsewhere(world):
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, left=LEFT + 200_000)
    return world.folder / "scenes", "none of 12 scenes", "the zones", "191 km off", f"check the CRS of {world.zones}"


def boundaries_of_the_next_zone_of_gauss_krueger(world):
    """Without its number before the eastings nothing in the file tells."""
    shapes = gpd.GeoSeries([shape for _, _, shape in ZONES.values()], crs=CRS).to_crs("EPSG:4546")
    moved = {zone: (*of[:2], shape) for (zone, of), shape in zip(ZONES.items(), shapes, strict=True)}
    world.write_zones(moved, "EPSG:4547")
    return "none of 12 scenes", "km off the zones", f"check the CRS of {world.zones}"


def no_scene_in_season(world):
    world.settings["scenes"]["season"] = ["09-01", "09-30"]
    world.write_config()
    return world.folder / "scenes", "09-01 to 09-30"


def a_scene_without_crs(world):
    world.write_scene(2021, DAYS[0], crs=None)
    return "S2_20210801", "no CRS", "get the product again"


def a_truncated_scene(world):
    path = world.scene(2021, DAYS[0]) / "B08.tif"
    path.write_bytes(path.read_bytes()[:4000])
    return "S2_20210801", "B08.tif", "get the product again"


def a_scene_whose_item_is_cut(world):
    path = next(world.scene(2021, DAYS[0]).glob("*.json"))
    path.write_bytes(path.read_bytes()[:100])
    return path.name, "JSON", "get the product again"


def a_scene_of_level_1c(world):
    _edit_item(world, 2021, DAYS[0], lambda item: item["properties"].update({"s2:product_type": "S2MSI1C"}))
    return "S2_20210801", "level 1C", "get its L2A product"


def a_scene_of_unknown_offset(world):
    def forget(item):
        for asset in ("red", "nir"):
            item["assets"][asset].pop("raster:bands")
        item["properties"].pop("earthsearch:boa_offset_applied")

    _edit_item(world, 2021, DAYS[0], forget)
    return "S2_20210801", "offset"


def a_scene_twice(world):
    shutil.copytree(world.scene(2021, DAYS[0]), world.folder / "scenes" / "copy")
    return "S2_20210801", "remove one copy"


def a_year_under_cloud(world):
    for day in DAYS:
        world.write_scene(2024, day, scl=np.full((200, 300), CLOUD))
    return "2024", "no clear pixel", "scenes.years"


def a_year_without_scenes(world):
    for day in DAYS:
        shutil.rmtree(world.scene(2024, day))
    return "2024", "no usable scene", "scenes.years"


def a_year_of_broken_scenes(world):
    for day in DAYS:
        path = world.scene(2024, day) / "B08.tif"
        path.write_bytes(path.read_bytes()[:4000])
    # both what is missing and why
    return "2024", "B08.tif"


def stored_integers_declared_as_reflectance(world):
    write_manifest(world, scale=1, offset=0)
    return "reflectance", "scale or offset"


def a_manifest_of_top_of_atmosphere(world):
    write_manifest(world, level="top_of_atmosphere")
    return "manifest.yaml", "top_of_atmosphere", "correct the atmosphere"


def cover_of_one_grey(world):
    world.settings["cover"] = {"grassland": {"end_members": "calibrate"}}
    world.write_config()
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, ndvi=np.full((200, 300), 0.5))
    return "cover.grassland", "set end_members to shipped"


def a_name_that_no_font_prints(world):
    _sql(world.zones, "UPDATE zones SET NAME = 'F02 \U0010fffd' WHERE ID = 'F02'")
    world.settings["deliverables"] = ["sheets"]
    world.write_config()
    return "F02", "U+10FFFD", "install", "leave sheets out of deliverables"


def a_file_in_the_place_of_the_output(world):
    world.out.write_text("a file", encoding="utf-8")
    return world.out, "choose another folder with --out"


ARGUMENTS = {
    a_scene_without_crs: ["--strict"],
    a_truncated_scene: ["--strict"],
    a_scene_whose_item_is_cut: ["--strict"],
    a_scene_of_level_1c: ["--strict"],
    a_scene_of_unknown_offset: ["--strict"],
    a_scene_twice: ["--strict"],
}

FAULTS = {
    CONFIG: [
        unknown_key, wrong_type, missing_key, not_yaml, config_in_gbk, empty_config, periods_out_of_order, unknown_crs,
        geographic_crs, no_coefficients, an_ecosystem_without_coefficients, a_coefficient_that_is_no_number,
        a_coefficient_beyond_all_reason, cover_of_one_grey,
    ],
    ZONE: [
        missing_zones, garbage_zones, cut_zones, zones_without_crs, zones_without_a_column, too_few_zones, doubled_ids,
        an_id_that_leads_out_of_the_folder, unknown_class, unknown_vegetation_type, a_zone_that_crosses_itself,
        unknown_species, negative_volume, all_stands_elsewhere,
    ],
    SCENE: [
        missing_scenes, empty_scene_folder, all_scenes_elsewhere, boundaries_of_the_next_zone_of_gauss_krueger,
        no_scene_in_season, a_scene_without_crs, a_truncated_scene, a_scene_whose_item_is_cut, a_scene_of_level_1c,
        a_scene_of_unknown_offset, a_scene_twice, a_year_under_cloud, a_year_without_scenes, a_year_of_broken_scenes,
        stored_integers_declared_as_reflectance, a_manifest_of_top_of_atmosphere,
    ],
    OUTPUT: [a_file_in_the_place_of_the_output],
}  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "code"),
    [pytest.param(fault, code, id=fault.__name__) for code, faults in FAULTS.items() for fault in faults],
)
def test_a_fault_is_one_sentence_and_leaves_no_result(world, sinkmap, fault, code):
    named = fault(world)
    found, _, error = sinkmap("zones", world.config, "--out", world.out, *ARGUMENTS.get(fault, []))
    assert_one_sentence(error, *named)
    assert found == code
    if world.out.is_dir():
        # finished maps of zones without fault may stay
        assert [name for name in published(world.out) if name[:3] in named or not name.endswith(".tif")] == []
        assert leftovers(world.out) == []


def a_name_that_gbk_cannot_write(world):
    _sql(world.zones, "UPDATE zones SET NAME = '㙟梁' WHERE ID = 'F02'")
    world.settings["exports"] = ["shp"]
    world.write_config()
    return "the name of zone F02 has '㙟'", "GBK", "export gdb"


@pytest.mark.parametrize("fault", [a_name_that_no_font_prints, a_name_that_gbk_cannot_write])
def test_a_name_that_cannot_be_delivered_is_told_before_a_pixel_is_read(world, sinkmap, fault):
    named = fault(world)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == OUTPUT
    assert_one_sentence(error, *named)
    assert not (world.out / "tiny" / "work" / "cube.zarr").exists()


# --- what a run must not do -------------------------------------------------------------------------------


def manifest_with(world, name, **changes):
    """A manifest whose first scene has this red file."""
    write_manifest(world, **changes)
    path = world.folder / "scenes" / "manifest.yaml"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["scenes"][0]["bands"]["red"] = name
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["/vsicurl/127.0.0.1:9/red.tif", "/vsis3/bucket/red.tif", "/vsizip/vsis3/bucket/a.zip/red.tif"],
)
def test_a_manifest_cannot_make_the_machine_fetch_anything(world, sinkmap, name):
    manifest_with(world, name)
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    if WINDOWS:  # such a name is a file of the drive
        assert_one_sentence(error, Path(name).name, "cannot be read", "No such file")
    else:
        assert_one_sentence(error, name, "is not a file on this machine", "scenes.remote")


def test_an_item_with_a_remote_file_is_set_aside(world, sinkmap):
    def elsewhere(item):
        item["assets"]["red"]["href"] = "https://127.0.0.1:9/B04.tif"

    _edit_item(world, 2021, DAYS[0], elsewhere)
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    assert_one_sentence(error, "S2_20210801", "lacks red", "download")


def test_a_manifest_cannot_describe_an_image_elsewhere_by_its_name(world, sinkmap):
    """GDAL takes a VRT within the name of a file for that VRT."""
    manifest_with(
        world,
        '<VRTDataset rasterXSize="4" rasterYSize="4"><SRS>EPSG:32649</SRS><GeoTransform>4e5,30,0,4.5e6,0,-30'
        '</GeoTransform><VRTRasterBand dataType="UInt16" band="1"><SimpleSource><SourceFilename>'
        "&#47;vsicurl&#47;http:&#47;&#47;127.0.0.1:9&#47;red.tif</SourceFilename></SimpleSource></VRTRasterBand>"
        "</VRTDataset>",
    )
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    assert_one_sentence(error, "<VRTDataset", "is not a file on this machine", "scenes.remote")


@pytest.mark.parametrize(
    "text", ["<VRTDataset/>", "\ufeff \n<GDAL_WMS></GDAL_WMS>", ' {"type": "Feature"}', " " * 100 + "<VRTDataset/>"]
)
def test_a_description_of_an_image_elsewhere_is_no_image(world, sinkmap, text):
    (world.scene(2021, DAYS[0]) / "B04.tif").write_text(text, encoding="utf-8")
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    assert_one_sentence(error, "S2_20210801", "B04.tif", "describes an image elsewhere")


def test_a_raster_of_absurd_size_is_refused_by_its_header(world, sinkmap):
    path = world.scene(2021, DAYS[0]) / "B04.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=400_000, height=300_000, count=1, dtype="uint16", sparse_ok=True, tiled=True,
        bigtiff="yes", crs="EPSG:32649",
    ):  # fmt: skip
        pass
    assert path.stat().st_size < 1 << 25  # of 240 GB
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    assert_one_sentence(error, "B04.tif", "400000 x 300000 pixels", "scenes.max_megapixels (2000)")


def test_a_raster_in_one_block_of_gigabytes_is_refused_by_its_header(world, sinkmap):
    path = world.scene(2021, DAYS[0]) / "B04.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=32_768, height=32_768, count=1, dtype="uint16", sparse_ok=True, tiled=True,
        blockxsize=32_768, blockysize=32_768, bigtiff="yes", crs="EPSG:32649",
    ):  # fmt: skip
        pass
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == SCENE
    assert_one_sentence(error, "B04.tif", "blocks of 2.0 GiB", "tiled GeoTIFF")


@pytest.mark.parametrize("name", ["../elsewhere", "/tmp/elsewhere", "a/b", "..", ""])
def test_a_name_of_a_run_cannot_lead_out_of_the_output_folder(world, sinkmap, name):
    world.settings["name"] = name
    world.write_config()
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == CONFIG
    assert_one_sentence(error, "name")
    assert not world.out.exists()


@pytest.mark.parametrize("command", ["zones", "check", "plan"])
def test_results_never_take_the_place_of_inputs(tmp_path, sinkmap, command):
    """With --out the folder above that of the config, whose name the run has, results and inputs would lie in one."""
    world = World.at(tmp_path / "tiny")
    inputs = {path: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
    code, _, error = sinkmap(command, world.config, "--out", tmp_path)
    assert code == CONFIG
    assert_one_sentence(error, "zones.gpkg", f"lies in {world.folder}", "--out")
    assert {path: path.read_bytes() for path in inputs} == inputs


def test_scenes_among_the_results_are_refused_too(world, sinkmap):
    world.results.mkdir(parents=True)
    (world.folder / "scenes").rename(world.results / "scenes")
    world.settings["scenes"]["path"] = "out/tiny/scenes"
    world.write_config()
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == CONFIG
    assert_one_sentence(error, "scenes", f"lies in {world.results}")


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system ['touch hacked']", "!!python/name:os.system ''"])
def test_a_config_runs_no_code(world, sinkmap, monkeypatch, tag):
    monkeypatch.chdir(world.folder)
    world.config.write_text(f"name: {tag}\n", encoding="utf-8")
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == CONFIG
    assert_one_sentence(error.split("\n")[0] + "\n", "tiny.yaml:1")
    assert not (world.folder / "hacked").exists()


# --- files that change or are open ------------------------------------------------------------------------


def test_a_scene_replaced_while_the_run_reads_it_stops_the_run_and_is_read_again(world, sinkmap, monkeypatch):
    from pipeline.compositing import tile_year as work

    read, path = work.read_bands, world.scene(2021, DAYS[0]) / "B04.tif"
    content = path.read_bytes()

    def read_and_replace(scene, *arguments):
        if scene.id == "S2_20210801":
            path.write_bytes(content)
            os.utime(path, (1, 1))
        return read(scene, *arguments)

    monkeypatch.setattr(work, "read_bands", read_and_replace)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == SCENE
    assert_one_sentence(error, path, "was replaced while the run went on", "run again")
    assert published(world.out) == []
    marks = {mark.stem for mark in (world.results / "work" / "marks").glob("tile-*.json")}
    assert len(marks) == 10
    assert not {name for name in marks if "2021" in name}
    monkeypatch.setattr(work, "read_bands", read)
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    assert world.files() == undisturbed()


@pytest.mark.parametrize("path", ["zones.gpkg", "zones.gdb"])
def test_boundaries_replaced_during_the_run_stop_it_before_the_tables(world, sinkmap, monkeypatch, path):
    """A FileGDB is a folder, of which a file is replaced."""
    from pipeline import flow

    place = world.folder / path
    if path.endswith(".gdb"):
        gpd.read_file(world.zones).to_file(place, driver="OpenFileGDB")
        world.settings["zones"]["path"] = path
        world.write_config()
    map_zones = flow.map_zones

    def replace_and_map(*arguments):
        os.utime(max(place.glob("*.gdbtable"), default=place), (1, 1))
        return map_zones(*arguments)

    monkeypatch.setattr(flow, "map_zones", replace_and_map)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == ZONE
    assert_one_sentence(error, place, "was replaced while the run went on")
    assert not (world.results / "summary.csv").exists()


def test_edits_that_a_program_saved_and_still_holds_are_part_of_the_boundaries(world):
    """QGIS saves them into a log beside the GeoPackage, from which they are read; the file itself changes later."""
    with contextlib.closing(sqlite3.connect(world.zones)) as held_open:
        held_open.execute("PRAGMA journal_mode = WAL")
        log = world.zones.with_name("zones.gpkg-wal")
        assert parts_of(world.zones) == [world.zones]
        held_open.execute("UPDATE gpkg_contents SET description = 'edited'")
        held_open.commit()
        assert parts_of(world.zones) == [world.zones, log]
        # in a process of its own, as locks of SQLite are those of a process
        assert command("zones", world.config, "--out", world.out).returncode == 0
        run = FinishedRun.read(world.results)
        assert list(explain(run, "F01", "area_ha")["boundary"]["checksums"]) == ["zones.gpkg", "zones.gpkg-wal"]


def test_a_geopackage_that_another_program_writes_is_left_alone(world, sinkmap):
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    path = world.results / "zones.gpkg"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE mine (a)")
        assert path.with_name("zones.gpkg-wal").exists()
        code, _, error = sinkmap("zones", world.config, "--out", world.out)
        assert code == OUTPUT
        assert_one_sentence(error, path, "locked", "close it in other programs")
        assert other.execute("SELECT count(*) FROM zones").fetchone() == (4,)
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    assert not [file.name for file in world.results.iterdir() if file.name.endswith(("-wal", "-shm", "-journal"))]


def test_a_log_that_a_crash_left_beside_a_geopackage_does_not_break_the_next_one(world, sinkmap):
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    path = world.results / "zones.gpkg"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("CREATE TABLE mine (a)")
        left = {name: path.with_name(name).read_bytes() for name in ("zones.gpkg", "zones.gpkg-wal", "zones.gpkg-shm")}
    for name, content in left.items():
        path.with_name(name).write_bytes(content)
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    assert world.files() == undisturbed()


def test_ctrl_c_stops_cleanly_and_the_next_run_goes_on(world):
    code = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background is born without it
        "from pipeline import work\n"
        "from pipeline.__main__ import main\n"
        "real = work.Marks.write\n"
        "def write(self, unit, key):\n"
        "    real(self, unit, key)\n"
        "    if unit == 'tile-2020-r000c001':\n"
        "        if os.name == 'nt':\n"
        "            signal.raise_signal(signal.SIGINT)\n"  # as a handler of Ctrl-C does there
        "        else:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "work.Marks.write = write\n"
        f"sys.argv = ['sinkmap', 'zones', {str(world.config)!r}, '--out', {str(world.out)!r}]\n"
        "main()\n"
    )
    stopped = child("-c", code)
    assert stopped.returncode == 130
    assert "finished work is kept, run again" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    kept = len(list((world.results / "work" / "marks").glob("tile-*.json")))
    assert 0 < kept < 12
    assert not (world.results / "work" / "run.lock").exists()
    done = world.run()
    assert len(done.composite) == 12 - kept
    assert world.files() == undisturbed()


# --- some zones fail --------------------------------------------------------------------------------------


def test_a_zone_that_fails_leaves_the_others_delivered(world, sinkmap):
    zone, *named = volume_of_a_stand_for_that_of_a_hectare(world)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == PARTIAL
    assert_one_sentence(error, "1 of 4 zones failed", zone, *named)
    assert f"{zone}: zone {zone}" not in error
    rows = {row["zone_id"]: row for row in read_csv(world.results / "summary.csv")}
    assert rows[zone]["status"].startswith("failed: ")
    assert rows[zone]["status_zh"].startswith("计算失败：")
    assert float(rows[zone]["area_ha"]) > 0
    assert rows[zone]["carbon_tC"] == rows[zone]["ndvi_mean"] == rows[zone]["observed_fraction"] == ""
    assert all(float(rows[other]["carbon_tC"]) > 0 for other in ("F02", "G01"))
    assert "carbon_tC lacks 1 of 4 zones" in rows["city"]["status"]
    assert "生物量碳储量缺1/4个片区" in rows["city"]["status_zh"]
    assert not list(world.results.glob(f"zones/{zone}/*.tif"))
    assert len(list(world.results.glob("zones/*/*.tif"))) == 35
    assert [entry["zone"] for entry in json.loads((world.results / "run.json").read_text("utf-8"))["failed_zones"]] == [
        zone
    ]


@pytest.mark.parametrize(
    "step", ["pipeline.work.SketchBuilder.sketch", "pipeline.work.Strip.values", "pipeline.totals.zone_totals.stock"]
)
def test_a_mistake_in_the_program_that_hits_one_zone_leaves_the_others_delivered(world, sinkmap, monkeypatch, step):
    def fails_once(*arguments, **options):
        if not hits:
            hits.append(step)
            raise ZeroDivisionError("by hand")
        return real(*arguments, **options)

    hits, real = [], pkgutil.resolve_name(step)
    holder, name = step.rsplit(".", 1)
    monkeypatch.setattr(pkgutil.resolve_name(holder), name, fails_once)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == PARTIAL
    assert_one_sentence(error, "1 of 4 zones failed", "ZeroDivisionError", "by hand", "report this line")
    rows = [row for row in read_csv(world.results / "summary.csv") if row["level"] == "zone"]
    assert [row["carbon_tC"] != "" for row in rows].count(True) == 3
    # the next run mends what the first could not do
    assert sinkmap("zones", world.config, "--out", world.out)[0] == 0
    assert world.files() == undisturbed()


def fail_for(monkeypatch, step, zone, zone_of):
    """Let a step raise ValueError for one zone, which ``zone_of`` tells from its first argument."""
    real = pkgutil.resolve_name(step)

    def fails(first, *arguments):
        if zone_of(first) == zone:
            raise ValueError("by hand")
        return real(first, *arguments)

    holder, name = step.rsplit(".", 1)
    monkeypatch.setattr(pkgutil.resolve_name(holder), name, fails)


@pytest.mark.parametrize("strict", [False, True])
def test_a_zone_whose_draws_fail_leaves_the_others_delivered(world, monkeypatch, sinkmap, strict):
    world.settings["uncertainty"] = {"draws": 200}
    world.write_config()
    fail_for(monkeypatch, "pipeline.publish.realise", "G01", lambda model: model.zone.id)
    arguments = ["zones", world.config, "--out", world.out]
    if strict:
        with pytest.raises(ValueError, match="by hand"):
            sinkmap(*arguments, "--strict")
        return
    code, _, error = sinkmap(*arguments)
    assert code == PARTIAL
    assert_one_sentence(error, "1 of 4 zones failed", "G01", "ValueError by hand")
    rows = {row["zone_id"]: row for row in read_csv(world.results / "summary.csv")}
    assert rows["G01"]["carbon_tC"] == ""
    assert all(float(rows[other]["carbon_tC_low95"]) > 0 for other in ("F01", "F02", "W01", "city"))
    assert not list(world.results.glob("zones/G01/*.tif"))


def test_a_zone_whose_patches_fail_has_none_and_says_so(world, monkeypatch, sinkmap):
    world.settings["deliverables"] = ["patches", "project"]
    world.write_config()
    fail_for(monkeypatch, "pipeline.outputs.patches.patch_table", "G01", lambda zone: zone.id)
    code, said, _ = sinkmap("zones", world.config, "--out", world.out)
    assert code == 0
    assert "zone G01 has no patches: unexpected ValueError by hand" in " ".join(said.split())
    assert {row["zone_id"] for row in read_csv(world.results / "patches.csv")} == {"F01", "F02", "W01"}
    assert float(read_csv(world.results / "summary.csv")[2]["carbon_tC"]) > 0
    assert not list(world.results.glob("zones/G01/*_class_*.tif"))


def test_with_strict_the_first_zone_that_fails_stops_the_run(world, sinkmap):
    zone, *named = volume_of_a_stand_for_that_of_a_hectare(world)
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--strict")
    assert code == ZONE
    assert_one_sentence(error, zone, *named)


@pytest.mark.parametrize("strict", [False, True])
def test_a_zone_whose_totals_fail_stops_the_run_with_strict_alone(world, monkeypatch, sinkmap, strict):
    fail_for(monkeypatch, "pipeline.publish.zone_row", "G01", lambda model: model.zone.id)
    code, _, error = sinkmap("zones", world.config, "--out", world.out, *["--strict"] * strict)
    assert_one_sentence(error, "G01: its totals cannot be taken", "by hand", "report this line")
    assert code == (ZONE if strict else PARTIAL)
    assert (world.results / "summary.csv").is_file() is not strict


def test_where_every_zone_fails_there_is_no_result(world, sinkmap, monkeypatch):
    monkeypatch.setattr("pipeline.work.SketchBuilder.sketch", lambda self: 1 / 0)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == 1
    assert_one_sentence(error, "ZeroDivisionError")
    assert published(world.out) == []


def test_where_the_totals_of_every_zone_fail_there_are_maps_and_no_table(world, sinkmap, monkeypatch):
    monkeypatch.setattr("pipeline.publish.zone_row", lambda *_: 1 / 0)
    code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == ZONE
    assert_one_sentence(error, "ZeroDivisionError")
    assert {name.rpartition(".")[2] for name in published(world.out)} == {"tif"}


def _sql(path, statement):
    """Change a GeoPackage behind the back of its triggers."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{trigger}"')
        database.execute(statement)


def _edit_item(world, year, day, change):
    (path,) = world.scene(year, day).glob("*.json")
    item = json.loads(path.read_text(encoding="utf-8"))
    change(item)
    path.write_text(json.dumps(item), encoding="utf-8")


def write_manifest(world, scale=1e-4, offset=-0.1, level="surface_reflectance"):
    """The world's scenes declared in a manifest."""
    scenes = [
        {
            "id": world.scene(year, day).name,
            "date": f"{year}-{day}T03:30:00Z",
            "bands": {"red": f"{world.scene(year, day).name}/B04.tif", "nir": f"{world.scene(year, day).name}/B08.tif"},
            "quality": {"file": f"{world.scene(year, day).name}/SCL.tif", "clear": [4, 5], "water": [6], "cloud": [9]},
        }
        for year in YEARS
        for day in DAYS
    ]
    manifest = {"sensor": "camera", "level": level, "scale": scale, "offset": offset, "scenes": scenes}
    path = world.folder / "scenes" / "manifest.yaml"
    path.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    world.settings["scenes"]["path"] = "scenes/manifest.yaml"
    world.write_config()


# --- the command line -------------------------------------------------------------------------------------


def test_a_missing_config_is_one_sentence_of_the_real_command(tmp_path):
    result = command("zones", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert result.returncode == CONFIG
    assert_one_sentence(result.stderr, tmp_path / "none.yaml", "there is no such config file", "see configs/")
    assert result.stdout == ""
    assert not (tmp_path / "out").exists()


def test_an_unknown_zone_is_named_with_those_that_there_are(world, sinkmap):
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--zone", "F99")
    assert code == CONFIG
    assert_one_sentence(error, "F99", "F01, F02, G01, W01")
    assert published(world.out) == []


def test_a_year_that_the_config_does_not_list_is_refused(world, sinkmap):
    code, _, error = sinkmap("zones", world.config, "--out", world.out, "--year", 2022)
    assert code == CONFIG
    assert_one_sentence(error, "2022", "scenes.years", "add it there")
    assert not world.out.exists()


def test_a_bad_scene_is_reported_on_the_screen_of_a_run_that_goes_on(world, sinkmap):
    a_truncated_scene(world)
    code, said, error = sinkmap("zones", world.config, "--out", world.out)
    assert (code, error) == (0, "")
    assert re.search(r"Set aside: .*S2_20210801", said, re.DOTALL)


@pytest.mark.skipif(WINDOWS, reason="Windows has names in Unicode alone")
def test_a_scene_below_a_folder_named_in_gbk_is_set_aside_and_the_others_are_delivered(world, sinkmap):
    """As an archive from Windows is unpacked on Linux: no text file can hold such a name."""
    scene = world.scene(2021, DAYS[0])
    scene.rename(os.fsdecode(os.fsencode(scene.parent) + "/影像".encode("gbk")))
    world.settings["deliverables"] = ["workbook"]
    world.write_config()
    code, said, error = sinkmap("zones", world.config, "--out", world.out)
    assert (code, error) == (0, "")
    assert re.search(r"Set aside: scene\s+S2_20210801: .*signs\s+that\s+are\s+no\s+Unicode", said, re.DOTALL)


@pytest.mark.parametrize("sign", ["\ud800", "\x01"])
def test_an_item_whose_id_no_result_can_hold_is_set_aside(world, sinkmap, sign):
    _edit_item(world, 2021, DAYS[0], lambda item: item.update(id=f"A{sign}"))
    code, said, error = sinkmap("plan", world.config, "--out", world.out)
    assert (code, error) == (0, "")
    assert "no Unicode text; rename it" in " ".join(said.split())


def test_a_plan_names_the_scene_that_a_run_would_do_without(world, sinkmap):
    """Else its year is to be read again for "scenes changed", and nobody learns which scene is gone."""
    name, *_ = a_scene_of_unknown_offset(world)
    for words in (["plan"], ["zones", "--dry-run"]):
        code, said, error = sinkmap(*words, world.config, "--out", world.out)
        assert (code, error) == (0, "")
        assert re.search(rf"Set aside: .*{name}", said, re.DOTALL)


def test_a_bad_scene_on_another_grid_is_reported_by_no_library(world):
    a_truncated_scene(world)
    world.settings["grid"]["crs"] = "EPSG:4546"
    world.write_config()
    result = command("zones", world.config, "--out", world.out)
    assert (result.returncode, result.stderr) == (0, "")


def test_boundaries_with_measures_are_read_without_a_word(world):
    with contextlib.closing(sqlite3.connect(world.zones)) as file:
        file.execute("UPDATE gpkg_geometry_columns SET m = 1")
        file.commit()
    result = command("check", world.config)
    assert (result.returncode, result.stderr) == (0, "")


def test_every_stage_runs_alone_and_plan_and_check_read_no_pixel(world, sinkmap, monkeypatch):
    for stage in ("composite", "calibrate", "map", "publish"):
        assert sinkmap(stage, world.config, "--out", world.out)[0] == 0
    assert (world.results / "summary.csv").is_file()
    monkeypatch.setattr("pipeline.compositing.tile_year.read_bands", None)
    monkeypatch.setattr("pipeline.compositing.tile_year.read_classes", None)
    for name in ("plan", "check"):
        code, said, error = sinkmap(name, world.config, "--out", world.folder / "other")
        assert (code, error) == (0, "")
        assert said
    assert "0 of 12 tile-years" in sinkmap("plan", world.config, "--out", world.out)[1]


@pytest.mark.parametrize("command", ["plan", "check", "quality"])
def test_a_command_that_looks_for_scenes_waits_for_the_run_that_holds_the_folder(world, sinkmap, command):
    """On a STAC API it may fetch and delete the items that the run reads."""
    with held(world.results / "work"):
        code, _, error = sinkmap(command, world.config, "--out", world.out)
    assert code == OUTPUT
    assert_one_sentence(error, "another run holds it")
    assert sinkmap(command, world.config, "--out", world.out)[0] == 0


@pytest.mark.parametrize("command", ["plan", "check"])
def test_a_year_without_a_scene_is_found_before_the_run(world, sinkmap, command):
    for day in DAYS:
        shutil.rmtree(world.scene(2024, day))
    code, _, error = sinkmap(command, world.config, "--out", world.out)
    assert code == 4
    assert "the year 2024 has no usable scene; add scenes or take it out of scenes.years" in error
    (world.scene(2023, DAYS[0]) / "SCL.tif").unlink()
    error = sinkmap(command, world.config, "--out", world.out).err
    assert "the year 2024 has no usable scene (set aside last, of whatever year: scene S2_2023" in error


# --- full and forbidden disks -----------------------------------------------------------------------------


@contextlib.contextmanager
def small_disk(folder, options):
    """A disk of its own at ``folder``, where this user may mount one."""
    folder.mkdir(exist_ok=True)
    tried = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if not tried or tried.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("size", ["16k", "300k", "1200k", "2m"])
def test_a_full_disk_is_said_in_one_sentence_and_finished_work_is_kept(world, sinkmap, size):
    with small_disk(world.out, f"size={size}"):
        code, _, error = sinkmap("zones", world.config, "--out", world.out)
        # libtiff prints for itself, from several threads at once: what it says ends where our sentence begins
        assert code == OUTPUT
        assert_one_sentence(error[error.index("Error: ") :], world.out, "free")
        assert not (world.results / "zones.gpkg").exists()
        assert leftovers(world.out) == []
        for path in world.results.glob("zones/*/*.tif"):
            with rasterio.open(path) as file:
                assert file.read(1).size


def test_a_disk_that_fills_while_a_raster_is_finished_is_said_in_one_sentence(world, sinkmap, monkeypatch):
    copy = cog.copy

    def copy_without_room(*arguments, **options):
        # appended, for a second thread must not empty what the first has filled; never more than the small disk holds:
        # another thread may come here when that is gone
        if world.out.is_mount():
            free = min(shutil.disk_usage(world.out).free, SMALL_DISK)
            with contextlib.suppress(OSError), (world.out / "filler").open("ab", buffering=0) as filler:
                filler.write(bytes(free))
        return copy(*arguments, **options)

    monkeypatch.setattr(cog, "copy", copy_without_room)
    with small_disk(world.out, f"size={SMALL_DISK}"):
        code, _, error = sinkmap("zones", world.config, "--out", world.out)
        # libtiff prints for itself, from several threads at once: what it says ends where our sentence begins
        assert code == OUTPUT
        assert_one_sentence(error[error.index("Error: ") :], world.out, "free")
        assert [name for name in published(world.out) if name != "filler" and not name.endswith(".tif")] == []


REFUSED_AT_THE_CLOSE = {
    "index": "DROP TABLE rtree_zones_geom_rowid",
    "count": "UPDATE gpkg_ogr_contents SET feature_count = 0 WHERE table_name = 'zones'",
    "bounds": "UPDATE gpkg_contents SET min_x = NULL, min_y = NULL, max_x = NULL, max_y = NULL",
    "trigger": "DROP TRIGGER trigger_delete_feature_count_zones",
    "version": "PRAGMA user_version = 0",
}
"""What GDAL writes last, and without a word not at all where a full disk refuses it, by what undoes it."""


@pytest.mark.parametrize("what", REFUSED_AT_THE_CLOSE)
def test_a_geopackage_that_gdal_did_not_finish_is_no_result(world, sinkmap, monkeypatch, what):
    write = pyogrio.write_dataframe

    def write_on_a_full_disk(table, path, **options):
        write(table, path, **options)
        if options["driver"] == "GPKG":
            with contextlib.closing(sqlite3.connect(path)) as database, database:
                database.execute(REFUSED_AT_THE_CLOSE[what])

    monkeypatch.setattr(pyogrio, "write_dataframe", write_on_a_full_disk)
    code, _, error = sinkmap("publish", world.config, "--out", world.out)
    assert code == OUTPUT
    assert_one_sentence(error, "zones.gpkg: cannot be written", "free disk space")
    assert not (world.results / "zones.gpkg").exists()
    assert leftovers(world.out) == []


def test_a_folder_that_is_mounted_read_only_is_refused(world, sinkmap):
    with small_disk(world.out, "ro"):
        code, _, error = sinkmap("zones", world.config, "--out", world.out)
    assert code == OUTPUT
    assert_one_sentence(error, world.out, "choose another folder with --out")


@pytest.mark.skipif(WINDOWS, reason="Windows has no limit of file sizes")
@pytest.mark.parametrize(
    ("stage", "size"), [("composite", 20), ("calibrate", 60), ("map_zones", 8000), ("publish", 100), ("publish", 20000)]
)
def test_a_file_that_cannot_grow_is_said_in_one_sentence_at_every_stage(world, stage, size):
    code, error = run_with_small_files(world, stage, size)
    assert_one_sentence(error, world.out)
    assert code == OUTPUT
    assert leftovers(world.out) == []
    assert not (world.results / "zones.gpkg").exists()


# --- no data ----------------------------------------------------------------------------------------------


def assert_no_data(world, zone, reason):
    """The zone has a row that says why it is empty, empty cells, and no number of 0 that was not measured."""
    (row,) = (row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == zone)
    assert reason in row["status"]
    assert "无" in row["status_zh"]
    assert float(row["observed_fraction"]) == 0
    unknown = ("ndvi_mean", "fvc_mean", "agb_tDM_ha", "carbon_tC_ha", "carbon_tC", "sink_tCO2_ha_yr", "sink_tCO2_yr",
               "open_water_fraction")  # fmt: skip
    assert {column: row[column] for column in unknown} == dict.fromkeys(unknown, "")
    assert float(row["area_ha"]) > 0
    for path in world.results.glob(f"zones/{zone}/*.tif"):
        with rasterio.open(path) as file:
            pixels = file.read(1, masked=True).compressed()
        assert not pixels.size or "clear_count" in path.name
    (city,) = (row for row in read_csv(world.results / "summary.csv") if row["level"] == "city")
    assert "carbon_tC lacks 1 of 4 zones" in city["status"]


def test_the_record_names_every_file_that_changes_a_figure_or_a_colour(world):
    for name in ("totals/plausibility", "mapping/styles", "mapping/suggestions"):
        shipped = ROOT / "pipeline" / f"{name}.yaml"
        shutil.copy(shipped, world.folder / f"own-{shipped.name}")
    world.settings |= {"plausibility": "own-plausibility.yaml", "styles": "own-styles.yaml"}
    world.settings["patches"] = {"suggestions": "own-suggestions.yaml"}
    world.write_config()
    world.run()
    inputs = json.loads((world.results / "run.json").read_text("utf-8"))["inputs"]
    assert {"own-plausibility.yaml", "own-styles.yaml", "own-suggestions.yaml"} <= {Path(path).name for path in inputs}


def test_a_zone_that_clouds_always_cover_says_so_and_stays_empty(world):
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, ZONES["W01"][2]))
    done = world.run()
    assert_no_data(world, "W01", "no data: no clear observation in 2023-2025")
    with pytest.raises(ConfigError, match="W01: there is no total that could change"):
        what_if(FinishedRun.read(world.results), ["wetland.carbon_fraction=0.4"])
    assert done.row("wetland")["carbon_tC"] is None
    assert done.row("G01")["carbon_tC"] > 0


@pytest.mark.parametrize(
    ("cloud", "said"),
    [
        (ZONES["F01"][2], "2023-2025年无晴空观测，覆盖度未知，储量按小班计"),
        (box(10, 90, 10, 60), r"5\d\.\d%未观测，覆盖度按其余部分均值计，储量按小班计"),
    ],
)
def test_a_zone_with_stands_under_cloud_lacks_cover_and_not_its_stock(world, cloud, said):
    """It said 无数据 beside a stock, a sink and the finding on it, or that the stock was the mean of what was seen."""
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, cloud))
    row = world.run().row("F01")
    assert row["carbon_tC"] > 0
    assert row["sink_tCO2_yr"] > 0
    assert (row["fvc_mean"] is None) == (row["observed_fraction"] == 0)
    assert re.match(said, row["status_zh"])
    assert "the stock is by stands" in row["status"]


def test_a_zone_clouded_in_the_baseline_alone_has_a_stock_but_no_sink(world):
    for year in YEARS[:3]:
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, ZONES["W01"][2]))
    row = world.run().row("W01")
    assert row["carbon_tC"] > 0
    assert row["sink_tCO2_yr"] is None
    assert row["baseline_carbon_tC_ha"] is None
    assert "no sink: 0% observed in 2019-2021" in row["status"]
    assert row["comparability_zh"] == "不可比：2019-2021年有效观测仅0%"
    assert not list(world.results.glob("zones/W01/*_sink_*.tif"))
    run = FinishedRun.read(world.results)
    answers = what_if(run, ["wetland.carbon_fraction=0.4"])
    assert [(answer.zone, answer.quantity) for answer in answers] == [("W01", "carbon_tC"), ("city", "carbon_tC")]


def test_a_zone_outside_all_scenes_says_so_and_stays_empty(world):
    world.write_zones(ZONES | {"W01": (*ZONES["W01"][:2], box(20, 60, 700, 740))})
    world.run()
    assert_no_data(world, "W01", "no data: no clear observation in 2023-2025")


def test_a_zone_seen_in_less_than_half_has_means_but_no_totals(world):
    left, bottom, right, top = ZONES["W01"][2].bounds
    most = shapely.box(left, bottom + 0.4 * (top - bottom), right, top)
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, scl=clouds_over(day, most))
    row = world.run().row("W01")
    assert 0 < row["observed_fraction"] < 0.5
    assert row["ndvi_mean"] > 0
    assert row["carbon_tC"] is None
    assert row["sink_tCO2_yr"] is None
    assert "too little for a total" in row["status"]


def test_a_zone_smaller_than_a_pixel_has_a_number(world):
    world.write_zones(ZONES | {"W01": (*ZONES["W01"][:2], box(50.2, 50.6, 280.3, 280.8))})
    row = world.run().row("W01")
    assert row["observed_fraction"] == pytest.approx(1)
    assert row["carbon_tC"] > 0


def test_bare_ground_is_a_measured_zero_and_not_empty(world):
    for year in YEARS:
        for day in DAYS:
            world.write_scene(year, day, ndvi=np.full((200, 300), 0.06), scl=np.full((200, 300), VEGETATION))
    row = world.run().row("G01")
    assert row["fvc_mean"] == 0
    assert row["carbon_tC"] == 0
    assert row["sink_tCO2_yr"] == 0
    assert row["status"] == "figures outside usual ranges"
