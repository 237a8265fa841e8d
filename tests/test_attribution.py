"""What a change between two runs comes from: each factor alone moves its own column, together they are the whole."""

import json
import shutil

import pytest
import shapely
from tiny_world import (
    CLOUD,
    DAYS,
    PIXEL,
    STANDS,
    YEARS,
    ZONES,
    World,
    box,
    clouds_over,
    landscape,
    read_csv,
    run_here,
    sky,
)
from typer.testing import CliRunner

from pipeline.__main__ import app
from pipeline.errors import OutputError
from pipeline.questions.attribution import ATTRIBUTION_COLUMNS, FACTORS, Swap, attribute, beyond
from pipeline.questions.finished import FinishedRun
from pipeline.questions.run_difference import compare

ROOTS = "value: 4.79"


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The tiny world, run."""
    return World.finished(tmp_path_factory.mktemp("first"))


@pytest.fixture
def second(tmp_path):
    """The same world again, with its finished run, to be changed and run once more."""
    return World.finished(tmp_path)


def differences(first: World, second: World) -> dict[tuple[str, str], dict]:
    """Rows by zone and quantity; all of them add up."""
    rows = compare(FinishedRun.read(first.results), FinishedRun.read(second.results))
    for row in rows:
        assert list(row) == list(ATTRIBUTION_COLUMNS)
    for row in (row for row in rows if row["change"] is not None):
        assert sum(row[f] or 0 for f in FACTORS) == pytest.approx(row["change"], abs=1e-11 * abs(row["before"]))
        assert row["change"] == row["after"] - row["before"]
    return {(row["zone_id"], row["quantity"]): row for row in rows}


def asking(*arguments: str) -> str:
    """What a command of the program prints."""
    return CliRunner().invoke(app, arguments, catch_exceptions=False).stdout


def only(row: dict, factor: str) -> None:
    """The change is that of one factor, up to rounding."""
    assert row["change"] != 0
    assert row[factor] == pytest.approx(row["change"], rel=1e-9)
    for other in set(FACTORS) - {factor}:
        assert row[other] in (0, None) or abs(row[other]) < 1e-11 * abs(row["before"]), other


def test_a_chain_adds_up_and_a_factor_may_come_twice():
    """100 -> 130: records lie 1 above and 2 below what the present code makes of them."""
    chain = [Swap("boundary", 110), Swap("clear_pixels", 104), Swap("cover", 120), Swap("clear_pixels", 125),
             Swap("coefficients", 132)]  # fmt: skip
    parts = attribute(100, 130, recomputed=99, chain=chain)
    assert parts == {"boundary": 11, "clear_pixels": -6 + 5, "cover": 16, "clear_pixels_and_cover": None,
                     "stands": None, "periods": None, "coefficients": 7, "code": -1 - 2}  # fmt: skip
    assert sum(part or 0 for part in parts.values()) == 30


def test_beyond_is_outside_the_interval_of_the_first():
    figures = {"carbon_tC_low95": 90.0, "carbon_tC_high95": 110.0}
    assert [beyond(figures, "carbon_tC", value) for value in (89, 100, 111)] == [True, False, True]
    assert beyond({}, "carbon_tC", 100) is None


def test_identical_runs_differ_in_nothing(first, second):
    for row in differences(first, second).values():
        has_stands = row["zone_id"] == "F01"
        assert [row[factor] for factor in FACTORS if row[factor] is not None] == [0] * (6 if has_stands else 5)
        assert (row["change"], row["clear_pixels_and_cover"], row["note"]) == (0, None, None)


def test_a_coefficient_moves_its_column_of_its_zones(first, second):
    second.change_coefficient("grassland", ROOTS, "value: 5.79")
    second.run()
    rows = differences(first, second)
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        only(rows["G01", quantity], "coefficients")
        assert rows["G01", quantity]["coefficients"] == pytest.approx(rows["G01", quantity]["before"] / 5.79)
        assert all(rows[zone, quantity]["change"] == 0 for zone in ("F01", "F02", "W01"))


def test_a_stand_volume_is_of_the_stands(first, second):
    (larch, then, now, shape), pine = STANDS
    second.write_stands([(larch, then, now + 3, shape), pine])
    second.run()
    row = differences(first, second)["F01", "carbon_tC"]
    only(row, "stands")
    assert (row["clear_pixels"], row["cover"]) == (0, 0)


@pytest.mark.parametrize("change", [{"species": {"白桦": ["阔叶"]}}, {"min_area_fraction": 0.4}])
def test_how_the_same_stands_count_is_of_the_stands_and_no_boundary(second, tmp_path, change):
    """What the words of their species count as, and which inventories are used: that of 2024 has the half of F01."""
    (larch, volume, _, shape), (_, then, now, ground) = STANDS
    second.write_stands([("阔叶", then, now, ground)])
    second.stands.rename(second.folder / "later.gpkg")
    second.write_stands([(larch, volume, volume, shape), ("阔叶", then, now, ground)])
    columns = [{"species": "SPECIES", "volume_m3_ha": {year: f"V{year}"}} for year in ("2020", "2024")]
    second.settings["stands"] |= {"species": {"油松": ["阔叶"]}, "columns": columns[0]}
    second.settings["stands"]["further_files"] = [{"path": "later.gpkg", "columns": columns[1]}]
    second.write_config()
    second.run()
    before = shutil.copytree(second.results, tmp_path / "before")
    second.settings["stands"] |= change
    second.write_config()
    second.run()
    rows = compare(FinishedRun.read(before), FinishedRun.read(second.results))
    only(next(row for row in rows if (row["zone_id"], row["quantity"]) == ("F01", "carbon_tC")), "stands")


def test_a_later_date_of_the_same_inventories_is_of_the_stands_and_no_coefficient(second, tmp_path):
    """Between the inventories of 2020 and 2024 the stock of 2023 is interpolated, that of 2024 is the last one's."""
    first = World.finished(tmp_path / "first")
    for world, current in ((first, 2023), (second, 2024)):
        world.settings["periods"] = {"baseline": "2019-2021", "current": current}
        world.write_config()
        world.run()
    rows = differences(first, second)
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        only(rows["F01", quantity], "stands")
        assert rows["F01", quantity]["note"] is None
    assert "the periods differ" in rows["G01", "carbon_tC"]["note"]


def test_other_years_of_the_periods_are_no_coefficient(first, second):
    """The later stock is greener and comes of more years: the one raises the sink per year, the other lowers it."""
    for day in DAYS:
        second.write_scene(2026, day)
    second.settings["scenes"]["years"] = [*YEARS, 2026]
    second.settings["periods"] = {"baseline": "2019-2021", "current": "2024-2026"}
    second.write_config()
    second.run()
    row = differences(first, second)["G01", "sink_tCO2_yr"]
    assert row["coefficients"] == pytest.approx(0, abs=1e-9)
    assert row["periods"] < 0 < row["cover"]


def test_a_first_inventory_is_of_the_stands_and_said(first, second):
    kind, volume = STANDS[0][0], 50.0
    second.write_stands([*STANDS, (kind, volume, volume, ZONES["F02"][2])])
    second.run()
    row = differences(first, second)["F02", "carbon_tC"]
    only(row, "stands")
    assert row["note"] == "only the second run uses stands"
    back = differences(second, first)["F02", "carbon_tC"]
    only(back, "stands")
    assert back["note"] == "only the first run uses stands"


def test_another_ecosystem_is_of_the_coefficients_and_said(first, second):
    """F01, by stands in the one run, is steppe in the other."""
    second.settings["zones"]["expected"] = {"forest": 1, "grassland": 2, "wetland": 1}
    second.write_config()
    second.write_zones(ZONES | {"F01": ("草地", "典型草原", ZONES["F01"][2])})
    second.run()
    for runs, kinds in (((first, second), ("forest", "grassland")), ((second, first), ("grassland", "forest"))):
        row = differences(*runs)["F01", "carbon_tC"]
        only(row, "coefficients")
        said = "{} in the first run and {} in the second; that change counts as coefficients"
        assert row["note"] == said.format(*kinds)


def test_a_moved_boundary_is_boundary_alone(first, second):
    """The western two columns and more of G01 and F01 are cut off: with them go their pixels and their stands."""
    cut = {name: (kind, stratum, shape.difference(shapely.box(0, 0, shape.bounds[0] + 2.5 * PIXEL, 9e6)))
           for name, (kind, stratum, shape) in ZONES.items()}  # fmt: skip
    second.write_zones(ZONES | {name: cut[name] for name in ("G01", "F01")})
    second.run()
    rows = differences(first, second)
    for quantity in ("carbon_tC", "sink_tCO2_yr"):
        only(rows["G01", quantity], "boundary")
        only(rows["F01", quantity], "boundary")
        assert rows["G01", quantity]["boundary"] < 0
        assert rows["F02", quantity]["change"] == 0


def test_a_scene_removed_is_lost_pixels_and_fainter_peaks(first, second):
    """Without the greenest date of 2025 the other date counts: .05 less on what it saw, which is cover, and a cloud
    over the east of F02, which is clear pixels."""
    shutil.rmtree(second.scene(2025, "08-01"))
    second.run()
    rows = differences(first, second)
    cloudy, clear = rows["F02", "carbon_tC"], rows["W01", "carbon_tC"]
    only(clear, "cover")
    assert clear["cover"] < 0
    assert cloudy["clear_pixels"] != 0
    assert cloudy["cover"] < 0
    assert cloudy["boundary"] == cloudy["coefficients"] == cloudy["code"] == 0


def test_a_scene_that_only_covered_what_others_missed_is_clear_pixels(first, second, tmp_path):
    """A third date of 2024 that sees F02 under the others' cloud: taken away, its pixels are lost."""
    more = World.at(tmp_path / "more")
    scl = sky("08-01")
    scl[:50, 125:245] = CLOUD
    for world in (more, second):
        for day in ("08-01", "08-11"):
            world.write_scene(2024, day, scl=scl)
    more.write_scene(2024, "08-21", ndvi=landscape(2024, "08-01"))
    more.run()
    second.run()
    only(differences(more, second)["F02", "carbon_tC"], "clear_pixels")


def test_a_cloud_that_dates_a_stock_anew_is_no_coefficient(first, second):
    """Of F02 all but its 55 western columns of 110 are hidden in 2019: 2.5 years that were seen, on average 2020.2,
    lie 3.8 years before 2024 in place of 4."""
    for day in DAYS:
        second.write_scene(2019, day, scl=clouds_over(day, box(10, 80, 192, 240)))
    second.run()
    row = differences(first, second)["F02", "sink_tCO2_yr"]
    assert row["clear_pixels"] != 0
    assert row["coefficients"] == pytest.approx(0, abs=1e-9)
    shutil.rmtree(second.results / "work" / "cube.zarr")
    only(differences(first, second)["F02", "sink_tCO2_yr"], "clear_pixels_and_cover")


@pytest.mark.parametrize(("kept", "factor"), [(True, "boundary"), (False, "clear_pixels_and_cover")])
def test_shrub_that_was_cut_is_where_the_note_says(second, tmp_path, kept, factor):
    shrubs = World.finished(tmp_path / "first")
    shrubs.write_stands([*STANDS, ("灌木林", 0.0, 0.0, box(110, 125, 200, 280))])
    shrubs.run()
    if not kept:
        shutil.rmtree(second.results / "work" / "cube.zarr")
    row = differences(shrubs, second)["G01", "carbon_tC"]
    only(row, factor)
    assert f"that change counts as {factor}" in row["note"]


def test_all_at_once_still_adds_up(first, second):
    second.change_coefficient("grassland", ROOTS, "value: 5.79")
    shutil.rmtree(second.scene(2025, "08-01"))
    kind, stratum, shape = ZONES["G01"]
    second.write_zones(ZONES | {"G01": (kind, stratum, shape.buffer(-PIXEL))})
    second.run()
    row = differences(first, second)["G01", "carbon_tC"]
    assert all(row[factor] for factor in ("boundary", "cover", "coefficients"))
    assert row["code"] == 0


def test_years_of_other_periods_are_paired_in_order(second):
    """The world greens by .01 a year on the same ground: from 2024 to 2025 all change is cover."""
    for year in (2024, 2025):
        second.run(year=year)
    one, next_one = (FinishedRun.read(second.results / str(year)) for year in (2024, 2025))
    row = next(row for row in compare(one, next_one) if (row["zone_id"], row["quantity"]) == ("W01", "carbon_tC"))
    only(row, "cover")
    assert row["cover"] > 0
    assert row["note"].startswith("the periods differ")
    unlike = compare(one, FinishedRun.read(second.results))
    assert "the periods have different numbers of years" in unlike[-2]["note"]
    assert "the first run gives no figure" in unlike[-1]["note"]


def test_another_code_is_what_the_present_one_does_not_reproduce(first, second):
    """A record 7 t above what its own sketch gives today."""
    file = second.results / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    record["zones"][2]["figures"]["carbon_tC"] += 7
    file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    row = differences(first, second)["G01", "carbon_tC"]
    assert (row["code"], row["cover"], row["coefficients"]) == (pytest.approx(7), 0, 0)


def test_an_archive_from_before_species_had_words_is_compared(first, second):
    file = second.results / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    del record["config"]["stands"]["species"], record["config"]["stands"]["further_files"]
    file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    assert all(row["change"] == 0 for row in differences(first, second).values())


def test_a_figure_that_a_run_withholds_is_not_compared(first, second):
    file = second.results / "run.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    del record["zones"][3]["figures"]["sink_tCO2_yr"]
    file.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
    row = differences(first, second)["W01", "sink_tCO2_yr"]
    assert row["change"] is row["after"] is None
    assert row["note"] == "the second run gives no figure"


def test_without_a_cube_pixels_are_not_told_apart(first, second):
    shutil.rmtree(second.scene(2025, "08-01"))
    second.run()
    shutil.rmtree(second.results / "work" / "cube.zarr")
    row = differences(first, second)["W01", "carbon_tC"]
    only(row, "clear_pixels_and_cover")
    assert row["clear_pixels"] is row["cover"] is None
    assert row["note"].endswith("the cube of the second run is gone")


def test_a_cube_of_a_later_run_is_not_believed(first, second):
    for file in (second.results / "work" / "cube.zarr" / "2024" / "ndvi" / "c").rglob("[0-9]"):
        if file.is_file():
            file.unlink()
    row = differences(first, second)["G01", "carbon_tC"]
    assert row["change"] == row["clear_pixels_and_cover"] == 0
    assert "a cube is no longer that of its run" in row["note"]


def test_the_command_prints_tables_and_writes_them(first, second, tmp_path):
    second.change_coefficient("grassland", ROOTS, "value: 5.79")
    second.run()
    asked = ["diff", str(first.results), str(second.results)]
    rows = json.loads(asking(*asked, "--json", "--csv", str(tmp_path / "diff.csv")))
    assert rows == compare(FinishedRun.read(first.results), FinishedRun.read(second.results))
    assert [row["zone_id"] for row in read_csv(tmp_path / "diff.csv")] == [row["zone_id"] for row in rows]
    printed = asking(*asked)
    assert f"{rows[4]['coefficients']:+,.2f}" in printed
    assert "Beyond the first run's 95 % interval: not known, it has no intervals." in printed


def test_where_there_are_intervals_no_zone_moves_beyond_them_by_itself(tmp_path):
    world = World.finished(tmp_path)
    world.settings["uncertainty"] = {"draws": 200}
    world.write_config()
    run_here(world.config, world.out)
    asked = ["diff", str(world.results), str(world.results)]
    assert "Beyond the first run's 95 % interval: none." in asking(*asked)


def test_a_folder_without_a_run_is_one_sentence(first, tmp_path):
    with pytest.raises(OutputError, match="holds no finished run"):
        asking("diff", str(first.results), str(tmp_path))
