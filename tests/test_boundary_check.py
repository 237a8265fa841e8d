"""The boundary doctor: every fault of a boundary is found, measured and placed, and the file stays as it was."""

import hashlib
import re

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from conftest import CRS, LEFT, REAL, TOP, write_vector
from pyproj import CRS as ProjCRS
from shapely import MultiPolygon, Polygon, affinity, box
from tiny_world import ZONES, World
from tiny_world import box as pixels

from pipeline.commands.screen import boundary_findings
from pipeline.config.input_config import CLASS_WORDS
from pipeline.config.run_config import read_coefficients, read_config
from pipeline.errors import ZoneError
from pipeline.outputs.findings import write_findings
from pipeline.run import prepare
from pipeline.zones.boundary_check import check_zones
from pipeline.zones.boundary_shift import gcj02_shift_m, measured_shift
from pipeline.zones.crs_check import crs_problem, gauss_kruger_epsg
from pipeline.zones.stand_check import check_stands
from pipeline.zones.stands import read_stands
from pipeline.zones.vector_file import ellipsoidal_area_ha
from pipeline.zones.zone import ZoneFile
from pipeline.zones.zone_stands import StandFile

COLUMNS = {"id": "ID", "name": "NAME", "ecosystem": "KIND", "declared_wanmu": None, "stratum": None}
BOUNDARIES = REAL / "boundaries"


def square(column=0, side=1000.0):
    """A square of 1 km, the next one 1 km to the right for each column."""
    return box(LEFT + column * 2000, TOP - side, LEFT + column * 2000 + side, TOP)


def write(folder, shapes, ids=None, words=None, crs=CRS, name="zones.gpkg", names=None, **options):
    ids = ids or [f"F{i:02}" for i in range(len(shapes))]
    rows = {"ID": ids, "NAME": names or ["片区"] * len(ids), "KIND": words or ["林地"] * len(ids)}
    return write_vector(folder / name, rows, shapes, crs, **options)


def findings(path, ecosystems, expected=None, **options):
    return check_zones(ZoneFile(path, None, COLUMNS, CLASS_WORDS, expected or {}), ecosystems, **options)


def of_kind(found, kind):
    return [finding for finding in found if finding.kind == kind]


# --- outlines ---------------------------------------------------------------------------------------------


def test_sound_zones_have_notes_alone(tmp_path, ecosystems):
    found = findings(write(tmp_path, [square(0), square(1)]), ecosystems, {"forest": 2})
    assert [(finding.level, finding.kind) for finding in found] == [
        ("note", "encoding"),
        ("note", "crs"),
        ("note", "count"),
    ]
    assert all(finding.zh for finding in found)


def test_an_invalid_ring_is_placed_and_its_repair_measured(tmp_path, ecosystems):
    """A bow-tie of 2 x 25 m2 on the upper edge of a square of 1 km2: one of them was counted, one was not."""
    spike = [(0, 0), (1000, 0), (1000, 1000), (520, 1000), (510, 1010), (520, 1010), (510, 1000), (0, 1000)]
    found = findings(write(tmp_path, [Polygon(np.add(spike, (LEFT, TOP)))]), ecosystems)
    (invalid,) = of_kind(found, "invalid")
    assert (invalid.level, invalid.zone, invalid.unit) == ("warning", "F00", "ha")
    assert invalid.measure == pytest.approx(0.005, abs=0.0005)
    place = gpd.GeoSeries([invalid.geometry], crs="EPSG:4490").to_crs(CRS).item()
    assert (place.x - LEFT, place.y - TOP) == pytest.approx((515, 1005), abs=0.1)


def test_a_repair_that_changes_too_much_is_an_error_with_its_outline(tmp_path, ecosystems):
    bow_tie = Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)])
    found = findings(write(tmp_path, [affinity.translate(bow_tie, LEFT, TOP), square(3)]), ecosystems)
    (geometry,) = of_kind(found, "geometry")
    assert (geometry.level, geometry.zone) == ("error", "F00")
    assert "would change the area by 100.0%" in geometry.en
    assert "LineString" in geometry.geometry.geom_type


def test_heights_parts_holes_and_slivers_are_told(tmp_path, ecosystems):
    holed = square(0).difference(box(LEFT + 100, TOP - 300, LEFT + 300, TOP - 100))
    strip = box(LEFT + 2000, TOP - 1000, LEFT + 2004, TOP)
    found = findings(
        write(tmp_path, [shapely.force_3d(holed), MultiPolygon([square(2), strip])]), ecosystems
    )  # fmt: skip
    assert [finding.zone for finding in of_kind(found, "dimension")] == ["F00"]
    (hole,) = of_kind(found, "hole")
    assert hole.measure == pytest.approx(4, rel=1e-3)
    (parts,) = of_kind(found, "multipart")
    assert (parts.zone, parts.measure) == ("F01", 2)
    (sliver,) = of_kind(found, "sliver")
    assert sliver.measure == pytest.approx(4, rel=0.02)
    assert sliver.level == "warning"


def test_overlaps_duplicates_and_gaps_are_measured_between_their_zones(tmp_path, ecosystems):
    shapes = [
        box(LEFT, TOP - 1000, LEFT + 1000, TOP),
        box(LEFT + 900, TOP - 1000, LEFT + 2000, TOP),  # 10 ha of the first
        box(LEFT + 2005, TOP - 1000, LEFT + 3000, TOP),  # 5 m off the second
        box(LEFT + 2005, TOP - 1000, LEFT + 3000, TOP),  # the third again
    ]
    found = findings(write(tmp_path, shapes), ecosystems)
    (overlap,) = of_kind(found, "overlap")
    assert (overlap.level, overlap.zone) == ("error", "F00 F01")
    assert overlap.measure == pytest.approx(10, rel=1e-3)
    (duplicate,) = of_kind(found, "duplicate")
    assert (duplicate.level, duplicate.zone) == ("error", "F02 F03")
    for error in (overlap, duplicate):  # one of which is all that stands below the table
        assert "correct the boundaries" in error.en
        assert "修改边界" in error.zh
    (gap,) = of_kind(found, "gap")
    assert gap.zone == "F01 F02 F03"
    assert gap.measure == pytest.approx(0.5, rel=0.01)
    for how, of_duplicate in (("clip", "error"), ("warn", "warning")):  # clipping leaves nothing of one of the two
        found = findings(tmp_path / "zones.gpkg", ecosystems, overlaps=how)
        assert of_kind(found, "overlap")[0].level == "warning"
        assert of_kind(found, "duplicate")[0].level == of_duplicate


def test_a_zone_within_another_is_an_overlap_and_not_the_same_ground(tmp_path, ecosystems):
    marsh = box(LEFT + 300, TOP - 700, LEFT + 500, TOP - 500)
    path = write(tmp_path, [box(LEFT, TOP - 1000, LEFT + 1000, TOP), marsh], words=["草地", "湿地"])
    found = findings(path, ecosystems, overlaps="clip")  # by which the run cuts the marsh out of the steppe
    assert of_kind(found, "duplicate") == []
    (overlap,) = of_kind(found, "overlap")
    assert overlap.level == "warning"
    assert overlap.measure == pytest.approx(4, rel=1e-3)


def test_only_zones_near_another_are_searched_for_gaps(tmp_path, ecosystems, monkeypatch):
    """The buffers cost by all vertices of the zones in them, and the distances by those of slit times zone."""
    beside = box(LEFT + 1005, TOP - 1000, LEFT + 1500, TOP)
    joined, union_all = [], shapely.union_all
    monkeypatch.setattr(shapely, "union_all", lambda shapes: joined.append(len(shapes)) or union_all(shapes))
    monkeypatch.setattr(shapely, "distance", None)
    found = findings(write(tmp_path, [square(2), square(0), square(4), beside]), ecosystems)
    assert [finding.zone for finding in of_kind(found, "gap")] == ["F01 F03"]
    assert joined == [2]
    assert not of_kind(findings(write(tmp_path, [square(0), square(2)]), ecosystems), "gap")
    assert joined == [2, 0]


def test_every_fault_of_the_contract_is_told_at_once(tmp_path, ecosystems):
    path = write(
        tmp_path, [square(i) for i in range(6)], ["F01", "f01", "a/b", "F02", "F02", "F03"],
        ["林地", "林地", "林地", "沙地", "林地", "林地"],
    )  # fmt: skip
    found = [finding for finding in findings(path, ecosystems, {"forest": 12}) if finding.level == "error"]
    said = "\n".join(finding.en for finding in found)
    assert "the zone id f01 differs from F01 in capitals alone" in said
    assert "the zone id F02 is there twice" in said
    assert "'a/b' cannot name a folder" in said
    assert "class '沙地'" in said
    assert "5 forest, not 12" in said


def test_a_zone_without_a_name_is_told(tmp_path, ecosystems):
    found = findings(write(tmp_path, [square(0), square(1), square(2)], names=["片区", " ", None]), ecosystems)
    assert [(finding.level, finding.zone) for finding in of_kind(found, "name")] == [
        ("warning", "F01"),
        ("warning", "F02"),
    ]


def test_a_file_that_cannot_be_read_is_one_finding(tmp_path, ecosystems):
    (finding,) = findings(tmp_path / "none.gpkg", ecosystems)
    assert (finding.level, finding.kind) == ("error", "file")


def test_a_crs_that_cannot_be_true_is_told_in_chinese_too(tmp_path, ecosystems):
    path = write(tmp_path, [square()], crs="EPSG:2434")
    for (found,) in (findings(path, ecosystems), check_stands([StandFile(path, None, "ID", {})], ecosystems["forest"])):
        assert "Beijing-54" in found.en
        assert "为北京54坐标系" in found.zh
        assert "Beijing" not in found.zh


@pytest.mark.parametrize(
    ("name", "layer", "columns", "said"),
    [
        ("none.gpkg", None, {}, "没有该文件；请改正配置中的路径"),
        ("zones.gpkg", "片区", {}, "没有图层“片区”，只有zones；请改正配置中的 layer"),
        ("zones.gpkg", None, {"name": "NAMES"}, "没有字段“NAMES”；是否为“NAME”？"),
        ("zones.gpkg", None, {"name": "片区名"}, "没有字段“片区名”；现有字段：ID、NAME、KIND"),
        ("text.gpkg", None, {}, "；请重新导出"),
    ],
)
def test_a_file_of_no_use_is_told_in_chinese_too(tmp_path, ecosystems, name, layer, columns, said):
    write(tmp_path, [square()])
    (tmp_path / "text.gpkg").write_text("no vector data")
    file = ZoneFile(tmp_path / name, layer, COLUMNS | columns, CLASS_WORDS, {})
    (found,) = check_zones(file, ecosystems)
    assert found.zh.startswith(f"无法使用该文件：{tmp_path / name}: ")
    assert found.zh.endswith(said)


def test_what_is_wrong_with_the_attributes_is_told_in_chinese_too(tmp_path, ecosystems):
    shapes = [square(i) for i in range(6)] + [shapely.LineString([(LEFT, TOP), (LEFT + 9, TOP)])]
    rows = {
        "ID": ["F01", "f01", "a/b", "-1", "city", "NUL", "F07"],
        "NAME": ["片区"] * 7,
        "KIND": ["林地", "沙地", *["林地"] * 5],
        "TYPE": ["热带雨林", *[None] * 6],
        "AREA": ["约3万亩", *[None] * 6],
    }
    path = write_vector(tmp_path / "zones.gpkg", rows, shapes, CRS, geometry_type="Unknown")
    columns = COLUMNS | {"stratum": "TYPE", "declared_wanmu": "AREA"}
    found = check_zones(ZoneFile(path, None, columns, CLASS_WORDS, {"forest": 12, "wetland": 5}), ecosystems)
    told = {finding.zh.replace(f"{path}: ", "") for finding in found}
    assert told >= {
        "片区编号f01与F01仅大小写不同；请使每个片区的编号唯一",
        "片区编号“a/b”不能作文件夹名；请用字母、数字、-和_",
        "片区编号-1以-开头，Excel和命令行会当作负号；请改用其他编号",
        "片区编号city与汇总行同名；请改用其他编号",
        "片区编号NUL是Windows的设备名，不能作文件夹名；请改用其他编号",
        "片区f01的类型用词“沙地”未登记；请加入 zones.classes",
        "片区F01的申报面积“约3万亩”不是数字；请填万亩数，或留空",
        "片区数与约定不符：森林6个（应为12个），湿地0个（应为5个）；请改正文件或 zones.expected",
        "边界不可用：片区F07是LineString，不是面；请导出面要素",
    }
    assert any(text.startswith("片区F01的植被类型“热带雨林”未知，森林只有") for text in told)
    assert not [text for text in told if re.search(r"\b(the|is|has|of)\b", text)]


def test_repair_is_never_silent_and_never_touches_the_input(tmp_path, ecosystems):
    path = write(tmp_path, [shapely.force_3d(square()), square(1)])
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    findings(path, ecosystems)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before
    assert [file.name for file in tmp_path.iterdir()] == ["zones.gpkg"]


def test_stands_are_checked_in_sums(tmp_path, ecosystems):
    bow = Polygon([(0, 0), (100, 0), (100, 100), (52, 100), (51, 101), (52, 101), (51, 100), (0, 100)])
    shapes = [affinity.translate(bow, LEFT, TOP), square(1), affinity.translate(square(1), 500, 0), None]
    path = write_vector(tmp_path / "stands.gpkg", {"SPECIES": ["油松"] * 4}, shapes)
    found = check_stands([StandFile(path, None, "SPECIES", {})], ecosystems["forest"])
    (empty,) = of_kind(found, "geometry")
    assert empty.measure == 1
    assert of_kind(found, "invalid")[0].level == "warning"
    (overlap,) = of_kind(found, "overlap")
    assert overlap.measure == pytest.approx(50, rel=1e-3)
    assert "volume counts twice" in overlap.en


@pytest.mark.parametrize(("expansion", "told"), [("ipcc", ["梭梭", "胡杨"]), ("continuous", ["梭梭", "榆树", "胡杨"])])
def test_every_species_that_cannot_be_used_is_a_finding(tmp_path, ecosystems, expansion, told):
    """A run stops at the first file that is wrong, the doctor tells of all names at once."""
    names = ["胡杨", "油松", "梭梭", "榆树", "胡杨"]
    path = write_vector(tmp_path / "stands.gpkg", {"SPECIES": names}, [square(i) for i in range(5)])
    forest = ecosystems["forest"].model_copy(update={"expansion": expansion})
    found = of_kind(check_stands([StandFile(path, None, "SPECIES", {})], forest), "species")
    assert sorted(re.search("“(.*)”", finding.zh)[1] for finding in found) == told
    assert {finding.level for finding in found} == {"error"}
    assert all("forest coefficient file" in finding.en for finding in found)
    poplar = next(finding for finding in found if "胡杨" in finding.en)
    assert poplar.measure == 2
    assert "、白桦、" in poplar.zh


def test_stands_or_a_reference_without_any_shape_are_an_error(tmp_path, ecosystems):
    empty = write_vector(tmp_path / "empty.gpkg", {"SPECIES": []}, [], CRS, geometry_type="Polygon")
    of_zones = of_kind(findings(write(tmp_path, [square()]), ecosystems, reference=empty), "reference")
    for (found,) in (of_zones, check_stands([StandFile(empty, None, "SPECIES", {})], ecosystems["forest"])):
        assert found.level == "error"
        assert "empty.gpkg: holds no shape" in found.en


def test_a_run_says_how_many_stands_have_no_geometry(tmp_path):
    world = World.at(tmp_path)
    world.write_stands([("华北落叶松", 30.0, 45.0, pixels(40, 90, 10, 60)), ("油松", 60.0, 66.0, None)])
    run = prepare(read_config(world.config), world.out)
    assert [note for note in run.notes if "1 of 2 stands have no geometry and do not count" in note]


def test_a_stand_that_is_there_twice_counts_once_and_two_species_of_one_polygon_both(tmp_path):
    world = World.at(tmp_path)
    larch, pine = ("华北落叶松", 30.0, 45.0, pixels(10, 90, 10, 90)), ("油松", 60.0, 66.0, pixels(10, 90, 10, 90))
    world.write_stands([larch, pine])
    once = prepare(read_config(world.config), world.out)
    world.write_stands([larch, pine, larch])
    twice = prepare(read_config(world.config), world.out)
    assert [note for note in twice.notes if "1 stands are there once more" in note]
    for run in (once, twice):
        assert sorted(run.stands["F01"].species) == sorted(once.stands["F01"].species)
        assert len(run.stands["F01"].species) == 2


@pytest.mark.parametrize(("species", "overlap"), [("华北落叶松", True), ("油松", False)])
def test_a_stand_that_is_there_again_with_another_volume_counts_its_ground_twice(tmp_path, species, overlap):
    """Another species of the same polygon does not."""
    world = World.at(tmp_path)
    outline = pixels(10, 90, 10, 90)
    world.write_stands([("华北落叶松", 30.0, 45.0, outline), (species, 31.0, 45.0, outline)])
    held = prepare(read_config(world.config), world.out).stands["F01"]
    assert held.overlap == overlap
    assert held.twice_ha == pytest.approx(held.ground_ha if overlap else 0)


def test_the_doctor_does_not_say_that_stands_count_twice_which_a_run_counts_rightly(tmp_path):
    world = World.at(tmp_path)
    larch, pine = ("华北落叶松", 30.0, 45.0, pixels(10, 90, 10, 60)), ("油松", 60.0, 66.0, pixels(10, 90, 60, 90))
    config = read_config(world.config)

    def kinds(*stands):
        world.write_stands(list(stands))
        found = boundary_findings(config, read_coefficients(config.coefficients))
        return {finding.kind: finding for finding in found if finding.zone == "stands"}

    mixed = kinds(larch, ("油松", 60.0, 66.0, larch[3].reverse()), pine)  # two species of one polygon, begun elsewhere
    assert "overlap" not in mixed
    lapping = kinds(larch, ("油松", 60.0, 66.0, pixels(10, 90, 50, 90)))
    assert lapping["overlap"].measure == pytest.approx(72, rel=1e-2)  # 80 x 10 px of 30 m
    once = kinds(larch, pine, larch)
    assert (once["duplicate"].measure, once["duplicate"].level) == (1, "note")
    assert "overlap" not in once
    other_volume = kinds(larch, pine, ("华北落叶松", 31.0, 45.0, larch[3]))
    assert "overlap" in other_volume
    assert "duplicate" not in other_volume


def test_groups_of_one_polygon_that_count_as_one_species_and_hold_the_same_both_count(tmp_path, ecosystems):
    path = write_vector(
        tmp_path / "stands.gpkg", {"S": ["阔叶混", "其他硬阔", "阔叶混"], "V": [30.0] * 3}, [square()] * 3
    )
    file = StandFile(path, None, "S", {2020: "V"}, words={"榆树": ("阔叶混", "其他硬阔")})
    counted, (said,) = read_stands(file, ecosystems["forest"])
    assert counted["species"].tolist() == ["elm", "elm"]
    assert "1 stands are there once more" in said
    found = check_stands([file], ecosystems["forest"])
    (volume,) = of_kind(found, "volume")
    assert volume.measure == pytest.approx(2 * 30 * ellipsoidal_area_ha(counted.geometry)[0])
    assert of_kind(found, "overlap") == []


def test_a_cover_column_of_shrub_stands_that_is_not_there_is_found(tmp_path):
    world = World.at(tmp_path)
    world.settings["stands"]["columns"]["cover"] = "GAI_DU"
    world.write_config()
    config = read_config(world.config)
    found = boundary_findings(config, read_coefficients(config.coefficients))
    assert any(finding.level == "error" and "GAI_DU" in finding.en for finding in found)


def volumes_found(world, *volumes):
    world.write_stands(
        [("华北落叶松", *volumes, pixels(10, 90, 10, 60)), ("油松", 60.0, 66.0, pixels(10, 90, 60, 110))]
    )
    config = read_config(world.config)
    return of_kind(boundary_findings(config, read_coefficients(config.coefficients)), "volume")


def test_the_doctor_sums_up_the_volume_of_each_inventory(tmp_path):
    """360 ha with 30 and 60 m3/ha: a volume per mu or of whole stands shows in the sum."""
    then, now = volumes_found(World.at(tmp_path), 30.0, 45.0)
    assert (then.level, now.level) == ("note", "note")
    assert then.measure == pytest.approx(360 * (30 + 60), rel=2e-3)
    assert now.measure == pytest.approx(360 * (45 + 66), rel=2e-3)
    assert then.en.startswith("2020: the stands of the file hold 32,")
    assert "45 m3/ha" in then.en
    assert "请与调查成果的总蓄积核对" in then.zh


def test_volumes_that_no_hectare_holds_are_found_before_a_zone_fails_by_them(tmp_path):
    found = volumes_found(World.at(tmp_path), 30.0, 45.0 * 360)
    assert [finding.level for finding in found] == ["warning", "note", "note"]
    assert "2024: 1 stands hold over 400 m3/ha, up to 16,200; if V2024 is the volume of the whole stand" in found[0].en
    assert found[0].geometry.geom_type == "MultiPoint"
    assert " ha, 8,133 m3/ha; compare it" in found[2].en
    assert "平均每公顷8,133立方米；" in found[2].zh


def test_a_volume_that_is_none_is_a_finding_beside_the_others(tmp_path):
    wrong, right = volumes_found(World.at(tmp_path), -1.0, 45.0)
    assert (wrong.level, right.level) == ("error", "note")
    assert "V2020 has an empty, negative or infinite volume, first in row 1 (-1.0)" in wrong.en
    assert wrong.zh.startswith("字段V2020的蓄积为空、负数或无穷大，首见第1行（-1.0），共1行")


def test_a_run_says_how_many_stands_it_repaired(tmp_path):
    world = World.at(tmp_path)
    bow = Polygon([(0, 0), (100, 0), (100, 100), (52, 100), (51, 101), (52, 101), (51, 100), (0, 100)])
    inside = affinity.translate(bow, LEFT + 600, TOP - 1500)
    world.write_stands([("华北落叶松", 30.0, 45.0, pixels(40, 90, 10, 60)), ("油松", 60.0, 66.0, inside)])
    run = prepare(read_config(world.config), world.out)
    assert [note for note in run.notes if "1 stands cross themselves, repaired in the run's copy" in note]


# --- CRS --------------------------------------------------------------------------------------------------

DEGREES = (109.8, 40.5, 110.2, 40.9)
METRES_3 = (412_000, 4_480_000, 450_000, 4_520_000)
METRES_37 = (37_412_000, 4_480_000, 37_450_000, 4_520_000)


def swapped(bounds):
    left, bottom, right, top = bounds
    return bottom, left, top, right


@pytest.mark.parametrize(
    ("crs", "bounds"),
    [
        ("EPSG:4490", DEGREES), ("EPSG:4326", DEGREES), ("EPSG:4546", METRES_3), ("EPSG:4525", METRES_37),
        ("EPSG:32649", METRES_3), ("EPSG:32633", METRES_3), ("EPSG:3857", (1.2e7, 4.9e6, 1.23e7, 5.1e6)),
        ("+proj=aea +lat_1=25 +lat_2=47 +lon_0=105 +ellps=GRS80", (3e5, 4.4e6, 5e5, 4.7e6)),
    ],
)  # fmt: skip
def test_a_crs_that_can_be_true_passes(crs, bounds):
    assert crs_problem(ProjCRS(crs), bounds) is None


@pytest.mark.parametrize(
    ("crs", "bounds", "says"),
    [
        (None, DEGREES, "no CRS .* look like EPSG:4490; define"),
        (None, METRES_37, "no CRS .* look like EPSG:4525; define"),
        (None, METRES_3, r"no CRS \(a shapefile needs its \.prj\); define"),
        ("EPSG:4214", DEGREES, "Beijing-54 .* seven local parameters"),
        ("EPSG:2434", METRES_3, "Beijing-54"),
        ("EPSG:4610", DEGREES, "Xi'an-80 .* CGCS2000"),
        ("EPSG:2361", METRES_37, "Xi'an-80"),
        ("EPSG:4267", DEGREES, "North American Datum 1927, which is not CGCS2000"),
        ("EPSG:4546", METRES_37, r"with the zone number 37 .* look like EPSG:4525"),
        ("EPSG:4546+5737", METRES_37, r"with the zone number 37 .* look like EPSG:4525"),  # and heights
        ("+proj=tmerc +lon_0=111 +x_0=500000 +ellps=GRS80 +towgs84=0,0,0", METRES_37, "with the zone number 37"),
        ("EPSG:4525", METRES_3, "without one"),
        ("EPSG:4524", METRES_37, "with the zone number 37 .* look like EPSG:4525"),
        ("EPSG:4490", METRES_37, "metres .* in a CRS of degrees, .* look like EPSG:4525"),
        ("EPSG:4546", DEGREES, "degrees in a CRS of metres"),
        ("EPSG:4490", swapped(DEGREES), "latitude where longitude belongs"),
        ("EPSG:4546", swapped(METRES_3), "northings where eastings belong"),
        ("EPSG:4525", swapped(METRES_37), "northings where eastings belong"),
    ],
)
def test_a_crs_that_cannot_be_true_is_refused_with_what_to_do(crs, bounds, says):
    english, chinese = crs_problem(crs and ProjCRS(crs), bounds)
    assert re.search(says, english)
    assert any("一" <= letter <= "鿿" for letter in chinese)


@pytest.mark.parametrize(
    ("easting", "code"), [(37_412_345, 4525), (36_500_000, 4524), (19_400_000, 4497), (412_345, None)]
)
def test_the_number_before_an_easting_tells_the_zone(easting, code):
    assert gauss_kruger_epsg(easting) == code
    if code:
        operation = ProjCRS.from_epsg(code).coordinate_operation
        assert {p.value for p in operation.params} >= {easting // 1_000_000 * 1e6 + 500_000}


def test_a_run_refuses_what_the_doctor_calls_an_error(tmp_path):
    world = World.at(tmp_path)
    world.write_zones(
        {
            name: (kind, stratum, affinity.translate(shape, 49_000_000, 0))
            for name, (kind, stratum, shape) in ZONES.items()
        }
    )
    with pytest.raises(ZoneError, match="with the zone number 49"):
        world.run()


# --- shifted boundaries -----------------------------------------------------------------------------------


def test_the_shift_of_web_maps_at_tiananmen():
    """GCJ-02 less WGS 84 there, as published with the formula: 0.00624 degrees east, 0.00140 north."""
    east, north = gcj02_shift_m(116.3912, 39.9073)
    assert east == pytest.approx(0.00624 * 85_400, rel=0.01)
    assert north == pytest.approx(0.00140 * 111_030, rel=0.01)


@pytest.mark.parametrize(("east", "north"), [(0, 0), (300, -120), (-80, 45), (499, 211)])
def test_a_known_shift_is_measured_though_most_of_an_outline_is_missing(east, north):
    rng = np.random.default_rng(7)
    angles = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    radius = 20_000 + rng.normal(0, 1500, 80)
    ring = shapely.LinearRing(np.column_stack([radius * np.cos(angles), radius * np.sin(angles)]))
    third = shapely.LineString(shapely.get_coordinates(ring)[:30])
    shift = measured_shift(affinity.translate(third, east, north), ring, (110.0, 40.6))
    assert (shift.east_m, shift.north_m) == pytest.approx((east, north), abs=8)
    assert shift.is_gcj02 == ((east, north) == (499, 211))


def test_outlines_far_from_the_reference_measure_no_shift():
    assert (
        measured_shift(shapely.LineString([(0, 0), (9e4, 0)]), shapely.LineString([(0, 9e4), (9e4, 9e4)]), (110, 40))
        is None
    )


def test_rows_of_the_reference_without_a_shape_do_not_count(tmp_path, ecosystems):
    """A row that was never drawn, or all of whose outline was deleted, is no part of the boundary."""
    zone = square(side=10_000.0)
    reference = write_vector(tmp_path / "reference.gpkg", {"id": [1, 2, 3]}, [zone, None, Polygon()], CRS)
    (shift,) = of_kind(findings(write(tmp_path, [zone]), ecosystems, reference=reference), "shift")
    assert (shift.level, round(shift.measure)) == ("note", 0)


@pytest.mark.skipif(
    not BOUNDARIES.is_dir(), reason="the real boundaries are not part of the repository: ../shared/real"
)
class TestRealDistricts:
    """Baotou's districts from a surveyed source, and the same from a web map: invalid and some 500 m off."""

    reference = BOUNDARIES / "baotou_districts_tianditu.gpkg"

    @pytest.fixture(scope="class")
    @classmethod
    def shifted(cls, tmp_path_factory):
        parts = [
            gpd.read_file(path).geometry.item() for path in sorted((BOUNDARIES / "invalid_rings").glob("*.geojson"))
        ]
        return write(tmp_path_factory.mktemp("rings"), parts, crs="EPSG:4326")

    @pytest.fixture(scope="class")
    @classmethod
    def found(cls, shifted, ecosystems):
        return findings(shifted, ecosystems, overlaps="warn", reference=cls.reference)

    def test_the_shift_is_that_of_web_maps(self, found):
        (shift,) = of_kind(found, "shift")
        assert shift.level == "error"
        assert 450 < shift.measure < 650
        assert "GCJ-02" in shift.en
        assert "LineString" in shift.geometry.geom_type

    def test_five_of_nine_are_invalid_and_repaired_without_a_change_of_area(self, found):
        invalid = of_kind(found, "invalid")
        assert len(invalid) == 5
        assert all(abs(finding.measure) < 0.1 and finding.geometry.geom_type == "Point" for finding in invalid)

    def test_the_surveyed_districts_are_sound(self, tmp_path, ecosystems):
        known = gpd.read_file(self.reference).geometry.to_list()
        found = findings(write(tmp_path, known, crs="EPSG:4326"), ecosystems, overlaps="warn", reference=self.reference)
        (shift,) = of_kind(found, "shift")
        assert (shift.level, round(shift.measure)) == ("note", 0)
        assert not of_kind(found, "invalid")

    def test_a_run_with_the_reference_refuses_the_shifted_ones(self, shifted, ecosystems):
        from pipeline.zones.shift_check import zone_shift

        shift, outside = zone_shift(gpd.read_file(shifted), gpd.read_file(self.reference))
        assert shift.is_gcj02
        assert 0.003 < outside < 0.1


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data are not part of the repository: ../shared/real")
def test_the_real_points_without_projection_are_refused(ecosystems):
    (finding,) = check_stands(
        [StandFile(REAL / "zonal_reference" / "points_noproj.shp", None, "id", {})], ecosystems["forest"]
    )
    assert finding.level == "error"
    assert "no CRS" in finding.en


@pytest.mark.skipif(not REAL.is_dir(), reason="the real data are not part of the repository: ../shared/real")
def test_the_real_zones_in_gbk_are_read_and_their_holes_and_parts_told(ecosystems):
    columns = {"id": "ZONE_ID", "name": "片区名称", "ecosystem": "ECO", "declared_wanmu": "面积万亩", "stratum": None}
    expected = {"forest": 12, "grassland": 5, "wetland": 5}
    file = ZoneFile(REAL / "zones" / "zones_t33_gbk.shp", None, columns, CLASS_WORDS, expected)
    found = check_zones(file, ecosystems)
    assert {finding.level for finding in found} == {"note"}
    assert "GB18030, as the text is not UTF-8" in of_kind(found, "encoding")[0].en
    assert of_kind(found, "encoding")[0].zh == "文字编码：GB18030"
    assert (len(of_kind(found, "hole")), len(of_kind(found, "multipart"))) == (4, 3)


# --- what is written --------------------------------------------------------------------------------------


def test_findings_are_written_with_their_places(tmp_path, ecosystems):
    shapes = [square(0), affinity.translate(square(0), 500, 0), MultiPolygon([square(3), square(4)])]
    found = findings(write(tmp_path, shapes), ecosystems)
    out = tmp_path / "boundary_findings.gpkg"
    write_findings(out, found)
    layers = dict(pyogrio.list_layers(out))
    assert layers == {"findings": None, "points": "MultiPoint", "lines": "MultiLineString", "polygons": "MultiPolygon"}
    table = pyogrio.read_dataframe(out, layer="findings")
    assert table["finding_en"].tolist() == [finding.en for finding in found]
    polygons = gpd.read_file(out, layer="polygons")
    assert polygons["kind"].tolist() == ["overlap"]
    assert polygons["zone_id"].tolist() == ["F00 F01"]
    assert polygons.crs == "EPSG:4490"
    assert polygons["measure"].item() == pytest.approx(50, rel=1e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["boundary_findings.gpkg", "zones.gpkg"]


def test_check_prints_findings_ledger_and_overlaps_and_stops_with_a_sentence(tmp_path, monkeypatch, capsys):
    import sys

    from pipeline.__main__ import main

    world = World.at(tmp_path)

    def check():
        monkeypatch.setattr(sys, "argv", ["sinkmap", "check", str(world.config), "--out", str(world.out)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code, *capsys.readouterr()

    code, said, error = check()
    assert (code, error) == (0, "")
    assert "面积台账 area ledger" in said
    assert "12 scenes usable" in said
    assert (world.results / "boundary_findings.gpkg").is_file()
    world.write_zones(ZONES | {"G01": (*ZONES["G01"][:2], pixels(80, 190, 20, 290))})
    code, said, error = check()
    assert code == 3
    assert error.startswith("Error: 2 findings stop a run, the first: F01 and G01 share")
    assert "片区重叠面积" in said
