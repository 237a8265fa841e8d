"""The plan says what will run and why, and the run then does just that."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
import shapely
from tiny_world import DAYS, ZONES, World, box, landscape, undisturbed

from pipeline import plan, units
from pipeline.config.run_config import read_config
from pipeline.execution.provenance import Marks, key_parts
from pipeline.plan import plan_lines
from pipeline.record import remember_pace
from pipeline.run import prepare


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World.finished(tmp_path_factory.mktemp("plan"))


@pytest.fixture
def changed(world):
    """The world; what a test changes in its inputs is undone."""
    yield world
    World.at(world.folder)
    world.settings = type(world)(world.folder).settings


def planned(world, force=False, workers=2):
    run = prepare(read_config(world.config), world.out)
    return run, list(plan_lines(run, workers, force))


def reasons(world, force=False):
    """(unit, why) of each stage."""
    run = prepare(read_config(world.config), world.out)
    sketches = plan.stale_zones(run, force)
    stages = (
        plan.stale_composites(run, force),
        sketches,
        plan.stale_rasters(run, force, {job.zone for job in sketches}),
    )
    return [[(job.name, job.why) for job in jobs] for jobs in stages]


def test_after_a_finished_run_there_is_nothing_to_do(world):
    assert reasons(world) == [[], [], []]
    _, lines = planned(world)
    assert "1 composite: 0 of 12 tile-years to read, the rest is kept." in lines
    assert "3 map: 0 rasters of 0 zones to write, the rest is kept." in lines
    assert any("only the tables" in line for line in lines)


def test_a_pace_that_cannot_be_kept_does_not_fail_a_run_that_delivered_all(tmp_path):
    remember_pace(SimpleNamespace(work=tmp_path / "gone"), {"map": 1.0})


def test_before_the_first_run_all_is_new(tmp_path):
    composites, sketches, rasters = reasons(World.at(tmp_path))
    assert (len(composites), len(sketches), len(rasters)) == (12, 4, 44)
    assert {why for jobs in (composites, sketches, rasters) for _, why in jobs} == {"new"}
    _, lines = planned(World(tmp_path))
    assert "3 map: 44 rasters of 4 zones to write, more where open water appears, the rest is kept." in lines


def test_the_memory_of_a_plan_is_enough_for_the_patches_of_the_largest_zone(world):
    """Measured: 160 bytes per cell of a zone where every cell begins as a region, and 390 with patches of 4 cells."""
    run = prepare(read_config(world.config), world.out)
    assert plan.bytes_of_patches(run, 4e6) == 4e6 * (160 + 1100 * 900 / 10_000)  # 15 mu are 11.1 cells of 30 m
    assert plan.bytes_of_patches(run, 4.1e6) == 4.1e6 / 4 * (160 + 1100 / 4)  # of blocks of 60 m

    def memory(zones, **changed):
        run.zones, run.config = zones, run.config.model_copy(update=changed)
        line = next(line for line in plan._size(run, 2) if line.startswith("Memory"))
        return float(re.search("about (.*) GiB", line)[1])

    wide = replace(run.zones[0], geometry=shapely.box(0, 0, 60_000, 60_000))
    maps, patches = memory([wide]), memory([wide], deliverables=("patches",))
    assert patches - maps == pytest.approx(2 * 4e6 * (259 - 8) / 2**30, abs=0.1)


def test_forced_all_is_done_again(world):
    composites, sketches, rasters = reasons(world, force=True)
    assert (len(composites), len(sketches), len(rasters)) == (12, 4, 46)  # two of W01's open water
    assert {why for jobs in (composites, sketches, rasters) for _, why in jobs} == {"forced"}


def test_a_forced_zone_is_planned_alone(world):
    run = prepare(read_config(world.config), world.out)
    lines = list(plan_lines(run, 2, force=True, only="F01"))
    assert "1 composite: 0 of 12 tile-years to read, the rest is kept." in lines
    assert "2 calibrate: 1 of 4 zones to sketch, the rest is kept." in lines
    assert any(line.startswith("3 map: 11 rasters of 1 zones to write") for line in lines)


def test_a_changed_forest_coefficient_reruns_no_wetland_and_no_grassland(changed):
    changed.change_coefficient("forest", "value: 0.5105", "value: 0.49")
    composites, sketches, rasters = reasons(changed)
    assert (composites, sketches) == ([], [])
    assert rasters
    assert {name[:3] for name, _ in rasters} <= {"F01", "F02"}
    assert {why for _, why in rasters} <= {"coefficients changed", "stands changed"}


def test_other_draws_rewrite_no_raster_and_another_seed_those_of_stands_alone(tmp_path):
    world = World.at(tmp_path)
    drawn = {"draws": 200, "seed": 1, "area_u95_percent": 3.0, "carlson_ripley_chance": 0.2}
    world.settings["uncertainty"] = drawn
    world.write_config()
    world.run()
    world.settings["uncertainty"] = drawn | {"draws": 300, "area_u95_percent": 5.0, "carlson_ripley_chance": 0.0}
    world.write_config()
    assert reasons(world) == [[], [], []]
    world.settings["uncertainty"]["seed"] = 2
    world.write_config()
    _, _, rasters = reasons(world)
    names = {"carbon_stock_2019-2021", "carbon_stock_2023-2025", "sink_2019-2021_2023-2025"}
    assert set(rasters) == {(f"F01_{name}", "errors changed") for name in names}


def test_a_changed_boundary_is_the_reason_for_its_zone_alone(changed):
    changed.write_zones(ZONES | {"G01": (*ZONES["G01"][:2], ZONES["G01"][2].difference(box(150, 160, 100, 120)))})
    composites, sketches, rasters = reasons(changed)
    assert (composites, sketches) == ([], [("G01", "boundary changed")])
    assert {(name[:3], why) for name, why in rasters} == {("G01", "boundary changed")}


def test_a_changed_scene_is_the_reason_for_its_year(changed):
    changed.write_scene(2025, DAYS[0], ndvi=landscape(2025, DAYS[0]) * 0.9)
    composites, sketches, rasters = reasons(changed)
    assert composites == [("2025 r000c000", "scenes changed"), ("2025 r000c001", "scenes changed")]
    assert {why for _, why in sketches} == {"composites changed"}
    assert all("2023-2025" in name for name, _ in rasters)


def test_a_wider_cloud_buffer_is_a_changed_setting(changed):
    changed.settings["composite"] = {"cloud_buffer_m": 300}
    changed.write_config()
    composites, _, _ = reasons(changed)
    assert len(composites) == 12
    assert {why for _, why in composites} == {"settings changed"}


def test_changed_code_is_a_reason_of_its_own(changed, monkeypatch):
    monkeypatch.setattr(units, "code_key", lambda *modules: "other")
    composites, _, rasters = reasons(changed)
    assert {why for _, why in composites} == {"code changed"}
    assert {why for _, why in rasters} == {"code changed, composites changed"}


def test_a_deleted_raster_is_said_to_be_missing(changed):
    path = changed.results / "zones" / "W01" / "W01_fvc_2023-2025.tif"
    content = path.read_bytes()
    path.unlink()
    assert reasons(changed)[2] == [("W01_fvc_2023-2025", "file missing")]
    path.write_bytes(content)


def test_end_members_that_a_boundary_may_move_are_said(changed):
    changed.settings["cover"] = {"grassland": {"end_members": "calibrate"}}
    changed.write_config()
    for zone, more in (
        ("G01", " or calibrated end-members change, the rest"),
        ("F01", " where open water appears, the rest"),
    ):
        kind, stratum, shape = ZONES[zone]
        changed.write_zones(ZONES | {zone: (kind, stratum, shape.buffer(-60))})
        assert more in "\n".join(planned(changed)[1])


def test_end_members_that_change_are_named_and_not_the_numbers_that_follow(changed):
    changed.settings["cover"] = {"grassland": {"end_members": {"soil": 0.1, "vegetation": 0.8}}}
    changed.write_config()
    composites, sketches, rasters = reasons(changed)
    assert (composites, sketches) == ([], [])
    assert {(name[:3], why) for name, why in rasters} == {("G01", "end-members changed")}
    assert not [name for name, _ in rasters if "ndvi" in name or "clear_count" in name]


def test_the_plan_is_what_the_run_then_does(tmp_path):
    world = World.finished(tmp_path)
    world.change_coefficient("wetland", "value: 530", "value: 400")
    _, _, rasters = reasons(world)
    assert sorted(world.run().map) == sorted(name for name, _ in rasters)
    assert reasons(world) == [[], [], []]


def test_the_time_follows_from_the_pace_of_the_last_run(changed):
    run, _ = planned(changed)
    (run.work / "pace.json").write_text('{"composite": 100.0, "calibrate": 5.0, "map": 10.0}')
    changed.change_coefficient("wetland", "value: 530", "value: 400")
    assert "Time: about 10 s at the pace of the last run, and the tables." in planned(changed)[1]
    assert "Time: about 21 min at the pace of the last run, and the tables." in planned(changed, force=True)[1]
    (run.work / "pace.json").unlink()
    assert "Time: not known before map ran once." in planned(changed)[1]


def test_a_mark_tells_which_part_of_its_key_changed(tmp_path):
    marks = Marks(tmp_path)
    key = key_parts(code="1", scenes=["a", "b"], boundary="x")
    assert marks.why_stale("tile", key) == ["new"]
    marks.write("tile", key)
    assert marks.why_stale("tile", key) == []
    assert marks.why_stale("tile", key, tmp_path / "none.tif") == ["file missing"]
    assert marks.why_stale("tile", key | key_parts(scenes=["b", "a"])) == ["scenes"]
    assert marks.why_stale("tile", key_parts(code="2", scenes=["a", "b"])) == ["code", "boundary"]
    marks.write("tile", "a key of an older version")
    assert marks.why_stale("tile", key) == ["new"]


def test_a_mark_holds_for_all_files_of_its_unit(tmp_path):
    marks, key = Marks(tmp_path / "marks"), key_parts(code="1")
    pdf, png = (tmp_path / f"F01_sheet.{kind}" for kind in ("pdf", "png"))
    for file in (pdf, png):
        file.write_text("page")
    marks.write("sheet", key, pdf, png)
    assert marks.why_stale("sheet", key, pdf, png) == []
    png.write_text("pa")
    assert marks.why_stale("sheet", key, pdf, png) == ["file damaged"]
    png.unlink()
    assert marks.why_stale("sheet", key, pdf, png) == ["file missing"]
    assert marks.why_stale("sheet", key_parts(code="2"), pdf, png) == ["code"]


def test_force_gives_the_same_results(tmp_path, monkeypatch, capsys):
    import sys

    from pipeline.__main__ import main

    world = World.finished(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sinkmap", "zones", str(world.config), "--out", str(world.out), "--force"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "composite: 16 done" in said  # 12 tiles of a period, and what 4 zones cover
    assert "map: 4 done" in said
    assert world.files() == undisturbed()


def test_results_of_other_zones_that_a_run_would_replace_are_told_before(tmp_path, sinkmap):
    """As where a config was copied for another county and its name left as it was."""
    world = World.finished(tmp_path)
    told = f"{world.results} holds the results of other zones (F01, F02, G01, W01), which"

    def said(command, *how):
        return " ".join(sinkmap(command, world.config, "--out", world.out, *how).out.split())

    world.write_zones({zone: ZONES[zone] for zone in ("F01", "G01", "W01")} | {"F09": ZONES["F02"]})
    assert told not in said("plan")
    world.write_zones({f"B{zone}": parts for zone, parts in ZONES.items()})
    assert all(told in said(*command) for command in (("plan",), ("check",), ("zones", "--dry-run")))
    assert told not in said("plan", "--year", "2024")  # which has a folder of its own
    assert told in said("zones").partition("composite: ")[0]
    assert "other zones" not in (world.results / "run.json").read_text(encoding="utf-8")


def test_a_dry_run_says_the_plan_and_writes_no_result(tmp_path, monkeypatch, capsys):
    import sys

    from pipeline.__main__ import main

    world = World.at(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sinkmap", "zones", str(world.config), "--out", str(world.out), "--dry-run"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert "   new: 2019 r000c000, 2019 r000c001" in capsys.readouterr().out
    assert not list(world.out.rglob("*.tif"))
    assert not (world.results / "summary.csv").exists()


@pytest.mark.parametrize(
    ("periods", "years"),
    [
        ({"baseline": "2019-2021", "current": "2023-2025"}, None),
        ({"baseline": "2020-2021", "current": "2023-2025"}, 2),
        ({"current": 2025}, None),
    ],
)
def test_that_periods_are_too_short_for_a_sink_is_said_beforehand(tmp_path, periods, years):
    """Of the zones without stands; F01 has some at two dates."""
    world = World.at(tmp_path)
    world.settings["periods"] = periods
    world.write_config()
    said = f"a sink without stands needs 3 years in each period, one has {years}: F02, G01, W01 will have none"
    assert [note for note in prepare(read_config(world.config), world.out).notes if "sink" in note] == [said] * bool(
        years
    )
