"""Inventories from files of their own, whose stands have other outlines."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from conftest import CRS, LEFT, TOP, write_vector
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_world import STANDS, ZONES, World
from tiny_world import box as box_of_pixels

from pipeline.commands.explanation import explanation
from pipeline.commands.questions import changed_since
from pipeline.commands.screen import boundary_findings, zone_table
from pipeline.config.run_config import read_coefficients, read_config
from pipeline.questions.explain import explain
from pipeline.questions.finished import FinishedRun
from pipeline.run import prepare
from pipeline.zones.joined_stands import join_inventories
from pipeline.zones.stands import stands_in_zone
from pipeline.zones.zone_stands import ZoneStands

ZONE = shapely.box(LEFT, TOP - 1000, LEFT + 1000, TOP)


def box(left: float, right: float, bottom: float = 0, top: float = 100) -> shapely.Geometry:
    """A rectangle in metres from the lower left corner of the zone."""
    return shapely.box(LEFT + left, TOP - 1000 + bottom, LEFT + right, TOP - 1000 + top)


def inventory(year: int, *stands: tuple[str, float, shapely.Geometry], cover: list[float] | None = None) -> ZoneStands:
    """Stands (species, m3/ha, outline) in the zone."""
    species, volumes, outlines = zip(*stands, strict=True)
    columns = {"species": species, year: volumes} | ({"cover": cover} if cover else {})
    return stands_in_zone(gpd.GeoDataFrame(columns, geometry=list(outlines), crs=CRS), ZONE, [year])


def held(stands: ZoneStands) -> set[tuple]:
    """Species, area (ha, one decimal) and volumes of each stand, by year."""
    volumes = [stands.volume_m3_ha[year].tolist() for year in sorted(stands.volume_m3_ha)]
    return set(zip(stands.species, stands.area_ha.round(1).tolist(), *volumes, strict=True))


def test_stands_with_the_same_outlines_are_those_of_one_file(ecosystems):
    outlines = [box(0, 500), box(500, 1000)]
    then = inventory(2020, ("larch", 18.0, outlines[0]), ("birch", 40.0, outlines[1]))
    now = inventory(2024, ("birch", 41.0, outlines[1]), ("larch", 60.0, outlines[0]))
    joined = join_inventories([then, now])
    assert held(joined) == {("larch", 5.0, 18, 60), ("birch", 5.0, 40, 41)}
    one_file = gpd.GeoDataFrame(
        {"species": ["larch", "birch"], 2020: [18.0, 40.0], 2024: [60.0, 41.0]}, geometry=outlines, crs=CRS
    )
    whole = stands_in_zone(one_file, ZONE, [2020, 2024])
    for date in (2020, 2022, 2024):
        for mine, alone in zip(
            joined.stock(ecosystems["forest"], date), whole.stock(ecosystems["forest"], date), strict=True
        ):
            assert mine @ joined.area_ha == pytest.approx(alone @ whole.area_ha, rel=1e-6)
    assert joined.gain_loss(ecosystems["forest"]) == pytest.approx(whole.gain_loss(ecosystems["forest"]), rel=1e-6)
    assert joined.ground_ha == pytest.approx(whole.ground_ha, rel=1e-6)
    assert (joined.uneven_ha, joined.twice_ha) == pytest.approx((0, 0), abs=1e-6)


def test_a_stand_that_was_divided_grows_in_both_parts():
    """10 ha of larch with 60 m3/ha are 4 ha with 80 and 6 ha with 70 at the next inventory."""
    then = inventory(2020, ("larch", 60.0, box(0, 1000)))
    now = inventory(2024, ("larch", 80.0, box(0, 400)), ("larch", 70.0, box(400, 1000)))
    joined = join_inventories([then, now])
    assert held(joined) == {("larch", 4.0, 60, 80), ("larch", 6.0, 60, 70)}
    assert join_inventories([now, then]).volume_m3(2024) == pytest.approx(joined.volume_m3(2024))


def test_ground_that_was_felled_replanted_or_planted_holds_nothing_at_the_other_date():
    """Of 10 ha of larch, 3 ha are pine now and 2 ha without a stand; 1 ha of elm is new."""
    then = inventory(2020, ("larch", 60.0, box(0, 1000)))
    now = inventory(
        2024, ("larch", 80.0, box(0, 500)), ("chinese_pine", 5.0, box(500, 800)), ("elm", 2.0, box(0, 100, 100, 200))
    )
    joined = join_inventories([then, now])
    assert held(joined) == {
        ("larch", 5.0, 60, 80), ("larch", 5.0, 60, 0), ("chinese_pine", 3.0, 0, 5), ("elm", 1.0, 0, 2),
    }  # fmt: skip
    assert joined.ground_ha == pytest.approx(11, rel=1e-3)
    assert joined.uneven_ha == pytest.approx(3, rel=1e-3)  # 2 ha only then, 1 ha only now
    assert not joined.overlap


def test_outlines_that_differ_in_their_last_digits_are_alike():
    then = inventory(2020, ("larch", 60.0, box(0, 500)), ("larch", 20.0, box(500, 1000)))
    now = inventory(2024, ("larch", 80.0, box(0, 500.0001)), ("larch", 30.0, box(500.0001, 1000)))
    assert held(join_inventories([then, now])) == {("larch", 5.0, 60, 80), ("larch", 5.0, 20, 30)}


def test_several_species_of_one_polygon_are_joined_each_with_its_own():
    mixed = box(0, 1000)
    then = inventory(2020, ("larch", 60.0, mixed), ("birch", 20.0, mixed))
    now = inventory(2024, ("birch", 25.0, mixed), ("larch", 66.0, mixed))
    joined = join_inventories([then, now])
    assert held(joined) == {("larch", 10.0, 60, 66), ("birch", 10.0, 20, 25)}
    assert joined.ground_ha == pytest.approx(10, rel=1e-3)
    assert not joined.overlap


def test_two_kinds_of_one_polygon_that_count_as_one_species_are_joined_by_their_volume():
    """In whatever order the files have them: the one with much volume did not lose most of it to the other."""
    outlines = box(0, 1000), box(0, 1000), box(0, 900)  # also where the outline was drawn anew
    for then, now in ((outlines[0], outlines[1]), (outlines[0], outlines[2])):
        joined = join_inventories(
            [
                inventory(2020, ("elm", 60.0, then), ("elm", 20.0, then)),
                inventory(2024, ("elm", 25.0, now), ("elm", 66.0, now)),
            ]
        )
        ha = now.area / 1e4
        assert held(joined) >= {("elm", round(ha, 1), 60, 66), ("elm", round(ha, 1), 20, 25)}


def test_ground_that_an_inventory_counts_twice_is_told_of_it_alone():
    """Outlines of two inventories overlap by their nature; those of one must not."""
    then = inventory(2020, ("larch", 60.0, box(0, 600)), ("larch", 60.0, box(400, 1000)))
    now = inventory(2024, ("larch", 80.0, box(0, 1000)))
    joined = join_inventories([then, now])
    assert joined.twice_ha == pytest.approx(2, rel=1e-3)
    assert joined.volume_m3(2020) == pytest.approx(then.volume_m3(2020))
    assert joined.volume_m3(2024) == pytest.approx(now.volume_m3(2024))


def test_shrub_is_that_of_the_latest_inventory():
    """It has no volume to interpolate: shrub that is forest now would count beside it."""
    then = inventory(2020, ("shrub", 0.0, box(0, 400)), ("larch", 60.0, box(400, 1000)), cover=[0.4, 0.0])
    now = inventory(2024, ("shrub", 0.0, box(0, 100)), ("larch", 70.0, box(100, 1000)), cover=[0.2, 0.0])
    for order in ([then, now], [now, then]):
        joined = join_inventories(order)
        shrub = [species == "shrub" for species in joined.species]
        assert joined.area_ha[shrub] == pytest.approx([1.0], rel=1e-3)
        assert joined.cover[shrub].tolist() == [0.2]
        assert sum(joined.cover) == 0.2
    without = inventory(2024, ("shrub", 0.0, box(0, 100)), ("larch", 70.0, box(100, 1000)))
    assert join_inventories([then, without]).cover is None


def test_three_inventories_are_joined():
    outlines = box(0, 1000), box(0, 700), box(0, 600)
    years = [
        inventory(year, ("larch", float(year - 2000), outline))
        for year, outline in zip((2010, 2015, 2020), outlines, strict=True)
    ]
    joined = join_inventories(years)
    assert held(joined) == {("larch", 6.0, 10, 15, 20), ("larch", 1.0, 10, 15, 0), ("larch", 3.0, 10, 0, 0)}
    assert joined.uneven_ha == pytest.approx(4, rel=1e-3)
    assert join_inventories(years[:1]) is years[0]


def test_three_inventories_of_shrub_alone_are_joined():
    """As among grass: those before the latest hold nothing that is joined."""
    years = [inventory(year, ("shrub", 0.0, box(0, right))) for year, right in ((2010, 500), (2015, 400), (2020, 300))]
    joined = join_inventories(years)
    assert held(joined) == {("shrub", 3.0, 0, 0, 0)}
    trees = inventory(2025, ("larch", 10.0, box(0, 300)))
    assert held(join_inventories([*years, trees])) == {("larch", 3.0, 0, 0, 0, 10)}


BOXES = st.tuples(st.integers(0, 9), st.integers(1, 5), st.integers(0, 9), st.integers(1, 5))
DRAWN = st.lists(st.tuples(st.sampled_from(["larch", "birch"]), st.integers(0, 200), BOXES), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(then=DRAWN, now=DRAWN)
def test_each_inventory_keeps_its_volume_by_species(then, now):
    """Whatever the outlines, also where those of one inventory overlap."""
    found = [
        inventory(year, *[(kind, volume, box(100 * x, min(100 * (x + w), 1000), 100 * y, min(100 * (y + h), 1000)))
                          for kind, volume, (x, w, y, h) in stands])
        for year, stands in ((2020, then), (2024, now))
    ]  # fmt: skip
    joined = join_inventories(found)
    for (year, volumes), alone in zip(joined.volume_m3_ha.items(), found, strict=True):
        for kind in ("larch", "birch"):
            mine, its = (np.array([species == kind for species in each.species]) for each in (joined, alone))
            expected = (alone.area_ha * alone.volume_m3_ha[year])[its].sum()
            assert (joined.area_ha * volumes)[mine].sum() == pytest.approx(expected, rel=1e-5)


# In a run


def in_two_files(world: World, then: list[tuple], now: list[tuple]) -> None:
    """Stands (species, m3/ha, outline) of 2020 and of 2024 in files of their own."""
    files = []
    for year, stands in ((2020, then), (2024, now)):
        species, volumes, outlines = zip(*stands, strict=True)
        path = world.folder / f"stands_{year}.gpkg"
        write_vector(path, {"SPECIES": species, "XJ": volumes}, list(outlines))
        files.append({"path": path.name, "columns": {"species": "SPECIES", "volume_m3_ha": {str(year): "XJ"}}})
    world.settings["stands"] = files[0] | {"further_files": files[1:]}
    world.write_config()


def test_a_run_on_two_files_is_that_on_one(tmp_path):
    world = World.finished(tmp_path)
    before = world.run()
    in_two_files(world, *([(s[0], s[which], s[3]) for s in STANDS] for which in (1, 2)))
    done = world.run()
    assert done.composite == []
    for row, now in zip(before.rows, done.rows, strict=True):
        for name, value in row.items():
            assert now[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name
    assert done.row("F01")["comparability"] == "comparable"
    record = json.loads((world.results / "run.json").read_text("utf-8"))
    assert {Path(file).name for file in record["inputs"]} >= {"stands_2020.gpkg", "stands_2024.gpkg"}


def test_a_sink_between_inventories_of_other_ground_is_conditional(tmp_path):
    """The stands of 2024 leave out the pine, on half the ground: its carbon is gone, the certificate says why."""
    world = World.finished(tmp_path)
    larch, pine = STANDS
    in_two_files(world, [(larch[0], 30.0, larch[3]), (pine[0], 60.0, pine[3])], [(larch[0], 45.0, larch[3])])
    world.settings["stands"]["min_area_fraction"] = 0.4
    world.write_config()
    row = world.run().row("F01")
    area = {stand[0]: stand[3].intersection(ZONES["F01"][2]).area for stand in STANDS}
    share = area["油松"] / sum(area.values())
    assert row["comparability"] == "conditional"
    assert row["comparability_zh"] == f"有条件可比：{share:.0%}的小班用地仅见于部分调查，其余按无林计"
    assert row["volume_m3"] == pytest.approx(45 * row["area_ha"] * area["华北落叶松"] / ZONES["F01"][2].area, rel=1e-3)


def test_a_sink_between_inventories_that_overlap_by_other_ground_is_conditional(tmp_path):
    """The pine of 2020 is there under two outlines, that of 2024 under one: half its carbon is no loss."""
    world = World.finished(tmp_path)
    trees = [(s[0], 60.0, s[3]) for s in STANDS]
    doubled = ("油松", 60.0, STANDS[1][3].buffer(-1, join_style="mitre"))
    in_two_files(world, [*trees, doubled], trees)
    row = world.run().row("F01")
    zone = ZONES["F01"][2]
    share = doubled[2].intersection(zone).area / sum(s[3].intersection(zone).area for s in STANDS)
    assert row["sink_tCO2_yr"] < 0
    assert row["comparability"] == "conditional"
    assert row["comparability_zh"] == f"有条件可比：{share:.0%}的小班用地在部分调查中重复计算，在其他调查中没有"
    in_two_files(world, [*trees, doubled], [*trees, doubled])
    assert world.run().row("F01")["comparability"] == "comparable"


def test_an_inventory_that_does_not_reach_a_zone_is_not_its_loss(tmp_path):
    """F02 is in the inventory of 2020 alone: its stock is known for then, and there is no difference."""
    world = World.finished(tmp_path)
    both = [(s[0], s[1], s[3]) for s in STANDS]
    in_two_files(world, [*both, ("白桦", 40.0, ZONES["F02"][2])], [(s[0], s[2], s[3]) for s in STANDS])
    done = world.run()
    row = done.row("F02")
    assert row["volume_m3"] == pytest.approx(40 * row["area_ha"], rel=1e-3)
    assert row["sink_tCO2_yr"] is None
    assert json.loads((world.results / "run.json").read_text("utf-8"))["notes"] == [
        "the stands of 2024 cover 0.00% of forest zone F02, less than stands.min_area_fraction: its stock is by the "
        "inventories of 2020 alone"
    ]
    sheet = (world.results / "stac").rglob("*.json")
    assert not any("2020, 2024" in path.read_text("utf-8") for path in sheet if "F02" in path.name)


def test_shrub_that_the_latest_inventory_leaves_out_is_told(tmp_path):
    """The forest inventory of 2024 reaches the grass of G01 with the edge of one stand, and has no shrub there: that of
    2020 would go without a word. A later inventory that does not reach the zone takes nothing away."""
    world = World.finished(tmp_path)
    trees, shrub = [(s[0], s[1], s[3]) for s in STANDS], ("柠条", 0.0, box_of_pixels(100, 150, 20.2, 100))
    edge = ("油松", 40.0, box_of_pixels(98, 101, 200, 210))
    in_two_files(world, [*trees, shrub], trees)
    run = prepare(read_config(world.config), world.out)
    assert "G01" in run.shrub
    assert not any("shrub" in note for note in run.notes)
    in_two_files(world, [*trees, shrub], [*trees, edge])
    run = prepare(read_config(world.config), world.out)
    assert "G01" not in run.shrub
    assert [note for note in run.notes if "shrub" in note] == [
        "the stands of 2024, the latest in zone G01, have no shrub there: 350.3 ha of shrub of 2020 do not count"
    ]


def test_a_stand_whose_repair_left_a_hairline_is_read_in_another_crs(tmp_path):
    """Where an outline crosses itself by its last digits, its repair can leave a hole without width, which
    crosses itself on the grid."""
    world = World.finished(tmp_path)
    y, x = (40.63010112025222, 40.63010112025223), (109.83159584692204, 109.83159584692206)
    hole = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1])]
    outline = shapely.Polygon([(109.83, 40.629), (109.834, 40.632), (109.834, 40.631), (109.835, 40.631)], [hole])
    assert outline.is_valid
    write_vector(world.stands, {"SPECIES": ["油松"], "V2020": [30.0], "V2024": [40.0]}, [outline], "EPSG:4490")
    world.settings["stands"]["min_area_fraction"] = 0
    world.write_config()
    stands = prepare(read_config(world.config), world.out).stands["F01"]
    assert shapely.is_valid(stands.geometry).all()
    planar_ha = gpd.GeoSeries([outline], crs="EPSG:4490").to_crs(CRS).area[0] / 1e4
    assert stands.area_ha.sum() == pytest.approx(planar_ha, rel=1e-3)


def test_check_does_not_call_the_parts_of_joined_stands_stands(tmp_path):
    """One stand then and two now, the second of another species, are three parts."""
    world = World.finished(tmp_path)
    (larch, then, now, shape), (pine, *_, ground) = STANDS
    title = [column.header for column in zone_table(prepare(read_config(world.config), world.out)).columns][-1]
    assert title == "小班 stands"
    in_two_files(world, [(larch, then, shape.union(ground))], [(larch, now, shape), (pine, now, ground)])
    table = zone_table(prepare(read_config(world.config), world.out))
    assert [table.columns[-1].header, *table.columns[-1].cells][:2] == ["小班叠加块 parts of stands", "3"]


def test_each_file_is_checked(tmp_path):
    world = World.at(tmp_path)
    in_two_files(world, [("油松", 60.0, STANDS[0][3])], [("桉树", 60.0, STANDS[0][3])])
    config = read_config(world.config)
    coefficients = read_coefficients(config.coefficients)
    found = boundary_findings(config, coefficients)
    assert {(f.zone, f.level) for f in found if f.kind in ("volume", "species")} == {
        ("stands 2020", "note"), ("stands 2024", "error"),
    }  # fmt: skip
    (world.folder / "stands_2024.gpkg").unlink()
    (missing,) = (f for f in boundary_findings(config, coefficients) if f.zone == "stands 2024")
    assert (missing.level, missing.kind) == ("error", "file")


def test_another_content_of_either_file_is_told(tmp_path):
    world = World.finished(tmp_path)
    then, now = ([(s[0], s[which], s[3]) for s in STANDS] for which in (1, 2))
    in_two_files(world, then, now)
    world.run()
    run, config = FinishedRun.read(world.results), read_config(world.config)
    assert changed_since(run, config) == []
    in_two_files(world, then, [(kind, volume + 1, outline) for kind, volume, outline in now])
    assert changed_since(run, config) == ["stands"]


def test_explain_names_each_file_that_a_zone_is_counted_by(tmp_path):
    """F02 is in the inventory of 2020 alone."""
    world = World.finished(tmp_path)
    both = [(s[0], s[1], s[3]) for s in STANDS]
    in_two_files(world, [*both, ("白桦", 40.0, ZONES["F02"][2])], [(s[0], s[2], s[3]) for s in STANDS])
    world.run()
    run = FinishedRun.read(world.results)
    files = {
        zone: [Path(file["file"]).name for file in explain(run, zone, "carbon_tC")["stands"]]
        for zone in ("F01", "F02", "G01")
    }
    assert files == {"F01": ["stands_2020.gpkg", "stands_2024.gpkg"], "F02": ["stands_2020.gpkg"], "G01": []}
    lines = list(explanation(explain(run, "F01", "carbon_tC") | {"changed_since": [], "command": ""}))
    assert sum(line.endswith((" stands_2020.gpkg", " stands_2024.gpkg")) for line in lines) == 2
