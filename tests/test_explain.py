"""Where a figure comes from: it is that of the tables, its formula can be redone by hand, its command runs."""

import copy
import itertools
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_world import LEFT, PIXEL, STANDS, YEARS, ZONES, World, box, clouds_over, read_csv
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.ecosystems import coefficients
from pipeline.errors import ConfigError, OutputError, ZoneError
from pipeline.questions.explain import METRICS, explain
from pipeline.questions.explain_group import MEANS, SUMS, explain_group
from pipeline.questions.finished import FinishedRun
from pipeline.zones.zone_stands import ZoneStands

EVERYWHERE = [metric for metric in METRICS if metric != "volume_m3"]
"""Those that a zone without stands has, too."""

YEARLY = [metric for metric in EVERYWHERE if not metric.startswith("sink") and metric != "area_ha"]

FIGURES = [*itertools.product(ZONES, EVERYWHERE), ("F01", "volume_m3")]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The tiny world with an interval, W01 under cloud all 2024 and two thirds of F02 all 2020, and a scene that
    reaches the east only."""
    world = World.at(tmp_path_factory.mktemp("explain"))
    world.settings["uncertainty"] = {"draws": 300}
    world.write_config()
    for day in ("08-01", "08-11"):
        world.write_scene(2024, day, scl=clouds_over(day, ZONES["W01"][2]))
        world.write_scene(2020, day, scl=clouds_over(day, box(10, 80, 170, 240)))
    world.write_scene(2023, "08-05", scl=clouds_over("08-05", ZONES["W01"][2]), left=LEFT + 255 * PIXEL)
    (world.scene(2025, "08-11") / "B08.tif").write_bytes(b"torn")
    world.run()
    return world


@pytest.fixture(scope="module")
def finished(world):
    return FinishedRun.read(world.results)


def redone(numbers: str) -> float:
    """What the printed arithmetic comes to."""
    return eval(numbers.replace("×", "*"), {"__builtins__": {}})


@pytest.mark.parametrize(("zone", "metric"), FIGURES)
def test_the_figure_is_that_of_the_summary(world, finished, zone, metric):
    row = next(row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == zone)
    answer = explain(finished, zone, metric)
    if metric.startswith("sink") and zone in ("W01", "F02"):  # one of their years was hardly seen
        assert (answer["value"], row[metric]) == (None, "")
        return
    assert answer["value"] == pytest.approx(float(row[metric]), rel=1e-9)
    assert answer["steps"][-1]["value"] == answer["value"]


@pytest.mark.parametrize("metric", YEARLY)
@pytest.mark.parametrize("zone", ZONES)
def test_the_figure_of_a_year_is_that_of_the_years(world, finished, zone, metric):
    for row in read_csv(world.results / "by_year.csv"):
        if row["zone_id"] == zone:
            answer = explain(finished, zone, metric, int(row["year"]))
            assert answer["value"] == (pytest.approx(float(row[metric]), rel=1e-9) if row[metric] else None)


@pytest.mark.parametrize(("zone", "metric"), FIGURES)
def test_every_step_comes_to_its_value(finished, zone, metric):
    for step in explain(finished, zone, metric)["steps"]:
        assert redone(step["numbers"]) == pytest.approx(step["value"], rel=1e-5), step


def test_grass_is_biomass_by_roots_by_carbon_by_area(finished):
    step = explain(finished, "G01", "carbon_tC")["steps"][-1]
    assert step["formula"] == "AGB × (1 + R) × CF × A"
    biomass, roots, fraction, area = step["numbers"].split(" × ")
    assert (roots, fraction) == ("(1 + 4.79)", "0.45")
    assert float(biomass) == pytest.approx(explain(finished, "G01", "agb_tDM_ha")["value"], rel=1e-6)
    assert float(area) == pytest.approx(explain(finished, "G01", "area_ha")["value"], rel=1e-6)


def test_stands_are_a_sum_over_species(finished):
    """By hand: BCEF 0.75 and 1.0 at the volumes of the second inventory, the larger; R 0.4 below 50 t/ha."""
    pine, larch, total = explain(finished, "F01", "carbon_tC")["steps"]
    assert pine["numbers"].endswith(" × 66 × 0.75 × (1 + 0.4) × 0.5105")
    assert larch["numbers"].endswith(" × 45 × 1 × (1 + 0.4) × 0.5158")
    assert total["value"] == pytest.approx(pine["value"] + larch["value"])


def test_a_volume_is_a_sum_over_species(world, finished):
    """By hand: 66 m3/ha of pine and 45 of larch at the second inventory, and nothing of roots or carbon."""
    answer = explain(finished, "F01", "volume_m3")
    pine, larch, total = answer["steps"]
    assert (pine["numbers"].split(" × ")[1], larch["numbers"].split(" × ")[1]) == ("66", "45")
    assert total["value"] == pytest.approx(pine["value"] + larch["value"])
    used = {row["path"]: row["used_for"] for row in answer["coefficients"]}
    assert used == {
        "forest.stand_volume": "figure and interval", "forest.stand_area": "interval",
        "forest.residual_persistence": "interval",
    }  # fmt: skip
    row = next(row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == "F01")
    assert answer["interval"]["low95"] == pytest.approx(float(row["volume_m3_low95"]), rel=1e-9)
    assert set(answer["interval"]["causes"]) == {"stand_volume", "area"}
    assert (answer["method"], answer["end_members"]) == (None, None)
    with pytest.raises(ConfigError, match="zone G01 has no stands with a volume"):
        explain(finished, "G01", "volume_m3")
    with pytest.raises(ConfigError, match="leave out --year 2024"):
        explain(finished, "F01", "volume_m3", 2024)


def test_a_year_without_a_clear_observation_has_no_figure(finished):
    answer = explain(finished, "W01", "carbon_tC", 2024)
    assert (answer["value"], answer["steps"], answer["interval"]) == (None, [], None)
    assert answer["status"] == "no clear observation in 2024"
    assert explain(finished, "F01", "carbon_tC", 2024)["value"] > 0  # stands need none


def test_a_year_of_which_a_third_was_seen_has_a_mean_and_no_total(world, finished):
    total, mean = (explain(finished, "F02", metric, 2020) for metric in ("carbon_tC", "carbon_tC_ha"))
    assert (total["value"], total["steps"], total["interval"]) == (None, [], None)
    assert total["status"] == "30% observed in 2020, too little for a total"
    assert mean["value"] > 0
    rows = {(row["zone_id"], row["year"]): row for row in read_csv(world.results / "by_year.csv")}
    assert rows["F02", "2020"]["carbon_tC"] == rows["forest", "2020"]["carbon_tC"] == ""
    assert rows["forest", "2020"]["carbon_tC_ha"] == rows["forest", "2020"]["fvc_mean"] == ""  # of F01 alone
    assert float(rows["forest", "2021"]["carbon_tC"]) > float(rows["F02", "2021"]["carbon_tC"]) > 0
    drawn = {(row["zone_id"], row["quantity"], row["period"]) for row in read_csv(world.results / "intervals.csv")}
    assert {("F01", "carbon_tC", "2020"), ("F02", "fvc_mean", "2020"), ("forest", "carbon_tC", "2021")} <= drawn
    groups = {(name, quantity, "2020") for name in ("forest", "city") for quantity in ("carbon_tC", "fvc_mean")}
    assert not {("F02", "carbon_tC", "2020"), *groups} & drawn


def test_a_year_goes_without_the_total_that_is_withheld_as_impossible(tmp_path):
    """As in the table of years. 340 m3/ha of pine hold 340 x .7 x 1.2 x .5105 = 145.8 t C/ha, at most 120 can be."""
    world = World.finished(tmp_path)
    world.write_stands([("油松", 330, 340, ZONES["F01"][2])])
    world.run()
    run = FinishedRun.read(world.results)
    total, mean = (explain(run, "F01", metric, 2025) for metric in ("carbon_tC", "carbon_tC_ha"))
    assert (total["value"], total["steps"], total["interval"]) == (None, [], None)
    assert total["status"].startswith("no total, impossible: carbon_tC_ha 146")
    assert mean["value"] == pytest.approx(340 * 0.7 * 1.2 * 0.5105)  # stays as the evidence
    row = next(r for r in read_csv(world.results / "by_year.csv") if (r["zone_id"], r["year"]) == ("F01", "2025"))
    assert row["carbon_tC"] == ""


def test_coefficients_come_with_error_source_and_status(finished):
    answer = explain(finished, "G01", "carbon_tC")
    rows = {row["path"]: row for row in answer["coefficients"]}
    roots = rows["grassland.strata.typical_steppe.root_shoot"]
    assert (roots["value"], roots["u95_percent"], roots["status"]) == (4.79, 50, "verified")
    assert "Hu F.-L." in roots["source"]
    assert roots["name_zh"] == "典型草原根茎比"
    assert rows["grassland.residual"]["used_for"] == "interval"
    known = coefficients(finished.ecosystems["grassland"])
    assert all(row["status"] == known[path.partition(".")[2]].status for path, row in rows.items())
    assert "grassland.carbon_fraction" not in {
        row["path"] for row in explain(finished, "G01", "agb_tDM_ha")["coefficients"]
    }


def test_scenes_are_those_of_its_years_that_reach_the_zone(finished):
    def used(zone, year):
        return [scene["day"] for scene in explain(finished, zone, "fvc_mean", year)["scenes"]]

    assert used("F01", 2023) == ["2023-08-01", "2023-08-11"]
    assert used("G01", 2023) == ["2023-08-01", "2023-08-05", "2023-08-11"]
    sink = explain(finished, "F02", "sink_tCO2_yr")
    assert {scene["day"][:4] for scene in sink["scenes"]} == {str(year) for year in YEARS}
    assert [aside["scene"] for aside in sink["set_aside"]] == ["S2_20250811"]


def test_interval_and_causes_are_those_of_the_table(world, finished):
    row = next(row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == "G01")
    total, per_ha = (explain(finished, "G01", metric)["interval"] for metric in ("sink_tCO2_yr", "sink_tCO2_ha_yr"))
    assert total["low95"] == pytest.approx(float(row["sink_tCO2_yr_low95"]), rel=1e-9)
    assert total["high95"] / per_ha["high95"] == pytest.approx(float(row["area_ha"]), rel=1e-9)
    assert sum(total["causes"].values()) == pytest.approx(1)
    assert explain(finished, "G01", "index_mean")["interval"] is None


@pytest.mark.parametrize(("metric", "main"), [("carbon_tC", "biomass_model"), ("fvc_mean", "cover_model")])
def test_a_single_year_has_its_causes_too(finished, metric, main):
    """Cover does not go by biomass and roots, and what is no cause of it is not listed."""
    by_period, by_year = (explain(finished, "G01", metric, year)["interval"]["causes"] for year in (None, 2024))
    for causes in (by_period, by_year):
        assert causes[main] > 0.2
        assert sum(causes.values()) == pytest.approx(1)
        assert ("root_shoot" in causes) == (metric == "carbon_tC")
    assert by_year["index"] > by_period["index"]  # the bias of one year is not averaged over three


def test_boundary_ground_and_certificate_are_named(finished):
    answer = explain(finished, "W01", "sink_tCO2_yr")
    assert list(answer["boundary"]["checksums"]) == ["zones.gpkg"]
    assert answer["comparability"]["comparability"] == "not comparable"
    assert answer["status"] == "ok; no sink: a period was seen in 2.0 years only, 3 are needed"
    assert answer["end_members"]["from"] == "shipped with the stratum reed"
    assert [seen["period"] for seen in answer["observation"]] == ["2019-2021", "2023-2025"]
    assert all(0 < seen["open_water_fraction"] < 0.1 for seen in answer["observation"])


@pytest.mark.parametrize(
    ("table", "parts"),
    [
        ("/in/zones.gdb", ["a1.gdbtable", "gdb"]),
        ("/in/zones.shp", ["zones.dbf", "zones.shp"]),
        ("/in/zones.tif", ["zones.tif"]),
    ],
)
def test_the_checksums_of_an_input_are_those_of_its_files(table, parts):
    files = ("zones.gdb/a1.gdbtable", "zones.gdb/gdb", "zones.shp", "zones.dbf", "zones.tif", "stands.shp")
    run = FinishedRun(Path("out"), {"inputs": {f"/in/{name}": name for name in files}})
    assert sorted(run.checksums(table)) == parts


def test_a_year_mapped_on_its_own_is_explained_too(world, finished):
    world.run(year=2024)
    alone = FinishedRun.read(world.results / "2024")
    assert explain(alone, "G01", "carbon_tC")["value"] == explain(finished, "G01", "carbon_tC", 2024)["value"]
    assert explain(alone, "W01", "carbon_tC")["status"].startswith("no data: no clear observation in 2024")
    sink = explain(alone, "G01", "sink_tCO2_yr")
    assert (sink["value"], sink["status"]) == (None, "ok; no sink: one period only")


def test_coefficients_that_changed_since_the_run_are_said(tmp_path):
    world = World.at(tmp_path)
    world.run()
    asked = ["explain", str(world.config), "--zone", "G01", "--metric", "carbon_tC", "--out", str(world.out)]
    what_if = ["what-if", str(world.config), "--set", "grassland.root_shoot=4.0", "--out", str(world.out)]
    for command in (asked, what_if):
        assert "changed since" not in CliRunner().invoke(app, command).stdout
    assert "--force" in CliRunner().invoke(app, asked).stdout
    world.change_coefficient("grassland", "value: 4.79", "value: 4.8")
    for command in (asked, what_if):
        said = CliRunner().invoke(app, command).stdout
        assert "coefficients changed since: run `sinkmap zones`" in " ".join(said.split())
    assert "--force" not in CliRunner().invoke(app, asked).stdout  # it would make other figures, in place of these


def test_a_year_that_was_mapped_alone_answers_for_itself(tmp_path):
    world = World.at(tmp_path)
    world.run(year=2024)
    asked = ["explain", str(world.config), "--zone", "G01", "--metric", "carbon_tC", "--out", str(world.out)]
    answer = CliRunner().invoke(app, [*asked, "--year", "2024"])
    assert answer.exit_code == 0, answer.output
    assert "changed since" not in answer.stdout
    (row,) = (row for row in read_csv(world.results / "2024" / "summary.csv") if row["zone_id"] == "G01")
    assert f"{float(row['carbon_tC']):.6g}"[:6] in answer.stdout
    assert f"sinkmap zones {world.config} --out {world.out} --year 2024 --force" in answer.stdout
    for more in (["--zone", "city"], ["--zone", "F01", "--metric", "volume_m3"]):
        answer = CliRunner().invoke(app, [*asked, "--year", "2024", *more])
        assert answer.exit_code == 0, answer.output
    assert "holds no finished run" in str(CliRunner().invoke(app, [*asked, "--year", "2023"]).exception)


def test_boundaries_and_stands_that_changed_since_the_run_are_said(tmp_path):
    world = World.finished(tmp_path)
    asked = ["explain", str(world.config), "--zone", "G01", "--metric", "area_ha", "--out", str(world.out)]
    world.write_zones({name: zone for name, zone in ZONES.items() if name != "F02"})
    world.write_stands(STANDS[:1])
    said = " ".join(CliRunner().invoke(app, asked).stdout.split())
    assert "boundaries and stands changed since" in said
    world.zones.unlink()
    assert "; stands changed since" in " ".join(CliRunner().invoke(app, asked).stdout.split())


def test_a_run_that_was_copied_elsewhere_with_its_files_has_not_changed(tmp_path):
    first = World.finished(tmp_path / "first")
    first.run()
    shutil.copytree(first.folder, tmp_path / "archive" / "second")
    second = World(tmp_path / "archive" / "second")
    asked = ["explain", str(second.config), "--zone", "G01", "--metric", "carbon_tC", "--out", str(second.out)]
    assert "changed since" not in CliRunner().invoke(app, asked).stdout
    second.settings["zones"] |= {"path": "other.gpkg"}
    second.write_config()
    assert "config changed since" in " ".join(CliRunner().invoke(app, asked).stdout.split())


@pytest.mark.parametrize(
    ("zone", "metric", "year", "sentence"),
    [
        ("X1", "carbon_tC", None, "there is no zone X1; the zones are F01, F02, G01, W01"),
        ("F01", "carbon", None, "there is no metric carbon; the metrics are carbon_tC"),
        ("F01", "carbon_tC", 2022, "the run has no year 2022; its years are 2019"),
        ("F01", "sink_tCO2_yr", 2024, "a sink compares two periods"),
    ],
)
def test_what_the_run_does_not_have_is_one_sentence(finished, zone, metric, year, sentence):
    with pytest.raises(ConfigError, match=sentence):
        explain(finished, zone, metric, year)


GROUPED = [*itertools.product(("forest", "grassland", "city"), (*SUMS, *MEANS))]


@pytest.mark.parametrize(("group", "metric"), GROUPED)
def test_the_figure_of_a_group_is_that_of_the_summary_and_of_its_zones(world, finished, group, metric):
    row = next(row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == group)
    answer = explain_group(finished, group, metric)
    assert (answer["value"] is None) == (row[metric] == "")
    assert (answer["status"], answer["versions"]) == (row["status"], finished.record["versions"])
    if answer["value"] is not None:
        assert answer["value"] == pytest.approx(float(row[metric]), rel=1e-9)
    for zone in answer["zones"]:
        own = next(row for row in read_csv(world.results / "summary.csv") if row["zone_id"] == zone["id"])
        assert (zone["id"] in answer["lacking"]) == (own[metric] == "")
    if low := row.get(f"{metric}_low95"):
        assert answer["interval"]["low95"] == pytest.approx(float(low), rel=1e-9)
        assert sum(answer["interval"]["causes"].values()) == pytest.approx(1)


def test_a_zone_that_failed_lacks_in_its_group_as_in_the_summary(tmp_path, monkeypatch):
    def fail(unit):
        raise ZoneError("zone G01: by hand")

    world = World.finished(tmp_path)
    world.change_coefficient("grassland", "value: 4.79", "value: 4.8")
    monkeypatch.setattr("pipeline.flow.map_zone", fail)
    rows = {row["zone_id"]: row for row in world.run().rows}
    finished = FinishedRun.read(world.results)
    for group, metric in itertools.product(("grassland", "city"), (*SUMS, *MEANS)):
        answer = explain_group(finished, group, metric)
        assert answer["value"] == (rows[group][metric] and pytest.approx(rows[group][metric], rel=1e-9))
        assert ("G01" in answer["lacking"]) == (metric != "area_ha")
    assert explain_group(finished, "city", "area_ha")["lacking"] == []


def test_a_mean_of_other_zones_than_the_total_has_no_interval(finished):
    """The interval of a density is that of the total by the area; the mean leaves out a zone without a baseline, the
    total does not."""
    record = copy.deepcopy(finished.record)
    del next(entry for entry in record["zones"] if entry["id"] == "G01")["figures"]["baseline_carbon_tC_ha"]
    partial = replace(finished, record=record)
    assert explain_group(partial, "city", "carbon_tC_ha")["interval"] is None
    assert explain_group(partial, "city", "carbon_tC")["interval"] is not None
    assert explain_group(partial, "forest", "carbon_tC_ha")["interval"] is not None


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            ["--zone", "city", "--metric", "index_mean"],
            "together have no index_mean; ask for one of carbon_tC",
        ),
        (["--zone", "city", "--metric", "carbon_tC", "--year", "2020"], "leave out --year 2020"),
    ],
)
def test_what_a_group_does_not_have_is_one_sentence(world, asked, says):
    with pytest.raises(ConfigError, match=says):
        CliRunner().invoke(
            app, ["explain", str(world.config), "--out", str(world.out), *asked], catch_exceptions=False,
            standalone_mode=False,
        )  # fmt: skip


def test_the_command_prints_the_sum_of_all_zones(world):
    asked = ["explain", str(world.config), "--out", str(world.out), "--zone", "city", "--metric", "sink_tCO2_yr"]
    printed = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    assert "t CO2/yr, without F02, W01" in printed
    assert "sum of the zones" in printed
    assert "G01" in printed


def test_the_command_prints_the_figure_and_how_to_do_it_again(world):
    asked = ["explain", str(world.config), "--out", str(world.out), "--zone", "G01", "--metric", "carbon_tC"]
    printed, data = (
        CliRunner().invoke(app, [*asked, *form], catch_exceptions=False).stdout for form in ([], ["--json"])
    )
    answer = json.loads(data)
    for said in (
        f"{answer['value']:.10g} t C",
        "AGB × (1 + R) × CF × A",
        "典型草原根茎比 = 4.79",
        "UNVERIFIED",
        answer["command"],
    ):
        assert said in printed
    before = (world.results / "summary.csv").read_bytes()
    (world.results / "summary.csv").unlink()
    program, *again = shlex.split(answer["command"].replace("\\", "/"))  # Windows takes both
    assert program == "sinkmap"
    assert CliRunner().invoke(app, again, catch_exceptions=False).exit_code == 0
    assert (world.results / "summary.csv").read_bytes() == before


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    world = World.at(tmp_path)
    asked = ["explain", str(world.config), "--out", str(tmp_path), "--zone", "G01", "--metric", "area_ha"]
    with pytest.raises(OutputError, match="holds no finished run"):
        CliRunner().invoke(app, asked, catch_exceptions=False)


def test_a_record_of_another_version_is_one_sentence(world, tmp_path):
    record = json.loads((world.results / "run.json").read_text(encoding="utf-8"))
    for zone in record["zones"]:
        del zone["figures"]
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(OutputError, match="of another version of sinkmap"):
        FinishedRun.read(tmp_path)


@pytest.mark.parametrize("content", [{}, [], {"zones": []}, {"zones": [1], "failed_zones": []}])
def test_a_record_that_is_none_is_one_sentence(tmp_path, content):
    """Of a very early version, or a run.json of another program."""
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(OutputError, match="of another version of sinkmap"):
        FinishedRun.read(tmp_path)


def test_stands_on_both_sides_of_a_root_bin_are_summed_up_apart(finished):
    """Biomass of 36-39 m3/ha x 1.4 lies on both sides of 50 t/ha, the edge of the roots."""
    forest = finished.ecosystems["forest"]
    volumes = np.array([35.2, 35.6, 36.0, 38.0])
    stands = ZoneStands(
        np.array([None] * 4), ["larch"] * 4, np.array([3.0, 5.0, 7.0, 11.0]), {2020: volumes, 2024: volumes + 9}
    )
    exact, grouped = ((one.area_ha * one.stock(forest, 2022.0)[1]).sum() for one in (stands, stands.grouped(forest)))
    assert grouped == pytest.approx(exact, rel=1e-12)
    assert len(stands.grouped(forest).species) == 2
