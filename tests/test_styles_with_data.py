"""Styles travel with the data: files beside the rasters, rows in the GeoPackages, right at every break."""

import contextlib
import json
import sqlite3
from types import SimpleNamespace
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import shapely
from ruamel.yaml import YAML
from tiny_world import ZONES, World, box

from pipeline.errors import ConfigError
from pipeline.mapping.styles import SHIPPED, read_styles
from pipeline.mapping.suggestions import read_suggestions
from pipeline.outputs.cog import noted
from pipeline.outputs.geopackage import Layer, patch_layers, patches_style, write_layers
from pipeline.outputs.styling.qml import vector_elements
from pipeline.outputs.styling.raster_styles import class_table, side_files, variable_pipe
from pipeline.outputs.styling.sld import vector_sld
from pipeline.outputs.styling.vector_styles import (
    Condition,
    Rule,
    VectorStyle,
    boundary_style,
    patch_style,
    shown_variable,
    zone_style,
)
from pipeline.outputs.swap import swapped
from pipeline.variables import VARIABLES

STYLES, SUGGESTIONS = read_styles(), read_suggestions()
FIVE = STYLES.with_cover_scheme("five")
OGC = "{http://www.opengis.net/ogc}"


def has_chinese(text):
    return any("一" <= letter <= "鿿" for letter in text)


@pytest.mark.parametrize(
    ("place", "change", "says"),
    [
        (("ramps", "agb"), {"breaks": [], "colors": ["#ffffff"]}, "ramps.agb.breaks"),
        (("ramps", "sink"), {"breaks": [1], "colors": ["#ffffff", "#000000"]}, "sink needs a break at zero, or one on"),
        (("ecosystems",), {"wetland": None}, "ecosystems must be forest, grassland, wetland"),
        (("classes", "sink_class", 1), {"value": 1}, "two classes of sink_class have one value"),
        (("classes", "sink_class"), ["loss"], "classes of sink_class must be loss, unclear"),
        (("classes",), {"sink_class": None}, "no style for sink_class"),
        (("ramps",), {"fvc": None}, "no style for fvc"),
    ],
)
def test_styles_that_would_end_a_run_or_mix_up_classes_are_refused_as_they_are_read(tmp_path, place, change, says):
    content = YAML(typ="safe").load(SHIPPED.read_text("utf-8"))
    part = content
    for step in place:
        part = part[step]
    if isinstance(part, list):  # the classes of these keys once more
        part += [{**entry, "value": 9} for entry in part if entry["key"] in change]
    else:
        part |= change
        content |= {place[0]: {name: each for name, each in content[place[0]].items() if each is not None}}
    own = tmp_path / "styles.yaml"
    own.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ConfigError, match=says):
        read_styles(own)


# --- rasters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("styles", "name"), [*((STYLES, name) for name in STYLES.ramps if name in VARIABLES), (FIVE, "fvc")]
)
def test_every_stored_level_about_a_break_has_the_colour_of_its_class(styles, name):
    ramp, step = styles.ramps[name], VARIABLES[name].scale
    pipe = variable_pipe(styles, name)
    items = pipe.findall(".//item")
    tops = [float(item.get("value")) for item in items]
    levels = np.unique([round(value / step) + near for value in ramp.breaks for near in (-1, 0, 1)])
    # the class that QGIS takes: the first whose value is not below that of the pixel
    drawn = np.searchsorted(tops, levels * step, side="left")
    meant = ramp.classify(np.round(levels * step, 9))
    assert list(drawn) == list(meant)
    assert [item.get("color") for item in items] == list(ramp.colors)
    assert {item.get("alpha") for item in items} == {"255"}


def test_classes_of_counts_share_no_number():
    assert STYLES.ramps["clear_count"].labels == ("0", "1", "2 – 3", "4 – 5", "6 – 9", "10 – 19", "≥ 20")
    assert STYLES.ramps["fvc"].labels[:2] == ("< 10", "10 – 20")


def test_the_sink_is_grey_about_zero_and_has_opposite_hues_beside_it():
    ramp = STYLES.ramps["sink"]

    def parts(value):
        color = ramp.colors[int(ramp.classify(value))]
        return [int(color[place : place + 2], 16) for place in (1, 3, 5)]

    for about_zero in (-0.09, 0, 0.09):
        assert max(parts(about_zero)) - min(parts(about_zero)) < 10
    assert parts(-2)[0] > parts(-2)[2] + 50  # brown
    assert parts(2)[0] < parts(2)[2] - 50  # green-blue
    assert [-value for value in reversed(ramp.breaks)] == list(ramp.breaks)


def test_a_class_raster_has_a_table_of_values_names_and_colours():
    classes = STYLES.classes["sink_class"]
    table = ElementTree.fromstring(class_table(classes))
    columns = [field.findtext("Name") for field in table.iter("FieldDefn")]
    rows = [[cell.text for cell in row] for row in table.iter("Row")]
    assert columns == ["Value", "Class_Name", "English", "Red", "Green", "Blue"]
    assert rows[0] == ["1", "碳减少", "loss", "166", "97", "26"]
    assert len(rows) == len(classes)
    # GDAL before 3.10 passes over a table behind an XML declaration
    assert class_table(classes).startswith("<PAMDataset>")


def test_each_raster_has_its_style_and_a_second_run_touches_none(tmp_path):
    world = styled(tmp_path)
    rasters = sorted(world.results.glob("zones/*/*.tif"))
    styles = {raster: raster.with_suffix(".qml") for raster in rasters}
    assert rasters
    assert all(style.is_file() for style in styles.values())
    for style in styles.values():
        assert ElementTree.parse(style).getroot().tag == "qgis"
    before = {style: style.stat().st_mtime_ns for style in styles.values()}
    world.run()
    assert {style: style.stat().st_mtime_ns for style in styles.values()} == before


def test_side_files_go_with_the_rasters_that_are_outdated(tmp_path):
    world = styled(tmp_path)
    (sink,) = world.results.glob("zones/W01/W01_sink_*.tif")
    _, classes = side_files(sink)
    classes.write_text(class_table(STYLES.classes["sink_class"]), encoding="utf-8")
    for path in noted(sink):  # by ArcGIS
        path.touch()
    pyramids = world.results / "zones" / "G01" / "G01_fvc_2023-2025.tif.ovr"
    pyramids.touch()
    (alone,) = world.results.glob("zones/G01/G01_fvc_2019-2021.tif")
    alone.unlink()  # its style has no raster any more
    stranger = world.results / "zones" / "G01" / "notes.txt"
    stranger.write_text("kept", encoding="utf-8")
    world.settings["zones"]["expected"]["wetland"] = 0
    world.settings["periods"] = {"current": "2023-2025"}
    world.write_config()
    world.write_zones({name: zone for name, zone in ZONES.items() if name != "W01"})
    world.run()
    assert not (world.results / "zones" / "W01").exists()
    assert not list(world.results.glob("zones/*/*2019*"))
    assert (world.results / "zones" / "G01" / "G01_fvc_2023-2025.qml").is_file()
    assert stranger.is_file()
    assert pyramids.is_file()


def styled(folder):
    """The tiny world with its styles."""
    world = World.finished(folder)
    world.settings["deliverables"] = ["styles"]
    world.write_config()
    world.run()
    return world


# --- GeoPackages ------------------------------------------------------------------------------------------


def zones(**columns):
    shapes = [box(0, 50, 0, 50), box(0, 50, 60, 110)]
    table = {"zone_id": ["F01", "G01"], "name_zh": ["东山林", "北草原"], "sink_tCO2_ha_yr": [1.2, -0.02]}
    return gpd.GeoDataFrame(table | columns, geometry=shapes, crs="EPSG:32649").to_crs("EPSG:4490")


def patches(zone="F01"):
    pairs = [("gain", "maintenance", "维持"), ("loss", "replanting", "补植"), ("loss", "maintenance", "维持")]
    shapes = [shapely.box(110 + place, 41, 111 + place, 42) for place in range(3)]
    sink, suggestion, zh = zip(*pairs, strict=True)
    table = {"patch_id": [f"{zone}-{place}" for place in range(3)], "zone_id": zone, "sink_class": sink,
             "suggestion": suggestion, "suggestion_zh": zh, "area_ha": 1.0}  # fmt: skip
    return gpd.GeoDataFrame(table, geometry=shapes, crs="EPSG:4490")


def write(path):
    found = patch_style(STYLES, SUGGESTIONS.classes, {("gain", "maintenance")})
    layers = [Layer("zones", "碳汇片区", zones(), zone_style(STYLES, "sink")),
              Layer("patches", "管理图斑", patches(), found)]  # fmt: skip
    write_layers(path, layers, "示意", "2025-08-29")
    return path


def test_a_geopackage_has_a_default_style_for_each_layer_and_the_same_bytes_each_time(tmp_path):
    path = write(tmp_path / "a.gpkg")
    with contextlib.closing(sqlite3.connect(path)) as database:
        query = "SELECT f_table_name, f_geometry_column, f_table_schema, useAsDefault, styleQML, styleSLD, update_time"
        rows = list(database.execute(f"{query} FROM layer_styles"))
        geometry = dict(database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns"))
        kinds = dict(database.execute("SELECT table_name, data_type FROM gpkg_contents"))
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert [row[0] for row in rows] == ["zones", "patches"]
    for layer, column, schema, default, qml, sld, time in rows:
        assert (column, schema, default) == (geometry[layer], "", 1)
        assert ElementTree.fromstring(qml.split("\n", 1)[1]).find("renderer-v2") is not None
        assert ElementTree.fromstring(sld.encode()).tag.endswith("StyledLayerDescriptor")
        assert time.startswith("2025-08-29")
    assert kinds == {"zones": "features", "patches": "features", "layer_styles": "attributes"}
    assert path.read_bytes() == write(tmp_path / "b.gpkg").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.gpkg", "b.gpkg"]


def test_a_geopackage_does_not_tell_in_how_many_steps_it_was_written(tmp_path):
    written, whole = [], []
    for name, steps in (("a", 1), ("b", 4)):
        path = tmp_path / f"{name}.gpkg"
        with swapped(path) as part:
            with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as database:
                database.execute("CREATE TABLE zones (id TEXT)")
                database.execute("INSERT INTO zones VALUES ('F01')")
                for step in range(steps):
                    database.execute("UPDATE zones SET id = ?", (f"F{step:02}",))
                database.execute("UPDATE zones SET id = 'F01'")
            written.append(part.read_bytes())
        whole.append(path.read_bytes())
    assert written[0] != written[1]
    assert whole[0] == whole[1]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.gpkg", "b.gpkg"]


def test_every_column_has_a_chinese_name_where_old_qgis_looks_for_it(tmp_path):
    with contextlib.closing(sqlite3.connect(write(tmp_path / "a.gpkg"))) as database:
        texts = dict(database.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    for layer, table in (("zones", zones()), ("patches", patches())):
        root = ElementTree.fromstring(texts[layer].split("\n", 1)[1])
        named = {alias.get("field"): alias.get("name") for alias in root.iter("alias")}
        assert set(table.columns) - {"geometry"} <= named.keys()
        assert all(has_chinese(name) or name == "平均NDVI" for name in named.values())


def drawn(style, row):
    """The labels of the rules that fit a row, as GIS evaluates them; the last lies on top."""
    tests = {
        "=": lambda a, b: a == b,
        ">=": lambda a, b: a is not None and a >= b,
        "<": lambda a, b: a is not None and a < b,
        "null": lambda a, b: a is None,
    }
    return [rule for rule in style.rules if all(tests[c.operator](row[c.column], c.value) for c in rule.conditions)]


def test_zones_are_coloured_by_sink_and_hatched_where_it_is_not_distinguishable_from_zero():
    style = zone_style(STYLES, "sink")
    cases = [
        ({"sink_tCO2_ha_yr": 1.5, "sink_finding": "gain"}, "1.5 – 3.0 吨CO2/(公顷·年)", False),
        ({"sink_tCO2_ha_yr": -0.02, "sink_finding": "loss"}, "−0.1 – 0.1 吨CO2/(公顷·年)", False),
        ({"sink_tCO2_ha_yr": 0.7, "sink_finding": "unclear"}, "变化不显著", True),
        ({"sink_tCO2_ha_yr": None, "sink_finding": None}, "无数据", True),
    ]
    for row, label, hatched in cases:
        top = drawn(style, row)[-1]
        assert (top.label, top.hatch is not None) == (label, hatched), row


def test_zones_without_any_sink_are_coloured_by_their_stock():
    assert shown_variable([None, 0.0]) == "sink"
    assert shown_variable([None, None]) == "carbon_stock"
    style = zone_style(STYLES, "carbon_stock")
    assert drawn(style, {"carbon_tC_ha": 12.0})[-1].label == "10.0 – 15.0 吨碳/公顷"


def test_patches_have_a_rule_for_each_pair_of_classes_there_is():
    results = SimpleNamespace(
        patches={"F01": patches("F01"), "G01": patches("G01").iloc[:0]}, styles=STYLES, suggestions=SUGGESTIONS
    )
    (layer,) = patch_layers(results, patches_style(results))
    assert len(layer.table) == 3
    assert len(layer.style.rules) == 3
    for _, row in layer.table.iterrows():
        assert len(drawn(layer.style, row)) == 1
    by_label = {rule.label: rule for rule in layer.style.rules}
    assert by_label["维持 · 碳增加"].fill == by_label["维持 · 碳减少"].fill != by_label["补植 · 碳减少"].fill
    assert by_label["维持 · 碳增加"].hatch != by_label["维持 · 碳减少"].hatch
    assert patch_layers(results, layer.style, "G01") == []


def test_a_word_with_an_apostrophe_stays_one_word_in_the_filter_of_a_rule():
    """A key of a suggestion is the user's own."""
    rule = Rule("封育", (Condition("suggestion", "=", "shepherd's rest"),))
    (drawn_as,) = vector_elements(VectorStyle((rule,), None, {}))[0].iter("rule")
    assert drawn_as.get("filter") == """"suggestion" = 'shepherd''s rest'"""


def test_the_sld_says_the_same_as_the_qml():
    style = zone_style(STYLES, "sink")
    root = ElementTree.fromstring(vector_sld("zones", style).encode())
    filters = list(root.iter(f"{OGC}Filter"))
    assert len(filters) == len(style.rules)
    second = filters[2]
    assert second[0].tag == f"{OGC}And"
    assert [part.tag.removeprefix(OGC) for part in second[0]] == [
        "PropertyIsGreaterThanOrEqualTo",
        "PropertyIsLessThan",
    ]
    assert [float(value.text) for value in second.iter(f"{OGC}Literal")] == [-3, -1.5]
    assert ElementTree.fromstring(vector_sld("zones", boundary_style()).encode()).find(f".//{OGC}Filter") is None
