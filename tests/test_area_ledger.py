"""The ledger of areas and overlapping zones: small squares whose areas and sums are known."""

import io

import geopandas as gpd
import pytest
from conftest import CRS, LEFT, TOP
from rich.console import Console
from shapely import affinity, box
from tiny_world import ZONES, World, read_csv
from tiny_world import box as pixels

from pipeline.commands.screen import ledger_table
from pipeline.errors import ZoneError
from pipeline.zones.area_ledger import COLUMNS, area_ledger, covered_ha, mismatches, passed_areas
from pipeline.zones.overlaps import clip_overlaps, find_overlaps, settle_overlaps
from pipeline.zones.vector_file import ellipsoidal_area_ha

PER_WANMU = 2000 / 3
"""ha of a 万亩."""


def zones(*rows):
    """Zones (id, ecosystem, left, right in m, declared 万亩) of 1 km height, in UTM 49N."""
    shapes = [box(LEFT + left, TOP - 1000, LEFT + right, TOP) for _, _, left, right, *_ in rows]
    table = gpd.GeoDataFrame(
        {"id": [row[0] for row in rows], "name": "", "ecosystem": [row[1] for row in rows]}, geometry=shapes, crs=CRS
    )
    table["area_ha"] = table["drawn_ha"] = ellipsoidal_area_ha(table.geometry)
    table["declared_wanmu"] = [row[4] if len(row) > 4 else None for row in rows]
    return table


OVERLAPPING = (("F01", "forest", 0, 1000), ("G01", "grassland", 600, 2000), ("W01", "wetland", 1500, 2500))
"""F01 and G01 share 40 ha, G01 and W01 share 50 ha."""


def by_zone(rows):
    return {row["zone_id"]: row for row in rows}


def test_the_union_stands_next_to_the_sum_and_counts_shared_ground_once():
    rows = by_zone(area_ledger(zones(*OVERLAPPING), {}, 3))
    assert list(rows) == ["F01", "G01", "W01", "forest", "grassland", "wetland", "city"]
    assert rows["city"]["polygon_ha"] == pytest.approx(340, rel=1e-3)
    assert rows["city"]["counted_ha"] == pytest.approx(250, rel=1e-3)
    assert rows["city"]["overlap_ha"] == pytest.approx(90, rel=1e-3)
    assert [rows[name]["overlap_ha"] for name in ("F01", "G01", "W01")] == pytest.approx([40, 90, 50], rel=1e-3)
    assert rows["grassland"]["overlap_ha"] == 0


def test_declared_planned_and_pixel_areas_are_compared_with_their_tolerances():
    table = zones(("F01", "forest", 0, 1000, 0.15), ("F02", "forest", 2000, 3000, 0.158))
    ledger = area_ledger(table, {"forest": 0.3, "wetland": 18}, 3, {"F01": table["area_ha"][0] * 1.0005, "F02": 99.0})
    rows = by_zone(ledger)
    assert set(ledger[0]) == set(COLUMNS)
    assert rows["F01"]["polygon_wanmu"] == pytest.approx(100 / PER_WANMU, rel=1e-3)
    assert rows["F01"]["declared_difference_percent"] == pytest.approx(0.06, abs=0.03)
    assert rows["F01"]["pixel_difference_percent"] == pytest.approx(0.05)
    assert rows["F01"]["status"] == "ok"
    assert rows["F02"]["declared_difference_percent"] == pytest.approx(-5.0, abs=0.1)
    assert rows["F02"]["status"].startswith("pixels off by -1.")
    assert "申报面积相差-5.0" in rows["F02"]["status_zh"]
    assert rows["forest"]["planned_wanmu"] == 0.3
    assert rows["forest"]["status"] == "ok"
    assert rows["forest"]["pixel_ha"] == pytest.approx(199.1, abs=0.1)
    assert rows["city"]["planned_wanmu"] == pytest.approx(18.3)
    first, second = mismatches(ledger)
    assert "zone F02" in first
    assert "declared area off by -5.0" in first
    assert "the zones of city: planned area off by -98" in second


def test_areas_are_printed_without_an_exponent(tmp_path):
    """Declared in mu, as happens, they have five digits and more."""
    table = zones(("F01", "forest", 0, 20_000, 1500.0), ("F02", "forest", 0, 20_000, 30_000.0))
    said = " ".join(mismatches(area_ledger(table, {}, 3)))
    assert "declared 30,000 万亩" in said
    with pytest.raises(ZoneError, match=r"share 2,00\d ha"):
        settle_overlaps(table, "refuse")
    console = Console(width=200, file=io.StringIO())
    console.print(ledger_table(area_ledger(table, {}, 3)))
    assert "e+0" not in said + console.file.getvalue()


def test_the_city_has_no_plan_where_one_of_its_ecosystems_has_none():
    """The plan of the forest alone is none of forest and grassland together."""
    table = zones(("F01", "forest", 0, 1000), ("G01", "grassland", 2000, 3000))
    rows = by_zone(area_ledger(table, {"forest": 0.15}, 3))
    assert (rows["forest"]["planned_wanmu"], rows["city"]["planned_wanmu"]) == (0.15, None)
    assert mismatches(rows.values()) == []
    rows = by_zone(area_ledger(table, {"forest": 0.15, "grassland": 0.15}, 3))
    assert rows["city"]["planned_wanmu"] == 0.3


def test_what_is_not_known_is_not_compared():
    rows = by_zone(area_ledger(zones(("F01", "forest", 0, 1000)), {}, 3))
    for column in ("declared_wanmu", "declared_difference_percent", "planned_wanmu", "pixel_ha"):
        assert rows["F01"][column] is rows["city"][column] is None
    assert mismatches(rows.values()) == []


@pytest.mark.parametrize("crs", ["EPSG:32649", "EPSG:4546", "EPSG:4545"])
def test_covered_pixels_have_the_area_of_the_ellipsoid_in_any_projection(crs):
    """A square of 1 km by its pixels of 10 m; UTM makes it 0.06 % smaller than it is, zone 36 some 0.07 % larger."""
    cell = gpd.GeoSeries([box(110.00, 40.60, 110.01, 40.61)], crs="EPSG:4490").to_crs(crs)
    size = cell.area.item() / 100
    assert covered_ha(size, 10, cell.item(), crs) == pytest.approx(93.984529, rel=2e-6)


def test_overlaps_are_found_with_their_area_and_share():
    first, second = sorted(find_overlaps(zones(*OVERLAPPING)), key=lambda overlap: overlap.first)
    assert (first.first, first.second, second.first, second.second) == ("F01", "G01", "G01", "W01")
    assert first.area_ha == pytest.approx(40, rel=1e-3)
    assert first.share == pytest.approx(0.4, rel=1e-4)
    assert find_overlaps(zones(("F01", "forest", 0, 1000), ("F02", "forest", 1000, 2000))) == []  # an edge


def test_clipping_leaves_shared_ground_to_wetland_then_forest_then_grassland():
    table = zones(*OVERLAPPING)
    clipped, said = clip_overlaps(table)
    areas = dict(zip(clipped["id"], clipped["area_ha"], strict=True))
    assert areas["F01"] == table["area_ha"][0]
    assert areas["W01"] == table["area_ha"][2]
    assert areas["G01"] == pytest.approx(50, rel=1e-3)
    assert clipped["drawn_ha"].tolist() == table["drawn_ha"].tolist()
    assert find_overlaps(clipped) == []
    assert clipped["area_ha"].sum() == pytest.approx(by_zone(area_ledger(table, {}, 3))["city"]["counted_ha"], rel=1e-9)
    assert said == [f"zone G01: {table['area_ha'][1] - areas['G01']:.4g} ha that another zone claims, too, cut off"]


def test_of_zones_of_one_ecosystem_the_first_id_keeps_the_ground():
    clipped, _ = clip_overlaps(zones(("F02", "forest", 0, 1000), ("F01", "forest", 500, 1500)))
    assert dict(zip(clipped["id"], clipped["area_ha"].round(), strict=True)) == {"F02": 50, "F01": 100}


def test_three_zones_on_the_same_ground_leave_it_to_one():
    clipped, _ = clip_overlaps(
        zones(("G01", "grassland", 0, 1000), ("F01", "forest", 200, 800), ("W01", "wetland", 400, 600))
    )
    assert dict(zip(clipped["id"], clipped["area_ha"].round(), strict=True)) == {"G01": 40, "F01": 40, "W01": 20}


def test_a_zone_that_lies_wholly_in_another_cannot_be_clipped():
    with pytest.raises(ZoneError, match="zone G01 lies wholly within F01"):
        clip_overlaps(zones(("G01", "grassland", 200, 800), ("F01", "forest", 0, 1000)))


def test_overlaps_are_refused_unless_the_config_says_otherwise():
    table = zones(*OVERLAPPING)
    with pytest.raises(ZoneError, match=r"F01 and G01 share 40\.\d+ ha \(40\.0% of the smaller\).*set zones\.overlaps"):
        settle_overlaps(table, "refuse")
    same, notes = settle_overlaps(table, "warn")
    assert same is table
    assert len(notes) == 2
    assert "counted in both" in notes[0]
    slivers = zones(("F01", "forest", 0, 1000), ("G01", "grassland", 999.5, 2000))
    assert settle_overlaps(slivers, "refuse") == (slivers, [])
    half_a_hectare = zones(("F01", "forest", 0, 1000), ("G01", "grassland", 995, 2000))
    with pytest.raises(ZoneError, match=r"share 0\.5\d* ha \(0\.5% of the smaller\)"):
        settle_overlaps(half_a_hectare, "refuse")


SHARED = {"G01": (*ZONES["G01"][:2], pixels(80, 190, 20, 290))}
"""The grassland of the tiny world reaches 10 rows into the southern part of F01."""


def test_a_run_writes_the_ledger_with_pixels_that_agree_with_the_polygons(tmp_path):
    world = World.at(tmp_path)
    world.settings["zones"]["planned_wanmu"] = {"forest": 2.07, "grassland": 3.2, "wetland": 0.3}
    world.settings["area_mismatch"] = "warn"
    world.write_config()
    world.run()
    rows = by_zone(read_csv(world.results / "area_ledger.csv"))
    assert list(rows) == ["F01", "F02", "G01", "W01", "forest", "grassland", "wetland", "city"]
    for name in ("F01", "F02", "G01", "W01"):
        assert abs(float(rows[name]["pixel_difference_percent"])) < 0.003
    assert float(rows["city"]["pixel_ha"]) == pytest.approx(float(rows["city"]["counted_ha"]), rel=2e-5)
    assert float(rows["city"]["planned_wanmu"]) == pytest.approx(5.57)
    told = {row["zone_id"]: row["status_zh"] for row in read_csv(world.results / "summary.csv")}
    assert rows["wetland"]["status_zh"].startswith("与规划面积相差")
    assert rows["wetland"]["status_zh"] in told["wetland"]
    assert "规划面积" not in told["grassland"]


@pytest.mark.parametrize(
    ("m2", "unit"), [(1e4 / 15, "mu 亩"), (1e4, "ha 公顷"), (1e6, "km2 平方公里"), (1, "m2 平方米")]
)
def test_the_unit_of_declared_areas_that_are_not_in_10000_mu_is_guessed(m2, unit):
    """A zone of 15 km2, 2.25 times 10 000 mu."""
    ledger = [{"level": "zone", "zone_id": "F01", "status": "declared area off"}]
    ledger[0] |= {"polygon_wanmu": 2.25, "counted_wanmu": 2.25, "declared_wanmu": 15e6 / m2, "planned_wanmu": None}
    with pytest.raises(ZoneError, match=f"they seem to be in {unit}, not"):
        passed_areas(ledger, "stop")


def test_check_prints_the_ledger_before_it_refuses_areas(tmp_path, sinkmap):
    """The wetland is declared in mu: ten thousand times too much, which the sentence guesses."""
    world = World.at(tmp_path)
    table = gpd.read_file(world.zones)
    table["MU"] = round(table.to_crs("ESRI:102025").area / 666.67)
    table.to_file(world.zones)
    world.settings["zones"]["columns"]["declared_wanmu"] = "MU"
    world.write_config()
    done = sinkmap("check", world.config, "--out", world.out)
    assert done.code == 3
    assert "面积台账" in done.out
    assert "and 5 more, which `sinkmap check` lists" in done.err
    assert "they seem to be in mu 亩, not in 10 000 mu 万亩" in done.err
    assert "zones.planned_wanmu" in done.err


def test_a_zone_that_no_scene_reaches_is_said_before_a_pixel_is_read(tmp_path, sinkmap):
    world = World.at(tmp_path)
    kind, stratum, shape = ZONES["W01"]
    world.write_zones(ZONES | {"W01": (kind, stratum, affinity.translate(shape, 300_000))})
    done = sinkmap("check", world.config, "--out", world.out)
    assert done.code == 0, done.err
    assert "no scene reaches W01: there will be no data" in done.out


def test_a_run_over_overlapping_zones_says_union_beside_sum_or_clips(tmp_path, sinkmap):
    world = World.at(tmp_path)
    world.write_zones(ZONES | SHARED)
    with pytest.raises(ZoneError, match="F01 and G01 share"):
        world.run()
    world.settings["zones"]["overlaps"] = "warn"
    world.write_config()
    warned = world.run()
    # of F01 10 rows, of F02 half a row, of pixels of 0.09 ha; the ellipsoid adds 0.06 %
    shared = (10 * 90.6 + 0.5 * 110) * 0.09
    assert f"; {shared * 1.0006:.3g}" in warned.row("city")["status"]
    assert "count twice: the union of the zones is" in warned.row("city")["status"]
    assert "重复计算" in warned.row("city")["status_zh"]
    assert "count twice" not in warned.row("grassland")["status"]
    asked = sinkmap("explain", world.config, "--out", world.out, "--zone", "city", "--metric", "area_ha")
    assert warned.row("city")["status"] in asked.out
    world.settings["zones"]["overlaps"] = "clip"
    world.write_config()
    clipped = world.run()
    assert "count twice" not in clipped.row("city")["status"]
    assert clipped.row("city")["area_ha"] == pytest.approx(warned.row("city")["area_ha"] - shared, rel=1e-3)
    assert clipped.row("F01")["area_ha"] == warned.row("F01")["area_ha"]
    assert clipped.row("G01")["area_ha"] < warned.row("G01")["area_ha"]
