"""Zone boundaries and forest stands: what the contract asks, what is mended, what is refused."""

import json

import geopandas as gpd
import numpy as np
import pytest
import shapely
from conftest import CRS, LEFT, TOP, write_vector
from shapely import MultiPolygon, Point, Polygon, box, force_3d
from tiny_world import ZONES, World, read_csv

from pipeline.config.input_config import CLASS_WORDS, CONTRACT
from pipeline.errors import ConfigError, ZoneError
from pipeline.zones.boundaries import read_zones, zones_on_grid
from pipeline.zones.stands import read_stands, stands_in_zone
from pipeline.zones.zone import ZoneFile
from pipeline.zones.zone_stands import StandFile, ZoneStands

COLUMNS = {"id": "编号", "name": "名称", "ecosystem": "类型", "declared_wanmu": "万亩", "stratum": "植被"}


def square(column=0, side=1000.0):
    """A square of 1 km, the next one to the right for each column."""
    return box(LEFT + column * 2000, TOP - side, LEFT + column * 2000 + side, TOP)


def zones(folder, ecosystems, *rows, expected=None, geometry=None):
    """read_zones of rows (id, class word, vegetation type, declared area), each a square unless given."""
    rows = [(*row, *(None, 0.15)[len(row) - 2 :]) for row in rows]
    ids, words, kinds, declared = zip(*rows, strict=True)
    table = {"编号": ids, "名称": [f"片区{i}" for i in ids], "类型": words, "万亩": declared, "植被": kinds}
    shapes = geometry or [square(i) for i in range(len(rows))]
    path = write_vector(folder / "zones.gpkg", {key: list(values) for key, values in table.items()}, shapes)
    return read_zones(ZoneFile(path, None, COLUMNS, CLASS_WORDS, expected or {}), ecosystems)


# The contract


def plan():
    return [(f"{name[0].upper()}{i:02}", name) for name, count in CONTRACT.items() for i in range(1, count + 1)]


def test_the_plan_has_12_forest_5_grassland_and_5_wetland_zones(tmp_path, ecosystems):
    found, mended = zones(tmp_path, ecosystems, *reversed(plan()), expected=CONTRACT)
    assert CONTRACT == {"forest": 12, "grassland": 5, "wetland": 5}
    assert found["id"].tolist() == [name for name, _ in plan()]  # sorted
    assert mended == []


def test_a_missing_zone_is_counted(tmp_path, ecosystems):
    with pytest.raises(ZoneError, match=r"zones\.gpkg: the zones are 11 forest, not 12; 4 wetland, not 5; correct"):
        zones(tmp_path, ecosystems, *plan()[1:-1], expected=CONTRACT)


def test_what_is_known_of_a_zone(tmp_path, ecosystems):
    rows = [(" G01 ", " 草原 ", "荒漠草原", 0.15), ("F-1_甲", "林", None, None)]
    found, _ = zones(tmp_path, ecosystems, *rows, geometry=[force_3d(square(1)), MultiPolygon([square(0), square(2)])])
    forest, grass = zones_on_grid(found, "EPSG:4490")
    assert (grass.id, grass.name, grass.ecosystem, grass.stratum) == ("G01", "片区 G01", "grassland", "desert_steppe")
    assert (forest.id, forest.stratum) == ("F-1_甲", "larch_middle")
    assert (grass.stratum_given, forest.stratum_given) == (True, False)
    assert not grass.geometry.has_z
    assert grass.declared_wanmu == 0.15
    # a square of 1 km in UTM 49N is 0.03-0.08 % larger on the ellipsoid
    assert grass.area_ha == pytest.approx(100.06, abs=0.03)
    assert forest.area_ha == pytest.approx(200.12, abs=0.06)
    assert forest.geometry.bounds[:2] == pytest.approx((109.81, 40.64), abs=0.01)


def test_a_name_of_several_lines_becomes_one_line(tmp_path, ecosystems):
    """A cell of Excel with Alt+Enter; no sheet could draw the line break."""
    table = {"编号": ["F01"], "名称": ["青山\n林场\x07 "], "类型": ["林地"], "万亩": [0.15], "植被": [None]}
    path = write_vector(tmp_path / "zones.gpkg", table, [square()])
    found, _ = read_zones(ZoneFile(path, None, COLUMNS, CLASS_WORDS, {}), ecosystems)
    assert found["name"].tolist() == ["青山 林场"]


@pytest.mark.parametrize("codes", [(1503, 1504), (1503.0, None)])
def test_a_vegetation_type_given_as_a_number_is_a_code(tmp_path, ecosystems, codes):
    """A column of codes is one of numbers, of floats where one is empty; unknown to the library it is no default."""
    rows = [(f"G{i}", "草地", code) for i, code in enumerate(codes)]
    with pytest.raises(ZoneError, match=r"zone G0 has the vegetation type '1503', unknown to grassland \("):
        zones(tmp_path, ecosystems, *rows)
    steppe = ecosystems["grassland"].strata["desert_steppe"]
    coded = steppe.model_copy(update={"names": (*steppe.names, *(f"{code:.0f}" for code in codes if code))})
    strata = ecosystems["grassland"].strata | {"desert_steppe": coded}
    known = ecosystems | {"grassland": ecosystems["grassland"].model_copy(update={"strata": strata})}
    found, _ = zones(tmp_path, known, *rows)
    assert found["stratum"].tolist() == ["desert_steppe", "desert_steppe" if codes[1] else "typical_steppe"]
    assert found["stratum_given"].tolist() == [True, bool(codes[1])]


def test_ids_and_classes_in_a_column_of_decimals_are_whole_numbers(tmp_path, ecosystems):
    """A field of type Double, in which ArcGIS and Excel keep numbers."""
    table = {"编号": [7.0], "名称": ["甲"], "类型": [2.0], "万亩": [0.15], "植被": [None]}
    path = write_vector(tmp_path / "zones.gpkg", table, [square()])
    found, _ = read_zones(ZoneFile(path, None, COLUMNS, {"forest": ("1",), "grassland": ("2",)}, {}), ecosystems)
    assert found[["id", "ecosystem"]].values.tolist() == [["7", "grassland"]]
    with pytest.raises(ZoneError, match="zone 7 is of class '2', which"):
        read_zones(ZoneFile(path, None, COLUMNS, {"forest": ("1",)}, {}), ecosystems)


@pytest.mark.parametrize("column", [(0.15, None), ("0.15", None), ("0.15", ""), (" 0.15", " ")])
def test_an_area_that_was_not_declared_is_none_beside_areas_that_were(tmp_path, ecosystems, column):
    """NaN would make the declared area of the whole city NaN."""
    found, _ = zones(tmp_path, ecosystems, *((f"F{i}", "林地", None, area) for i, area in enumerate(column)))
    assert [zone.declared_wanmu for zone in zones_on_grid(found, CRS)] == [0.15, None]


@pytest.mark.parametrize(("ecosystem", "word"), [(name, word) for name, words in CLASS_WORDS.items() for word in words])
def test_class_words_are_chinese_or_english(tmp_path, ecosystems, ecosystem, word):
    found, _ = zones(tmp_path, ecosystems, ("Z1", word))
    assert found["ecosystem"].tolist() == [ecosystem]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([("F01", "林地"), ("F01 ", "草地")], "the zone id F01 is there twice"),
        ([("../x", "林地")], r"the zone id '\.\./x' cannot name a folder; use letters, digits, - and _"),
        ([("a/b", "林地")], "the zone id 'a/b' cannot name"),
        ([("..", "林地")], r"the zone id '\.\.' cannot name"),
        ([("F 01", "林地")], "the zone id 'F 01' cannot name"),
        ([("-1", "林地")], "the zone id -1 begins with -, which Excel and the command line read as a minus"),
        *(
            (
                [(name, "林地")],
                f"the zone id {name} is the name of a device on Windows and cannot name a folder; give it another",
            )
            for name in ("CON", "nul", "Com1", "LPT9")
        ),
        *(
            ([(name, "林地")], f"the zone id {name} is already the name of a row of sums; give it another")
            for name in ("forest", "grassland", "wetland", "City")
        ),
        ([("", "林地")], "a zone has no id; give each zone its own"),
        ([("F01", "林地"), (None, "林地")], "a zone has no id"),
        ([("F01", "农田")], r"zone F01 is of class '农田', which zones\.classes does not list; add the word there"),
        ([("F01", None)], "zone F01 is of class"),
        (
            [("G01", "草地", "芦苇")],
            r"zone G01 has the vegetation type '芦苇', unknown to grassland \(典型草原, 荒漠草原, 草甸草原\)",
        ),
        ([("F01", "林地", None, "十")], "zone F01 declares the area '十', which is no number; give 万亩"),
    ],
)
def test_rows_that_leave_something_open_are_refused(tmp_path, ecosystems, rows, says):
    with pytest.raises(ZoneError, match=says):
        zones(tmp_path, ecosystems, *rows)


# Geometry

SPIKE = Polygon([(0, 0), (1000, 0), (1000, 1000), (520, 1000), (510, 1010), (520, 1010), (510, 1000), (0, 1000)])
"""A square of 100 ha whose upper edge crosses itself in a bow-tie of 2 x 25 m2."""
BOW_TIE = Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)])


def placed(polygon):
    return Polygon(np.add(polygon.exterior.coords, (LEFT, TOP)))


def test_an_outline_that_crosses_itself_a_little_is_repaired_with_a_note(tmp_path, ecosystems):
    found, mended = zones(tmp_path, ecosystems, ("F01", "林地"), geometry=[placed(SPIKE)])
    assert found.geometry.is_valid.all()
    assert found.geometry.area.item() == pytest.approx(1_000_000, abs=60)
    assert mended == ["zone F01: invalid outline repaired, area changed by 0.0050%"]


@pytest.mark.parametrize(
    ("geometry", "says"),
    [
        (placed(BOW_TIE), "zone F01 crosses itself and its repair would change the area by 100.0%; correct it in GIS"),
        (Polygon(), "zone F01 has no geometry; draw it or remove the row"),
        (None, "zone F01 has no geometry"),
        (Point(LEFT, TOP), "zone F01 is a Point, not a polygon"),
        (square().exterior, "zone F01 is a LineString, not a polygon"),
    ],
)
def test_geometry_that_is_no_area_is_refused(tmp_path, ecosystems, geometry, says):
    with pytest.raises(ZoneError, match=says):
        zones(tmp_path, ecosystems, ("F01", "林地"), ("F02", "林地"), geometry=[geometry, square()])


def test_a_spike_that_crosses_itself_in_the_crs_of_the_grid_is_mended(tmp_path, ecosystems):
    """Drawn 40 m out and back to a corner, but for its last digit: valid in degrees and not in metres, where the zone
    failed with a sentence of GEOS."""
    corners = [(109.82, 40.62), (109.84, 40.62), (109.84, 40.64), (109.84027, 40.64027),
               (109.84000000000003, 40.64000000000004), (109.82, 40.64)]  # fmt: skip
    rows = {"编号": ["F01"], "名称": ["甲"], "类型": ["林"], "万亩": [None], "植被": [None]}
    path = write_vector(tmp_path / "zones.gpkg", rows, [Polygon(corners)], crs="EPSG:4490")
    found, mended = read_zones(ZoneFile(path, None, COLUMNS, CLASS_WORDS, {}), ecosystems)
    assert mended == []
    (zone,) = zones_on_grid(found, CRS)
    assert zone.geometry.is_valid
    assert zone.geometry.area / 10_000 == pytest.approx(zone.area_ha, rel=1e-3)


def test_a_spike_that_crosses_itself_in_degrees_is_mended_in_what_is_delivered(tmp_path):
    """The other way round: valid in metres. The run ended in a traceback when the STAC items were written."""
    world = World.finished(tmp_path)
    spike = [(LEFT + 300, TOP - 2700), (LEFT + 3300, TOP - 2700), (LEFT + 3300, TOP - 300), (LEFT + 3366, TOP - 247),
             (LEFT + 3299.9999999928, TOP - 300.000000005), (LEFT + 300, TOP - 300)]  # fmt: skip
    world.write_zones(ZONES | {"F01": (*ZONES["F01"][:2], Polygon(spike))})
    world.settings["deliverables"] = ["stac"]
    world.write_config()
    assert world.run().row("F01")["status"].startswith("figures")
    assert gpd.read_file(world.results / "zones.gpkg", layer="zones").geometry.is_valid.all()


# Forest stands


def stands(folder, ecosystems, species=("油松",), then=(60.0,), now=(80.0,), geometry=None, column="树种"):
    rows = {column: list(species), "V2020": list(then), "V2024": list(now)}
    path = write_vector(folder / "stands.gpkg", rows, geometry or [square(i) for i in range(len(species))])
    found, _ = read_stands(StandFile(path, None, "树种", {2020: "V2020", 2024: "V2024"}), ecosystems["forest"])
    return found


def test_stands_carry_species_and_volume_of_each_inventory(tmp_path, ecosystems):
    found = stands(tmp_path, ecosystems, [" 油松", "白桦\n\u200b", "小叶杨"], [60, 40, 0], [80, 41, 12.5])
    assert found["species"].tolist() == ["chinese_pine", "birch", "poplar"]
    assert found[2020].tolist() == [60, 40, 0]
    assert found[2024].tolist() == [80, 41, 12.5]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"species": ("桉树", "桉树", "油松"), "then": [1] * 3, "now": [1] * 3},
            r"unknown species '桉树' \(2 stands\); write into the config, .*`species: \{SPECIES: \[\"桉树\"\]\}`.*油松",
        ),
        (
            {"species": (None,)},
            r"unknown species '' \(1 stands\); .*`species: \{SPECIES: \[\"\"\]\}`.* 无林木; the last",
        ),
        (
            {"species": ("油松", "油松"), "then": (1.0, -1.0), "now": (1.0, 1.0)},
            r"the column V2020 has an empty, negative or infinite volume, first in row 2 \(-1\.0\); give it in m3/ha",
        ),
        ({"now": (np.nan,)}, r"the column V2024 has an empty, .* first in row 1 \(nan\)"),
        ({"now": (np.inf,)}, r"the column V2024 has an empty, .* first in row 1 \(inf\)"),
        (
            {"species": ("油松", "油松"), "then": (1.0, 1.0), "now": ("12", "many")},
            "the column V2024 has 'many' in row 2, which is not a volume in m3/ha; correct it",
        ),
        ({"column": "树种代码"}, "has no column '树种'; did you mean '树种代码'"),
    ],
)
def test_stands_that_leave_something_open_are_refused(tmp_path, ecosystems, changes, says):
    with pytest.raises(ZoneError, match=says):
        stands(tmp_path, ecosystems, **changes)


WORDS = {"榆树": ("阔叶混", "其他硬阔"), "birch": ("420",), "无林木": ("", "无")}


def counted(folder, ecosystems, species, volume, words=WORDS):
    path = write_vector(folder / "stands.gpkg", {"S": species, "V": volume}, [square(i) for i in range(len(species))])
    return read_stands(StandFile(path, None, "S", {2020: "V"}, words=words), ecosystems["forest"])[0]


def test_words_and_codes_count_as_the_species_that_the_config_says(tmp_path, ecosystems):
    table = counted(tmp_path, ecosystems, ["阔叶混", " 其他硬阔", "油松", None, "无"], [30.0, 40.0, 50.0, None, 0.0])
    assert table["species"].tolist() == ["elm", "elm", "chinese_pine", "unstocked", "unstocked"]
    assert table[2020].tolist() == [30, 40, 50, 0, 0]
    spaced = counted(tmp_path, ecosystems, ["硬  阔", " "], [30.0, None], {"榆树": ("硬  阔",), "无林木": (" ",)})
    assert spaced["species"].tolist() == ["elm", "unstocked"]
    codes = counted(tmp_path, ecosystems, [420.0, np.nan], [30.0, np.nan])
    assert codes["species"].tolist() == ["birch", "unstocked"]


def test_ground_without_trees_is_surveyed_and_holds_nothing(tmp_path, ecosystems):
    forest = ecosystems["forest"]
    table = counted(tmp_path, ecosystems, ["油松", ""], [60.0, None])
    table[2024] = table[2020] * 1.5
    cut = stands_in_zone(table, table.geometry.union_all(), [2020, 2024])
    trees = stands_in_zone(table[:1], table.geometry.union_all(), [2020, 2024])
    assert cut.ground_ha == pytest.approx(2 * trees.ground_ha, rel=1e-3)
    for mine, alone in zip(cut.stock(forest, 2022), trees.stock(forest, 2022), strict=True):
        assert mine.tolist() == [*alone, 0]
    assert cut.gain_loss(forest) == trees.gain_loss(forest)
    assert cut.volume_m3(2022) == trees.volume_m3(2022)
    assert forest.rows_used("larch_middle", cut.species) == forest.rows_used("larch_middle", trees.species)
    assert forest.rows_used("larch_middle", ["unstocked"]) == []


def test_ground_without_trees_that_has_a_volume_is_refused(tmp_path, ecosystems):
    with pytest.raises(ZoneError, match=r"column V has a volume in row 2 \(3\.0\), of ground .* name its species \(1 "):
        counted(tmp_path, ecosystems, ["油松", ""], [60.0, 3.0])


@pytest.mark.parametrize(("cover", "count"), [(None, 1), ("C", 2)])
def test_two_words_for_the_shrub_of_one_polygon_count_twice_only_by_their_covers(tmp_path, ecosystems, cover, count):
    """Without a cover each would hold the class mean."""
    rows = {"S": ["柠条", "沙棘"], "V": [0.0, 0.0], "C": [0.2, 0.2]}
    path = write_vector(tmp_path / "stands.gpkg", rows, [square(), square()])
    file = StandFile(path, None, "S", {2020: "V"}, cover, {"灌木": ("沙棘",)})
    assert read_stands(file, ecosystems["forest"])[0]["species"].tolist() == ["shrub"] * count


def test_words_that_count_as_no_species_of_the_coefficients_are_refused(tmp_path, ecosystems):
    with pytest.raises(ConfigError, match=r"stands\.species: 'brich' is none .* take one of 华北落叶松, 油松"):
        counted(tmp_path, ecosystems, ["油松"], [60.0], {"brich": ("420",)})


def test_an_empty_cell_of_a_column_of_text_is_empty(tmp_path, ecosystems):
    """Shrub has no volume, in a column of text neither; of trees an empty one is not known."""
    assert counted(tmp_path, ecosystems, ["柠条", "油松"], [" ", "60 "])[2020].tolist() == [0, 60]
    with pytest.raises(ZoneError, match=r"column V has an empty, .* 0 only where a stand holds none \(2 rows\)"):
        counted(tmp_path, ecosystems, ["油松"] * 3, ["60", "", " "])


def shrubs(folder, ecosystems, cover, cover_column="盖度"):
    """A shrub stand without volume beside a pine stand without cover."""
    rows = {"树种": ["柠条", "油松"], "V": [None, 60.0], "盖度": [cover, None]}
    path = write_vector(folder / "shrubs.gpkg", rows, [square(0), square(1)])
    found, _ = read_stands(StandFile(path, None, "树种", {2020: "V"}, cover_column), ecosystems["forest"])
    return found


def test_a_shrub_stand_needs_its_cover_and_no_volume(tmp_path, ecosystems):
    table = shrubs(tmp_path, ecosystems, 0.3)
    cut = stands_in_zone(table, table.geometry.union_all(), [2020])
    assert (cut.species, cut.cover.tolist()) == (["shrub", "chinese_pine"], [0.3, 0])
    density = cut.stock(ecosystems["forest"], 2020)[1]
    assert density == pytest.approx([2.88 * 0.3 / 0.45, 60 * 0.75 * 1.40 * 0.5105])
    without = shrubs(tmp_path, ecosystems, 0.3, None)
    assert stands_in_zone(without, without.geometry.union_all(), [2020]).cover is None


@pytest.mark.parametrize("cover", [None, 30.0, -0.1])
def test_a_cover_of_shrubs_that_is_no_fraction_is_refused(tmp_path, ecosystems, cover):
    with pytest.raises(ZoneError, match="盖度 of a shrub stand is empty or not a cover from 0 to 1"):
        shrubs(tmp_path, ecosystems, cover)


def test_a_species_without_continuous_parameters_is_refused_where_they_are_asked_for(tmp_path, ecosystems):
    forest = ecosystems["forest"].model_copy(update={"expansion": "continuous"})
    with pytest.raises(ZoneError, match=r"has no `continuous` row for '榆树' \(1 stands\); add it"):
        stands(tmp_path, {"forest": forest}, ["油松", "榆树", "柠条"], [60] * 3, [80] * 3)
    assert len(stands(tmp_path, {"forest": forest}, ["油松", "柠条"], [60] * 2, [80] * 2)) == 2


@pytest.mark.parametrize(
    ("years", "dated", "volume"),
    [
        ((2020,), 2020, 60),
        ((2021,), 2021, 65),
        ((2021, 2022, 2023), 2022, 70),
        ((2023, 2024), 2023.5, 77.5),
        ((2025,), 2024, 80),  # held: nothing is known after the last inventory
        ((2017, 2018, 2019), 2020, 60),
    ],
)
def test_volumes_are_interpolated_between_the_inventories_and_held_beyond(ecosystems, years, dated, volume):
    known = ZoneStands(np.array([square()]), ["chinese_pine"], np.array([100.0]),
                       {2024: np.array([80.0]), 2020: np.array([60.0])})  # fmt: skip
    assert known.dated(years) == dated
    agb, carbon = known.stock(ecosystems["forest"], known.dated(years))
    assert agb == pytest.approx([volume * 0.75])  # pines of 41-100 m3/ha
    assert carbon == pytest.approx([volume * 0.75 * 1.29 * 0.5105])  # 60 t/ha above ground at 80 m3/ha


def test_growth_across_a_bin_reads_as_growth(ecosystems):
    """Birch from 40 to 41 m3/ha has the expansion factor 1.4 of the larger at both dates; freely it falls by 16 %."""
    birch = ZoneStands(
        np.array([square()]), ["birch"], np.array([100.0]), {2020: np.array([40.0]), 2024: np.array([41.0])}
    )
    assert birch.stock(ecosystems["forest"], 2020)[0] == pytest.approx([56.0])
    assert birch.stock(ecosystems["forest"], 2024)[0] == pytest.approx([57.4])


def test_the_present_stock_of_a_stand_that_grew_is_that_of_its_volume(ecosystems):
    """Larch from 18 to 60 m3/ha: 60 x 1.0 x 1.29 x .5158 = 39.9 t C/ha, as by its last inventory alone; by the bin of
    18 m3/ha, 3.0, it would be three times that. One that burnt from 60 to 18 keeps the lower factor."""
    for volumes, carbon in (((18.0, 60.0), 39.92), ((60.0, 60.0), 39.92), ((60.0, 18.0), 18 / 60 * 39.92)):
        columns = {year: np.array([volume]) for year, volume in zip((2010, 2024), volumes, strict=True)}
        larch = ZoneStands(np.array([square()]), ["larch"], np.array([100.0]), columns)
        assert larch.stock(ecosystems["forest"], 2024)[1] == pytest.approx([carbon], abs=0.01)


def test_stands_are_cut_to_their_zone(tmp_path, ecosystems):
    """One inside, one half inside, one off the zone, one that shares only its edge with it."""
    inside, half, off, beside = (
        box(0, 0, 100, 100),
        box(900, 0, 1100, 100),
        box(2000, 0, 2100, 100),
        box(1000, 500, 1100, 600),
    )
    table = stands(tmp_path, ecosystems, ["油松", "白桦", "油松", "油松"], [60, 40, 1, 1], [80, 41, 1, 1],
                   [placed(part) for part in (inside, half, off, beside)])  # fmt: skip
    cut = stands_in_zone(table, placed(box(0, 0, 1000, 1000)), [2020, 2024])
    assert cut.species == ["chinese_pine", "birch"]
    assert cut.area_ha == pytest.approx([1.0006, 1.0006], abs=3e-4)
    assert {year: volume.tolist() for year, volume in cut.volume_m3_ha.items()} == {2020: [60, 40], 2024: [80, 41]}
    assert [part.area for part in cut.geometry] == pytest.approx([10_000, 10_000])


def test_a_stand_that_overlaps_a_zone_and_also_touches_it_along_an_edge_counts_by_its_overlap():
    """A U-shaped stand: one leg lies in the zone, the other along its outside; the cut is a polygon and a line."""
    zone = placed(box(0, 0, 1000, 1000))
    stand = placed(Polygon([(900, 100), (1100, 100), (1100, 500), (1000, 500), (1000, 400), (1050, 400), (1050, 200),
                            (900, 200)]))  # fmt: skip
    table = gpd.GeoDataFrame({"species": ["larch"], 2020: [60.0]}, geometry=[stand], crs=CRS)
    cut = stands_in_zone(table, zone, [2020])
    assert cut.area_ha == pytest.approx([1.0006], abs=3e-4)


def test_only_stands_across_the_outline_are_cut(monkeypatch):
    """A cut costs as much as the outline of the zone has vertices: of stands within it none is made. An outline that is
    drawn from another corner or the other way round is the same one."""
    zone = placed(box(0, 0, 1000, 1000))
    corners = [(100, 100), (200, 100), (200, 200), (100, 200)]
    within = [placed(Polygon(order)) for order in (corners, corners[2:] + corners[:2], corners[::-1])]
    across = placed(box(900, 0, 1100, 100))
    species = ["larch", "pine", "elm", "larch"]
    table = gpd.GeoDataFrame({"species": species, 2020: [60.0] * 4}, geometry=[*within, across], crs=CRS)
    cuts, cut_apart = [], shapely.intersection

    def counted(stand, zone):
        cuts.extend(np.atleast_1d(stand))
        return cut_apart(stand, zone)

    monkeypatch.setattr(shapely, "intersection", counted)
    cut = stands_in_zone(table, zone, [2020])
    assert cuts == [across]
    assert cut.area_ha == pytest.approx([1.0006] * 4, abs=3e-4)
    assert cut.ground_ha == pytest.approx(2.0012, abs=6e-4)
    assert not cut.overlap


def test_a_zone_without_stands_has_none(tmp_path, ecosystems):
    table = stands(tmp_path, ecosystems)
    assert stands_in_zone(table, square(5), [2020, 2024]) is None
    assert stands_in_zone(table, box(LEFT + 1000, TOP - 1000, LEFT + 1500, TOP), [2020, 2024]) is None  # an edge


def test_the_species_of_one_outline_cover_its_ground_once(tmp_path):
    """Two species on the same 60 % of F01 hold two volumes on one ground: nothing counts twice. On the same 30 % they
    are no inventory of the zone, which their sum would be."""
    world = World.finished(tmp_path)
    west, south, east, north = ZONES["F01"][2].bounds
    for share, fraction in ((0.6, 0.6), (0.3, None)):
        part = box(west, south, west + share * (east - west), north)
        world.write_stands([("华北落叶松", 30, 33, part), ("油松", 30, 33, part)])
        row = world.run().row("F01")
        assert row["stand_area_fraction"] == (fraction and pytest.approx(fraction, abs=1e-4))
        assert "overlap" not in row["status"]


def test_a_zone_whose_stock_is_impossible_counts_nowhere(tmp_path):
    """Volumes ten times too high in F01: its density stays as the evidence; totals, years, groups, separate figures
    and targets go without it."""
    world = World.finished(tmp_path)
    world.settings |= {"targets": {"year": 2025, "forest_volume_m3": 1000}, "uncertainty": {"draws": 100}}
    world.write_config()
    world.write_stands([("油松", 330, 340, ZONES["F01"][2])])
    done = world.run()
    held, other = done.row("F01"), done.row("F02")
    assert held["carbon_tC_ha"] > 120
    assert held["carbon_tC"] is held["volume_m3"] is held["sink_tCO2_yr"] is None
    assert "no total, impossible: carbon_tC_ha" in held["status"]
    forest = done.row("forest")
    for column in ("carbon_tC", "carbon_tC_ha", "agb_tDM_ha"):
        assert forest[column] == pytest.approx(other[column])
    assert forest["volume_m3"] is None
    by_year = {(row["zone_id"], row["year"]): row for row in read_csv(world.results / "by_year.csv")}
    for zone in ("F01", "forest", "city"):
        assert by_year[zone, "2024"]["carbon_tC"] == by_year[zone, "2024"]["carbon_tC_high95"] == ""
    assert {row["zone_id"]: row["gain_tC_yr"] for row in read_csv(world.results / "separate.csv")}["F01"] == ""
    (target,) = read_csv(world.results / "targets.csv")
    assert target["finding"] == "open"
    assert target["reason"].startswith("the volume of the stands is withheld")  # and not: there are none


def test_a_zone_whose_index_is_impossible_has_a_cover_in_no_year(tmp_path):
    """Nor has its ecosystem: a mean of the other zones would pass for that of all."""
    world = World.finished(tmp_path)
    low = "{quantity: ndvi_mean, where: grassland, usual: [0, 0.01], hard: [0, 0.02], source: a test, status: verified}"
    (tmp_path / "ranges.yaml").write_text(f"ranges: [{low}]")
    world.settings |= {"plausibility": "ranges.yaml", "deliverables": ["patches"]}
    world.write_config()
    assert world.run().row("G01")["fvc_mean"] is None
    by_year = {(row["zone_id"], row["year"]): row for row in read_csv(world.results / "by_year.csv")}
    for zone in ("G01", "grassland", "city"):
        row = by_year[zone, "2024"]
        assert row["fvc_mean"] == row["fvc_mean_high95"] == row["carbon_tC"] == ""
    assert by_year["G01", "2024"]["ndvi_mean"] != ""  # the evidence
    assert by_year["forest", "2024"]["fvc_mean"] != ""
    classes = read_csv(world.results / "cover_classes.csv")
    assert {row["area_ha"] == row["fraction"] == "" for row in classes if row["zone_id"] == "G01"} == {True}
    # and nobody is told to manage ground by it
    assert {row["zone_id"] for row in read_csv(world.results / "patches.csv")} == {"F01", "F02", "W01"}
    assert not list((world.results / "zones" / "G01").glob("*_class_*"))
    assert "G01: no patches" in " ".join(json.loads((world.results / "run.json").read_text("utf-8"))["notes"])


def test_a_forest_most_of_which_is_surveyed_as_without_trees_goes_by_its_stands(tmp_path):
    world = World.finished(tmp_path)
    west, south, east, north = ZONES["F01"][2].bounds
    pine, rest = (
        box(west + a * (east - west), south, west + b * (east - west), north) for a, b in ((0, 0.4), (0.4, 1))
    )
    world.write_stands([("油松", 60, 80, pine), ("", 0, None, rest)])
    world.settings["stands"]["species"] = {"无林木": [""]}
    world.write_config()
    row = world.run().row("F01")
    assert row["stand_area_fraction"] == pytest.approx(1, abs=1e-6)
    assert row["carbon_tC"] == pytest.approx(0.4 * row["area_ha"] * 80 * 0.75 * 1.29 * 0.5105, rel=1e-3)


def test_an_inventory_older_than_the_period_is_told_beside_its_stock(tmp_path):
    world = World.finished(tmp_path)
    for years, said in (({"2012": "V2020", "2015": "V2024"}, 2015), ({"2012": "V2020", "2023": "V2024"}, None)):
        world.settings["stands"]["columns"]["volume_m3_ha"] = years
        world.write_config()
        row = world.run().row("F01")
        assert row["stand_stock_year"] == (said or 2023)
        old = f"the stock is that of the stands of {said}, not of 2023-2025"
        assert (old in row["status"]) == bool(said)
        assert ("储量为2015年小班的储量，不是2023-2025年的" in row["status_zh"]) == bool(said)


def test_the_edge_of_a_neighbours_stand_is_no_inventory_of_a_zone(tmp_path):
    """F02 has no stands of its own; one of the neighbour's laps over a hundredth of it. F01 is covered to seven
    tenths, which the status says."""
    world = World.finished(tmp_path)
    before = world.run()
    left, bottom, right, top = ZONES["F02"][2].bounds
    lap = box(left, bottom, left + (right - left) / 100, top)
    west, south, east, north = ZONES["F01"][2].bounds
    most = box(west, south, west + 0.7 * (east - west), north)
    world.write_stands([("油松", 60, 80, box(west, south, east, north)), ("油松", 60, 80, most)])
    done = world.run()
    row = done.row("F01")
    twice = f"stands overlap: {0.7 * row['area_ha']:,.1f} ha count twice"
    assert row["status"].startswith(twice)
    assert [twice in done.row(name)["status"] for name in ("forest", "grassland", "city")] == [True, False, True]
    assert row["stand_area_fraction"] == pytest.approx(1, abs=1e-6)
    world.write_stands([("油松", 60, 80, most), ("油松", 60, 80, lap)])
    done = world.run()
    for column in ("carbon_tC", "stand_area_fraction", "status", "unverified"):
        assert done.row("F02")[column] == before.row("F02")[column]
    assert done.row("F02")["stand_area_fraction"] is None
    share = f"{done.row('F01')['stand_area_fraction']:.0%}"
    assert done.row("F01")["status"] == (
        f"stands cover {share}, the rest counts as without forest; figures outside usual ranges"
    )
    assert json.loads((world.results / "run.json").read_text("utf-8"))["notes"] == [
        "the stands cover 1.00% of forest zone F02, less than stands.min_area_fraction: its stock is by class mean "
        "and canopy"
    ]
