"""A run that was killed, or whose inputs changed, does again what it must and nothing else, and gives the result of a
run that nothing disturbed."""

import json
import os
import re
import shutil
import socket

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.errors import RasterioIOError
from tiny_world import (
    DAYS,
    POINTS,
    STANDS,
    YEARS,
    ZONES,
    World,
    box,
    die,
    landscape,
    read_csv,
    result_files,
    run_here,
    sky,
    undisturbed,
)  # fmt: skip

from pipeline.config.run_config import read_config
from pipeline.errors import ConfigError, OutputError, SceneError, ZoneError
from pipeline.execution import provenance
from pipeline.execution.output_folder import clear_leftovers
from pipeline.execution.provenance import Checksums
from pipeline.plan import plan_lines
from pipeline.questions.explain import explain
from pipeline.questions.finished import FinishedRun
from pipeline.run import prepare
from pipeline.scenes import reflectance

ALL_MAPS = 46
"""Rasters of the world: five variables of two periods and a sink, of four zones."""


@pytest.fixture
def world(tmp_path):
    """A world in which nothing ran yet."""
    return World.at(tmp_path)


@pytest.fixture
def finished(tmp_path):
    """A world with a finished run."""
    return World.finished(tmp_path)


def final(folder):
    """Files under a final name, the work folder included, but for the cube, whose chunks have no other."""
    return [p for p in folder.rglob("*") if p.is_file() and "cube.zarr" not in p.parts]


def leftovers(folder):
    return [p.name for p in final(folder) if ".part" in p.name or ".raw" in p.name]


# --- killed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("cube")])
def test_a_killed_run_leaves_nothing_half_and_the_next_one_completes_it(world, point):
    die(world, point)
    at_death = {name: content for name, content in world.files().items() if ".part" not in name and ".raw" not in name}
    assert at_death.items() < undisturbed().items(), "a file under a final name is not the final file"
    finished = {path.stem for path in (world.results / "work" / "marks").glob("*.json")}
    done = world.run()
    assert world.files() == undisturbed()
    assert not leftovers(world.out)
    assert len(done.composite) == 12 - len([name for name in finished if name.startswith("tile-")])
    assert len(done.calibrate) == 4 - len([name for name in finished if name.startswith("sketch-")])
    assert len(done.map) == ALL_MAPS - len([name for name in finished if name.startswith("map-")])


SMALLER = ZONES | {"G01": (*ZONES["G01"][:2], box(100, 180, 20, 290))}

CHANGES = {
    "cube, while an older one goes": lambda world: world.settings["grid"].update(tile_px=512),
    "composite, before its mark": lambda world: world.settings.update(composite={"cloud_buffer_m": 300}),
    "composite": lambda world: world.settings.update(composite={"cloud_buffer_m": 300}),
    "coverage, between two tiles": lambda world: world.write_zones(SMALLER),
    "calibrate": lambda world: world.write_zones(SMALLER),
    "map": lambda world: world.change_coefficient("grassland", "value: 4.79", "value: 2"),
    "map, before its mark": lambda world: world.change_coefficient("grassland", "value: 4.79", "value: 2"),
}


@pytest.mark.parametrize("point", CHANGES)
def test_a_change_that_was_killed_half_way_and_taken_back_leaves_no_trace(finished, point):
    CHANGES[point](finished)
    finished.write_config()
    die(finished, point)
    original = World.at(finished.folder)  # every input as it was
    # all that rests on what was kept is made from it again
    sketches, rasters = "*/sketches/*", "zones/*/*.tif"
    remade = {
        "cube": [],
        "composite": [sketches, rasters],
        "coverage": [sketches, rasters],
        "calibrate": [rasters],
        "map": [],
    }
    for pattern in remade[re.match("[a-z]+", point)[0]]:
        for path in finished.results.glob(pattern):
            path.unlink()
    original.run()
    assert original.files() == undisturbed()


# --- broken and mended scenes -----------------------------------------------------------------------------


def truncated(world, year=2024, day=DAYS[0], name="B08.tif"):
    """Cut the file of a scene in the middle; gives what it was."""
    path = world.scene(year, day) / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path, content


def test_a_truncated_scene_is_set_aside_as_a_whole_and_its_loss_is_shown(finished):
    path, _ = truncated(finished)
    done = finished.run()
    assert len(done.set_aside) == 1
    assert path.parent.name in done.set_aside[0]
    assert path.name in done.set_aside[0]
    assert done.row("W01")["clear_obs_median"] == 5
    # F02 lies under the cloud of the second date: seen in two years of three
    lost = {row["zone_id"]: row for row in read_csv(finished.results / "by_year.csv") if row["year"] == "2024"}
    assert float(lost["F01"]["observed_fraction"]) == pytest.approx(1)
    assert float(lost["F02"]["observed_fraction"]) < 0.8
    record = json.loads((finished.results / "run.json").read_text(encoding="utf-8"))
    assert [aside["scene"] for aside in record["set_aside"]] == [path.parent.name]
    assert path.parent.name not in [scene["id"] for scene in record["scenes"]]
    # as a whole: the run is that of a world without the scene
    without = World.finished(finished.folder / "without")
    for file in without.scene(2024, DAYS[0]).iterdir():
        file.unlink()
    without.run()
    assert finished.files() == without.files()


def test_a_scene_set_aside_once_is_not_read_again_until_it_is_mended(finished):
    path, content = truncated(finished)
    finished.run()
    again = finished.run()
    assert again.composite == []
    assert len(again.set_aside) == 1
    path.write_bytes(content)
    mended = finished.run()
    assert mended.composite == [f"tile-2024-r000c00{column}" for column in (0, 1)]
    assert mended.set_aside == []
    assert finished.files() == undisturbed()


def test_a_read_that_fails_once_costs_no_scene(world, monkeypatch):
    real, failed = reflectance._copy, []

    def copy(band, *arguments):
        if "B08" in band.path and not failed:
            failed.append(band.path)
            raise RasterioIOError("Input/output error")
        return real(band, *arguments)

    monkeypatch.setattr(reflectance, "_copy", copy)
    assert world.run().set_aside == []
    assert len(failed) == 1
    assert world.files() == undisturbed()


def test_a_scene_that_was_away_is_read_by_the_next_run(world, monkeypatch):
    """It is gone when its pixels are asked for, and back when the run ends."""
    path = world.scene(2024, DAYS[0]) / "B08.tif"
    hidden, copy, unreadable = path.with_suffix(".away"), reflectance._copy, reflectance.unreadable

    def gone(band, *arguments):
        if band.path == str(path) and path.exists():
            path.rename(hidden)
        return copy(band, *arguments)

    def back(*arguments):
        error = unreadable(*arguments)
        hidden.rename(path)
        return error

    with monkeypatch.context() as patch:
        patch.setattr(reflectance, "_copy", gone)
        patch.setattr(reflectance, "unreadable", back)
        (reason,) = world.run(workers=1).set_aside
    assert "B08.tif cannot be read now" in reason
    assert world.run().set_aside == []
    assert world.files() == undisturbed()


def prepared(world, force=False):
    return prepare(read_config(world.config), world.out, force)


@pytest.mark.parametrize("how", ["force", "settings", "code", "ground"])
def test_a_scene_set_aside_is_tried_again_when_what_judged_it_has_changed(finished, monkeypatch, how):
    truncated(finished)
    assert len(finished.run().set_aside) == 1
    assert len(prepared(finished).set_aside) == 1
    if how == "settings":
        finished.settings["composite"] = {"cloud_buffer_m": 300}
        finished.write_config()
    elif how == "code":
        monkeypatch.setattr("pipeline.run.code_key", lambda *modules: "other")
    elif how == "ground":  # no longer that which could not be read
        finished.write_zones(ZONES | {"W01": (*ZONES["W01"][:2], box(20, 60, 250, 280))})
    assert prepared(finished, force=how == "force").set_aside == []


def test_strict_stops_at_a_bad_scene(world):
    path, _ = truncated(world)
    with pytest.raises(SceneError, match=path.parent.name):
        world.run(strict=True)
    assert not list(world.results.glob("*.csv"))


def test_a_scene_with_a_broken_header_is_set_aside(finished):
    (finished.scene(2024, DAYS[1]) / "SCL.tif").write_bytes(b"II*\0broken")
    done = finished.run()
    assert len(done.set_aside) == 1
    assert "SCL.tif" in done.set_aside[0]
    assert done.row("F01")["clear_obs_median"] == 5


# --- changed inputs ---------------------------------------------------------------------------------------


def test_a_second_run_has_nothing_to_do(world):
    first, second = world.run(), world.run()
    assert (len(first.composite), len(first.coverage), len(first.calibrate), len(first.map)) == (12, 4, 4, ALL_MAPS)
    assert (second.composite, second.coverage, second.calibrate, second.map) == ([], [], [], [])
    assert second.rows == first.rows


def test_a_year_taken_out_of_a_period_is_in_none_of_its_figures(finished):
    """2019 and 2021 end where 2019 to 2021 end."""
    finished.settings["periods"] = {"baseline": [2019, 2021], "current": [2023, 2024, 2025]}
    finished.write_config()
    done = finished.run()
    clean = World.at(finished.folder / "clean")
    clean.settings["periods"] = finished.settings["periods"]
    clean.write_config()
    assert done.rows == clean.run().rows
    assert done.row("G01")["baseline_period"] == "2019+2021"
    assert (finished.results / "zones" / "G01" / "G01_ndvi_2019+2021.tif").is_file()
    assert not list(finished.results.glob("zones/*/*_2019-2021*.tif"))


def test_a_figure_is_not_explained_by_the_sketches_of_a_run_that_was_not_finished(finished):
    assert explain(FinishedRun.read(finished.results), "G01", "carbon_tC")["status"] == "ok"
    finished.settings["composite"] = {"cloud_buffer_m": 300}
    finished.write_config()
    finished.run(until="calibrate")
    with pytest.raises(
        OutputError, match=r"G01_.* is not the sketch that .* rests on; finish that run with `sinkmap zones`"
    ):
        explain(FinishedRun.read(finished.results), "G01", "carbon_tC")


@pytest.mark.parametrize("left", [0, 0.5])
@pytest.mark.parametrize("name", ["zones/G01/G01_agb_2023-2025.tif", "work/sketches/G01_2019-2021_2023-2025.npz"])
def test_a_file_that_a_power_cut_left_torn_is_made_again(finished, name, left):
    file = finished.results / name
    whole = file.read_bytes()
    file.write_bytes(whole[: int(left * len(whole))])
    finished.run()
    assert file.read_bytes() == whole
    assert finished.files() == undisturbed()


@pytest.mark.parametrize("left", [0, 0.5])
def test_a_torn_sketch_is_planned_to_be_made_again(finished, left):
    (file,) = finished.results.glob("work/sketches/G01*")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(left * len(whole))])
    lines = list(plan_lines(prepared(finished), workers=1))
    assert "2 calibrate: 1 of 4 zones to sketch, the rest is kept." in lines
    assert "   file damaged: G01" in lines


@pytest.mark.parametrize("name", ["zones/G01/G01_agb_2023-2025.tif", "work/sketches/G01_2019-2021_2023-2025.npz"])
def test_a_file_of_the_same_size_that_holds_something_else_is_made_again(finished, name):
    """As one of another run that was copied back."""
    file = finished.results / name
    file.write_bytes(bytes(file.stat().st_size))
    assert any(line.startswith("   file damaged: G01") for line in plan_lines(prepared(finished), workers=1))
    finished.run()
    assert finished.files() == undisturbed()


def test_files_that_were_copied_and_have_another_time_are_kept(finished):
    for file in finished.results.rglob("*"):
        os.utime(file, (1e9, 1e9))
    done = finished.run()
    assert (done.composite, done.coverage, done.calibrate, done.map) == ([], [], [], [])


def test_a_run_that_stops_while_it_publishes_answers_no_questions(finished, monkeypatch):
    """It would give figures of the run before with intervals of this one."""
    finished.change_coefficient("grassland", "value: 4.79", "value: 9.5")
    monkeypatch.setattr("pipeline.publish.write_csv", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        finished.run()
    with pytest.raises(OutputError, match="holds no finished run"):
        FinishedRun.read(finished.results)


OLDER = {
    "coefficient": lambda world: world.change_coefficient("grassland", "value: 4.79", "value: 2.395"),
    "boundary": lambda world: world.write_zones(SMALLER),
    "stand volume": lambda world: world.write_stands([STANDS[0], ("油松", 60.0, 70.0, STANDS[1][3])]),
    "scene": lambda world: world.write_scene(2024, DAYS[0], landscape(2024, DAYS[0]) + 0.05),
    "further scene": lambda world: world.write_scene(2024, "08-21"),
}


@pytest.mark.parametrize("what", OLDER)
def test_a_year_mapped_alone_that_rests_on_older_inputs_is_said(finished, what):
    def notes(**how) -> list[str]:
        finished.run(**how)
        return json.loads((finished.results / "run.json").read_text(encoding="utf-8"))["notes"]

    finished.run(year=2024)
    assert notes() == []
    OLDER[what](finished)
    assert notes() == ["the folders 2024 are older than this config or its inputs; run --year again or delete them"]
    finished.run(year=2024)
    assert notes() == []


def test_a_year_mapped_alone_is_not_older_for_a_further_year_of_scenes(finished):
    finished.run(year=2024)
    finished.write_scene(2026, DAYS[0])
    finished.settings["scenes"]["years"] = [*YEARS, 2026]
    finished.write_config()
    finished.run()
    assert json.loads((finished.results / "run.json").read_text(encoding="utf-8"))["notes"] == []


def test_a_run_renamed_with_its_folder_keeps_no_file_of_its_old_name(finished):
    finished.settings["deliverables"] = ["workbook", "project", "styles", "stac"]
    finished.write_config()
    finished.run()
    finished.results.rename(finished.out / "other")
    finished.settings["name"] = "other"
    finished.write_config()
    finished.run()
    assert {path.name for kind in ("xlsx", "qgz") for path in (finished.out / "other").glob(f"*.{kind}")} == {
        "other.xlsx", "other.qgz",
    }  # fmt: skip


def test_force_of_a_zone_forgets_no_mark_of_one_whose_id_begins_alike(finished):
    finished.write_zones({"G01_sink_2" if name == "W01" else name: zone for name, zone in ZONES.items()})
    finished.run()
    before = {path.name for path in finished.results.glob("zones/G01_sink_2/*.tif")}
    run = prepare(read_config(finished.config), finished.out, force=True, only="G01")
    assert list(run.marks.folder.glob("map-tiny-G01_sink_2_*"))
    assert not list(run.marks.folder.glob("map-tiny-G01_agb_*"))
    assert before


def test_force_of_a_zone_forgets_its_maps_of_years_with_a_gap(tmp_path):
    world = World.at(tmp_path)
    world.settings["periods"] = {"baseline": [2019, 2020, 2021], "current": [2023, 2025]}
    world.write_config()
    world.run()
    run = prepare(read_config(world.config), world.out)
    assert list(run.marks.folder.glob("map-tiny-G01_agb_2023+2025.json"))
    run = prepare(read_config(world.config), world.out, force=True, only="G01")
    assert not list(run.marks.folder.glob("map-tiny-G01_*"))


@pytest.mark.parametrize("pattern", ["work/coverage/G01*/*", "work/cube.zarr/2024/ndvi/c/0/0"])
def test_a_torn_file_of_the_cube_is_named(finished, pattern):
    (file, *_) = sorted(finished.results.glob(pattern))
    file.write_bytes(file.read_bytes()[:100])
    (finished.results / "zones" / "G01" / "G01_agb_2023-2025.tif").unlink()
    with pytest.raises(OutputError, match=rf"{file.name}: is damaged .*run again with --force"):
        finished.run()


def _torn(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _flipped(file):
    """A bit of a name in it turned over: s is r."""
    file.write_bytes(file.read_bytes().replace(b'"attributes"', b'"attributer"', 1))


LOST = {
    "a year": lambda cube: shutil.rmtree(cube / "2024"),
    "an index of a year": lambda cube: shutil.rmtree(cube / "2024" / "ndvi"),
    "what a year says of itself": lambda cube: _torn(cube / "2024" / "zarr.json"),
    "a bit of what a year says of itself": lambda cube: _flipped(cube / "2024" / "zarr.json"),
    "all, by a bit of what the cube says of itself": lambda cube: _flipped(cube / "zarr.json"),
    "what an array says of itself": lambda cube: _torn(cube / "2024" / "ndvi" / "zarr.json"),
    "all": shutil.rmtree,
}


@pytest.mark.parametrize("what", LOST)
def test_what_is_lost_of_the_cube_is_composited_again(finished, what):
    """Even where a run was killed when it had made the empty arrays again: marks of the older ones do not hold."""
    LOST[what](finished.results / "work" / "cube.zarr")
    cube = prepared(finished).cube
    cube.create()
    cube.add_year(2024, ("ndvi", "clear_count", "water_count", "peak_day"))
    for path in [*finished.results.glob("work/sketches/*"), *finished.results.glob("zones/*/*.tif")]:
        path.unlink()  # all that rests on the cube is made from it
    done = finished.run()
    assert len(done.composite) == (12 if what.startswith("all") else 2)
    assert finished.files() == undisturbed()


def test_covered_fractions_that_are_lost_are_named_with_what_to_do(finished):
    shutil.rmtree(finished.results / "work" / "coverage")
    (finished.results / "zones" / "G01" / "G01_agb_2023-2025.tif").unlink()
    with pytest.raises(OutputError, match="is gone; run again with --force"):
        finished.run()


def test_a_header_beside_a_scene_that_moves_it_is_seen(finished):
    """What a desktop GIS writes when a raster is shifted; GDAL takes it before the file's own."""
    for file in finished.scene(2024, DAYS[0]).glob("*.tif"):
        with rasterio.open(file) as scene:
            a, b, c, d, e, f = scene.transform[:6]
        geotransform = f"<PAMDataset><GeoTransform>{c + 300},{a},{b},{f},{d},{e}</GeoTransform></PAMDataset>"
        file.with_name(f"{file.name}.aux.xml").write_text(geotransform, encoding="utf-8")
    assert len(finished.run().composite) == 2
    run_here(finished.config, finished.folder / "fresh")
    assert finished.files() == result_files(finished.folder / "fresh" / "tiny") != undisturbed()


def test_a_file_that_could_not_be_read_once_is_read_again(tmp_path, monkeypatch):
    file = tmp_path / "B04.tif"
    file.write_bytes(b"pixels")
    with monkeypatch.context() as locked:
        locked.setattr(provenance, "checksum", lambda path: [provenance.stamp(path), provenance.UNREADABLE])
        assert Checksums(tmp_path / "memory.json").of([str(file)]) == {str(file): "unreadable"}
    (digest,) = Checksums(tmp_path / "memory.json").of([str(file)]).values()
    assert len(digest) == 32


def test_what_a_killed_run_was_writing_is_cleared(finished):
    gone, here = 2**22 + 7, f"work/run.lock.{socket.gethostname()}"
    left = [f"tiny.xlsx.{gone}.part", f"work/marks/map-tiny-G01.json.{gone}.part", "zones.raw.gpkg",
            f"zones/F02/F02.gpkg.{gone}.part", "zones/F02/F02_fvc_2019.raw.tif", "exports/shp.part/zones.shp",
            f"work/stac/pixels/A-0123/red_B04.tif.{gone}.part", f"work/stac/0123/A/item.json.{gone}.part",
            f"work/stac/0123/asked.json.{gone}.part", f"coefficients/forest.yaml.{gone}.part", f"{here}-{gone}",
            "2021/exports/gdb.part/tiny.gdb/gdb", f"2021/summary.csv.{gone}.part", "zones.raw.gpkg-journal",
            f"zones/F02/F02.gpkg.{gone}.part-journal", f"work/sketches/.write-test-{gone}"]  # fmt: skip
    # a test has a parent that runs
    kept = [f"work/stac/pixels/A-0123/nir_B08.tif.{os.getppid()}.part", f"{here}-{os.getppid()}",
            f"work/zones.gpkg.{os.getppid()}.part-journal", f"work/run.lock.elsewhere-{gone}"]  # fmt: skip
    for name in left + kept:
        (finished.results / name).parent.mkdir(parents=True, exist_ok=True)
        (finished.results / name).write_bytes(b"half")
    clear_leftovers(finished.results)
    assert [name for name in left if (finished.results / name).exists()] == []
    assert not (finished.results / "exports" / "shp.part").exists()
    assert [name for name in kept if (finished.results / name).exists()] == kept
    assert finished.files() == undisturbed()


def test_a_zone_that_fails_when_it_is_mapped_alone_is_one_sentence(world, monkeypatch):
    def fail(unit):
        raise ZoneError("zone F01: its outline meets no pixel")

    monkeypatch.setattr("pipeline.flow.map_zone", fail)
    world.settings["deliverables"] = ["project", "stac"]
    world.write_config()
    with pytest.raises(ZoneError, match="zone F01: its outline meets no pixel"):
        world.run(zone="F01")
    assert not (world.results / "collection.json").exists()


def test_a_zone_mapped_alone_leaves_no_older_map_of_the_others_beside_the_new_tables(finished):
    finished.change_coefficient("grassland", "value: 4.79", "value: 2.395")
    finished.run(zone="F01")
    left = {path.stem.removeprefix("G01_") for path in finished.results.glob("zones/G01/*.tif")}
    assert {"ndvi_2019-2021", "agb_2023-2025"} <= left
    assert not {name for name in left if name.startswith(("carbon_stock", "sink"))}
    assert len(list(finished.results.glob("zones/F01/*.tif"))) == 11
    record = json.loads((finished.results / "run.json").read_text(encoding="utf-8"))
    assert record["notes"] == ["G01: no map of this config and no older one is there; run without --zone"]


def test_a_zone_that_is_forced_is_done_again_and_no_raster_of_another_is_lost(finished):
    prepare(read_config(finished.config), finished.out, force=True, only="F01")
    done = finished.run(zone="F01")
    assert (done.composite, done.coverage) == ([], ["coverage-F01_2019-2021_2023-2025"])
    assert done.calibrate == ["sketch-F01_2019-2021_2023-2025"]
    assert (len(done.map), {name[:3] for name in done.map}) == (11, {"F01"})
    assert finished.files() == undisturbed()


def test_a_zone_that_is_not_there_loses_nothing_by_force_and_is_told_before_a_scene_is_read(finished):
    (checksums := finished.results / "work" / "checksums.json").unlink()
    with pytest.raises(ConfigError, match="there is no zone F9"):
        prepare(read_config(finished.config), finished.out, force=True, only="F9")
    assert not checksums.exists()
    assert finished.run().map == []


def test_a_changed_coefficient_rewrites_only_carbon_and_sink_of_its_ecosystem(finished):
    before = finished.run()
    finished.change_coefficient("grassland", "value: 4.79", "value: 2.395")
    after = finished.run()
    assert (after.composite, after.calibrate) == ([], [])
    assert sorted(after.map) == [
        "G01_carbon_stock_2019-2021", "G01_carbon_stock_2023-2025", "G01_sink_2019-2021_2023-2025",
    ]  # fmt: skip
    for column in ("carbon_tC", "sink_tCO2_yr"):
        assert after.row("G01")[column] == pytest.approx(before.row("G01")[column] * 3.395 / 5.79, rel=1e-6)
        assert after.row("W01")[column] == before.row("W01")[column]
    assert after.row("G01")["agb_tDM_ha"] == before.row("G01")["agb_tDM_ha"]


def test_a_comment_in_a_coefficient_file_changes_nothing(finished):
    finished.change_coefficient("wetland", "ecosystem: wetland", "# read by an expert\necosystem: wetland")
    assert finished.run().map == []


def test_a_changed_stand_volume_rewrites_biomass_carbon_and_sink_of_its_zone(finished):
    finished.write_stands([("华北落叶松", 30.0, 50.0, box(10, 90, 10, 60)), ("油松", 60.0, 66.0, box(10, 85, 60, 111))])
    done = finished.run()
    assert (done.composite, done.calibrate) == ([], [])
    assert {name.rsplit("_", 1)[0] for name in done.map} <= {"F01_agb", "F01_carbon_stock", "F01_sink_2019-2021"}
    assert "F01_sink_2019-2021_2023-2025" in done.map


def test_a_changed_boundary_does_again_only_its_zone_and_no_composite(finished):
    before = finished.run()
    kind, stratum, shape = ZONES["G01"]
    finished.write_zones(ZONES | {"G01": (kind, stratum, shape.difference(box(150, 160, 100, 120)))})
    after = finished.run()
    assert after.composite == []
    assert after.coverage == ["coverage-G01_2019-2021_2023-2025"]
    assert after.calibrate == ["sketch-G01_2019-2021_2023-2025"]
    assert {name[:3] for name in after.map} == {"G01"}
    assert len(after.map) == 11
    assert after.row("G01")["area_ha"] < before.row("G01")["area_ha"]
    assert after.row("F01") == before.row("F01")


@pytest.mark.parametrize(("bottom", "reads"), [(215, False), (230, True)])
def test_a_boundary_may_reach_into_the_next_cell_before_a_scene_is_read_again(finished, bottom, reads):
    """G01 reached row 190, in the sixth row of cells of 32 pixels; composites hold the seventh, to row 224."""
    kind, stratum, shape = ZONES["G01"]
    finished.write_zones(ZONES | {"G01": (kind, stratum, shape.union(box(180, bottom, 30, 60)))})
    after = finished.run()
    assert after.composite == ([f"tile-{year}-r000c000" for year in YEARS] if reads else [])
    again = World.at(finished.folder.parent / "again")
    again.write_zones(ZONES | {"G01": (kind, stratum, shape.union(box(180, bottom, 30, 60)))})
    assert again.run().row("G01") == after.row("G01")


def test_a_boundary_tried_on_one_year_and_taken_back_leaves_no_trace(finished):
    finished.write_zones(SMALLER)
    finished.run(year=2025)
    finished.write_zones(ZONES)
    (finished.results / "zones" / "G01" / "G01_fvc_2023-2025.tif").unlink()
    finished.run()
    files = finished.files()
    assert {name: files[name] for name in undisturbed()} == undisturbed()


def test_a_boundary_that_reaches_new_ground_composites_that_ground_alone(world):
    zones = dict(ZONES)
    west_only = shapely.intersection(ZONES["G01"][2], box(0, 200, 0, 250))
    world.write_zones(
        {name: zone for name, zone in zones.items() if name != "W01"} | {"G01": (*zones["G01"][:2], west_only)}
    )
    world.settings["zones"]["expected"] = {"forest": 2, "grassland": 1}
    world.write_config()
    first = world.run()
    assert {name[-4:] for name in first.composite} == {"c000"}
    world.write_zones(zones)
    world.settings["zones"]["expected"]["wetland"] = 1
    world.write_config()
    second = world.run()
    assert sorted(second.composite) == [f"tile-{year}-r000c001" for year in YEARS]
    assert sorted(second.coverage) == ["coverage-G01_2019-2021_2023-2025", "coverage-W01_2019-2021_2023-2025"]
    assert sorted(second.calibrate) == ["sketch-G01_2019-2021_2023-2025", "sketch-W01_2019-2021_2023-2025"]
    assert world.files() == undisturbed()


def test_a_deleted_raster_is_written_again_and_no_other(finished):
    path = finished.results / "zones" / "W01" / "W01_fvc_2023-2025.tif"
    path.unlink()
    assert finished.run().map == ["W01_fvc_2023-2025"]
    assert finished.files() == undisturbed()


def test_deleted_tables_are_written_again(finished):
    for path in finished.results.glob("*.*"):
        path.unlink()
    assert finished.run().map == []
    assert finished.files() == undisturbed()


def test_a_deleted_work_folder_is_made_again(finished):
    shutil.rmtree(finished.results / "work")
    finished.run()
    assert finished.files() == undisturbed()


def test_a_damaged_mark_is_no_mark(finished):
    for path in (finished.results / "work" / "marks").glob("tile-2020-*.json"):
        path.write_text('{"half', encoding="utf-8")
    assert sorted(finished.run().composite) == ["tile-2020-r000c000", "tile-2020-r000c001"]
    assert finished.files() == undisturbed()


def test_damaged_memory_of_checksums_is_made_again(finished):
    (finished.results / "work" / "checksums.json").write_text('{"half', encoding="utf-8")
    assert finished.run().composite == []
    assert finished.files() == undisturbed()


def test_a_new_year_of_scenes_composites_only_that_year(finished):
    before = finished.run()
    for day in DAYS:
        finished.write_scene(2022, day)
    finished.settings["scenes"]["years"] = list(range(2019, 2026))
    finished.write_config()
    after = finished.run()
    assert sorted(after.composite) == ["tile-2022-r000c000", "tile-2022-r000c001"]
    assert after.rows == before.rows
    assert [row["year"] for row in read_csv(finished.results / "by_year.csv")][:7] == [
        str(y) for y in range(2019, 2026)
    ]


def test_another_date_of_a_year_composites_that_year_again(finished):
    finished.write_scene(2021, "08-21", ndvi=landscape(2021, DAYS[0]) + 0.05)
    assert {name[:9] for name in finished.run().composite} == {"tile-2021"}


def test_rasters_of_other_years_stay_as_they_are(finished):
    finished.write_scene(2021, "08-21", ndvi=landscape(2021, DAYS[0]) + 0.05)
    # the shipped end-members hold, so what rests on 2023-2025 alone is what it was
    assert not [name for name in finished.run().map if "2019-2021" not in name]


def test_a_scene_that_changed_in_place_is_read_again(finished):
    finished.write_scene(2025, DAYS[0], ndvi=np.clip(landscape(2025, DAYS[0]) + 0.02, 0, 0.9))
    assert {name[:9] for name in finished.run().composite} == {"tile-2025"}


def test_other_periods_leave_no_raster_of_the_old_ones(finished):
    finished.settings["periods"] = {"baseline": "2019-2021", "current": [2024, 2025]}
    finished.write_config()
    done = finished.run()
    assert done.composite == []
    names = {path.name for path in finished.results.glob("zones/*/*.tif")}
    assert not [name for name in names if "2023-2025" in name]
    assert "no sink: a period has 2 years, 3 are needed" in done.row("G01")["status"]
    assert "G01_sink_2019-2021_2024-2025.tif" not in names


def test_a_zone_that_is_no_more_leaves_no_raster_among_the_results(finished):
    finished.write_zones({name: zone for name, zone in ZONES.items() if name != "W01"})
    finished.settings["zones"]["expected"] = {"forest": 2, "grassland": 1}
    finished.write_config()
    finished.run()
    assert {path.parent.name for path in finished.results.glob("zones/*/*.tif")} == {"F01", "F02", "G01"}


def test_a_wider_cloud_buffer_composites_again_and_shows_less(finished):
    # a cloud on both dates of 2024: less of F02 is seen, the wider the buffer the less
    finished.write_scene(2024, DAYS[0], scl=sky(DAYS[1]))
    observed = []
    for metres, composites in ((60, 2), (300, 12)):
        finished.settings["composite"] = {"cloud_buffer_m": metres}
        finished.write_config()
        assert len(finished.run().composite) == composites
        rows = [row for row in read_csv(finished.results / "by_year.csv") if row["year"] == "2024"]
        observed += [float(row["observed_fraction"]) for row in rows if row["zone_id"] == "F02"]
    assert observed[0] > observed[1] > 0


def test_rasters_of_two_tiles_have_no_seam(finished):
    with rasterio.open(finished.results / "zones" / "G01" / "G01_ndvi_2019-2021.tif") as file:
        ndvi = file.read(1, masked=True).astype(float).filled(np.nan) * file.scales[0]
        seam = 256 - round((file.transform.c - 400_000) / 30)
    expected = np.mean([landscape(year, DAYS[0]) for year in (2019, 2020, 2021)], axis=0)[100:190, 20:290]
    np.testing.assert_allclose(ndvi[:, seam - 5 : seam + 5], expected[:, seam - 5 : seam + 5], atol=2e-3)
