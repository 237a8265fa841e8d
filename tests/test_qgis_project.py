"""The QGIS project: whole, relative, the same each time; every layer styled, named in Chinese and in a view."""

import re
import shutil
import sqlite3
import zipfile
from contextlib import closing
from functools import cache
from xml.etree import ElementTree

import pytest
from tiny_world import World

from pipeline.outputs.qgis.layers import ORDER
from pipeline.outputs.qgis.layout import made_by
from pipeline.totals.zone_totals import COLUMNS
from pipeline.variables import VARIABLES


@cache
def project(folder):
    with zipfile.ZipFile(folder / "tiny.qgz") as file:
        assert file.namelist() == ["tiny.qgs"]
        return ElementTree.fromstring(file.read("tiny.qgs").decode().split("\n", 1)[1])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World.finished(tmp_path_factory.mktemp("project"))
    world.settings |= {"deliverables": ["styles", "project"], "organisation": "包头市林业和草原局"}
    world.write_config()
    world.run()
    return world


@pytest.fixture
def root(world):
    return project(world.results)


def layers(root):
    return {layer.findtext("id"): layer for layer in root.iter("maplayer")}


def test_every_raster_and_the_zones_are_layers_with_paths_within_the_folder(world, root):
    sources = [layer.findtext("datasource") for layer in layers(root).values()]
    assert all(source.startswith("./") for source in sources)
    rasters = {source for source in sources if source.endswith(".tif")}
    assert rasters == {
        f"./{path.relative_to(world.results).as_posix()}" for path in world.results.glob("zones/*/*.tif")
    }
    assert {source for source in sources if not source.endswith(".tif")} == {"./zones.gpkg|layername=zones"}
    assert str(world.folder) not in ElementTree.tostring(root, encoding="unicode")
    assert root.findtext("properties/Paths/Absolute") == "false"


def test_ids_are_such_as_qgis_keeps_and_each_layer_stands_once_in_the_tree(root):
    names = list(layers(root))
    assert len(set(names)) == len(names) == len(list(root.iter("maplayer")))
    assert all(len(name) > 10 for name in names)
    tree = root.find("layer-tree-group")
    assert sorted(entry.get("id") for entry in tree.iter("layer-tree-layer")) == sorted(names)
    assert [group.get("name") for group in tree.findall("layer-tree-group")] == ["森林", "草原", "湿地"]
    assert [group.get("name")[:3] for group in tree.findall("layer-tree-group/layer-tree-group")] == [
        "F01", "F02", "G01", "W01",
    ]  # fmt: skip


def test_each_layer_has_a_style_a_chinese_name_and_a_full_crs(root):
    for layer in layers(root).values():
        assert layer.find("pipe") is not None or layer.find("renderer-v2") is not None
        assert re.search("[一-鿿]", layer.findtext("layername"))
        wkt = layer.findtext("srs/spatialrefsys/wkt")
        authority = layer.findtext("srs/spatialrefsys/authid")
        assert wkt.startswith(("PROJCRS", "GEOGCRS"))
        assert authority in ("EPSG:32649", "EPSG:4490")
    assert root.findtext("properties/SpatialRefSys/ProjectionsEnabled") == "1"


def test_a_schematic_zone_says_so_from_afar_where_its_id_stands_for_its_name(root):
    labels = {style.get("fieldName") for style in root.iter("text-style")}
    assert any("""if(@map_scale > 1000000, "zone_id" || if("name_zh" LIKE '%示意%', ' 示意', '')""" in (label or "")
               for label in labels)  # fmt: skip


def test_there_is_a_view_of_each_variable_and_the_project_opens_on_the_sink(root):
    views = {
        view.get("name"): [layer.get("id") for layer in view.findall("layer")]
        for view in root.find("visibility-presets")
    }
    for variable in ("sink", "fvc", "carbon_stock", "agb", "ndvi", "clear_count"):
        found = [name for name in views if name.startswith(VARIABLES[variable].long_name_zh)]
        assert len(found) == (1 if variable == "sink" else 2), variable
        for name in found:
            zones = {layer.split("_")[1] for layer in views[name] if layer.startswith("raster_")}
            assert zones == {"F01", "F02", "G01", "W01"}
            assert "zones_boundary" in views[name]
    opened = [
        e.get("id") for e in root.find("layer-tree-group").iter("layer-tree-layer") if e.get("checked")[4:] == "Checked"
    ]
    assert sorted(opened) == sorted(next(ids for name, ids in views.items() if name.startswith("碳汇")))


def test_ground_without_data_is_hatched_below_the_rasters_but_not_where_there_is_no_water_to_map(root):
    views = {view.get("name"): [x.get("id") for x in view] for view in root.find("visibility-presets")}
    hatched = {name for name, ids in views.items() if "zones_no_data" in ids}
    assert hatched == {name for name, ids in views.items() if any(i.startswith("raster_") for i in ids)} - {
        name for name in views if name.startswith(VARIABLES["water_occurrence"].long_name_zh)
    }
    drawn = [layer.get("id") for layer in root.find("layerorder")]
    assert drawn.index("zones_no_data") > max(i for i, name in enumerate(drawn) if name.startswith("raster_"))
    crs = next(item for item in root.iter("LayoutItem") if item.get("id") == "crs")
    assert re.match(r"两图比例尺 1:\[%[^%]+'left map'[^%]+%\]；坐标系", crs.get("labelText"))
    assert crs.get("labelText").endswith("；斜线：无数据")


def test_the_atlas_goes_through_the_zones_and_asks_only_for_columns_there_are(world, root):
    layout = root.find("Layouts/Layout")
    atlas = layout.find("Atlas")
    assert atlas.get("coverageLayer") in layers(root)
    texts = {item.get("id"): item.get("labelText") for item in layout if item.get("labelText")}
    asked = {name for text in texts.values() for name in re.findall(r'"(\w+)"', text)}
    with closing(sqlite3.connect(world.results / "zones.gpkg")) as database:
        columns = {row[1] for row in database.execute("PRAGMA table_info(zones)")}
    assert asked <= columns
    assert {"carbon_tC", "carbon_tC_low95", "sink_tCO2_yr", "fvc_mean", "area_wanmu", "status_zh"} <= asked
    assert {"comparability_zh", "plausibility_zh", "method_zh"} <= asked
    assert asked <= COLUMNS.keys()
    assert 'format_number("area_wanmu" * 1, if(abs("area_wanmu" * 1) < 0.1, 4, 2))' in texts["area and cover"]
    assert 'format_number(round("carbon_tC" * 1, @places), max(0, @places))' in texts["carbon"]
    # an end that would be zero keeps a digit, as on the sheets
    assert 'if(round("carbon_tC_low95" * 1, @places) = 0 and round(' in texts["carbon"]
    assert "遥感估算，不作为交易依据" in texts["note"]
    assert texts["made"] == "编制单位：包头市林业和草原局"
    assert texts["date"] == "制图日期：[% format_date(now(), 'yyyy-MM-dd') %]"
    assert "模拟 Sentinel-2 12 景，每年7月15日–8月31日，2019-08-01 至 2025-08-11（全部片区）" in texts["source"]
    assert """CASE WHEN "zone_id" IN ('F01') THEN '小班蓄积 2020、2024 年；' ELSE '' END""" in texts["source"]
    views = {view.get("name") for view in root.find("visibility-presets")}
    assert {item.get("followPresetName") for item in layout if item.get("followPreset")} <= views
    kinds = [item.get("type") for item in layout.iter("LayoutItem")]
    assert {kind: kinds.count(kind) for kind in ("65639", "65640", "65642", "65646")} == {
        "65639": 3, "65640": 1, "65642": 2, "65646": 1,
    }  # fmt: skip


@pytest.mark.parametrize("count", [0, 8, 35, 36, 107])
def test_who_made_the_sheet_is_whole_in_its_box(count):
    """QGIS cuts what leaves the box: of three offices the third; from 3.24 on it breaks lines at spaces alone, which
    Chinese has not. A Chinese character is as wide as its size, a line of them 1.45 sizes high."""
    item = made_by("局" * count)
    width, height = (float(part) for part in item.get("size").split(",")[:2])
    size_mm = float(item.find("LabelFont").get("description").split(",")[1]) * 25.4 / 72
    lines = item.get("labelText").split("\n")
    assert all(len(line) * size_mm <= width for line in lines)
    assert len(lines) * 1.45 * size_mm <= height
    assert float(item.get("position").split(",")[1]) + height <= 210
    assert "".join(lines) == (f"编制单位：{'局' * count}" if count else "")


def test_titles_and_names_are_shown_as_they_are_and_no_expression(world, tmp_path):
    """QGIS evaluates what stands between [% and %]: a title with [%] took the zone's id with it."""
    other = World.at(tmp_path)
    shutil.copytree(world.out, other.out)
    other.settings |= {"deliverables": ["project"], "title": "植被覆盖度[%]监测", "organisation": "[% env('HOME') %]"}
    other.write_config()
    other.run()
    layout = project(other.results).find("Layouts/Layout")
    texts = {item.get("id"): item.get("labelText") for item in layout if item.get("labelText")}
    assert texts["subtitle"].startswith("植被覆盖度[% '[%' %]]监测  |  片区 [% \"zone_id\" %]  |")
    assert texts["made"] == "编制单位：[% '[%' %] env('HOME') %]"


def test_a_name_with_signs_that_no_file_can_have_names_a_sheet(root):
    pattern = root.find("Layouts/Layout/Atlas").get("filenamePattern")
    assert r"""regexp_replace(nullif("name_zh", ''), '[\\\\/:*?"<>|]', '_')""" in pattern


def test_what_is_said_of_a_zone_has_the_width_of_the_sheet_and_nothing_is_below_it(root):
    items = {item.get("id"): item for item in root.iter("LayoutItem")}
    said = items["source"]
    assert all(column in said.get("labelText") for column in ("status_zh", "comparability_zh", "plausibility_zh"))
    (_, top), (width, height) = (list(map(float, said.get(key).split(",")[:2])) for key in ("position", "size"))
    assert width == 277
    assert height >= 4 * 3.7  # lines of 7 points
    for name in ("area and cover", "carbon", "locator"):
        above, tall = (float(items[name].get(key).split(",")[1]) for key in ("position", "size"))
        assert above + tall <= top, name
    lines = items["area and cover"].get("labelText").count("\n") + 1
    assert lines * 4.3 <= float(items["area and cover"].get("size").split(",")[1])  # lines of 8.5 points


def test_a_sheet_finds_nothing_amiss_only_where_there_are_figures(root):
    source = next(item for item in root.iter("LayoutItem") if item.get("id") == "source").get("labelText")
    assert """coalesce("plausibility_zh", if("carbon_tC_ha" is null, '无', '未见异常'))""" in source


def test_a_run_again_elsewhere_writes_the_same_bytes(world, tmp_path):
    before = (world.results / "tiny.qgz").read_bytes()
    geopackage = (world.results / "zones.gpkg").read_bytes()
    shutil.copytree(world.folder, tmp_path / "other")
    other = World(tmp_path / "other")
    (other.results / "tiny.qgz").unlink()
    other.run()
    assert (other.results / "tiny.qgz").read_bytes() == before
    assert (other.results / "zones.gpkg").read_bytes() == geopackage


def test_without_a_second_period_the_stock_stands_for_the_sink(tmp_path):
    world = World.finished(tmp_path)
    world.settings |= {"deliverables": ["project"], "periods": {"current": "2023-2025"}}
    world.write_config()
    world.run()
    root = project(world.results)
    maps = [item.get("followPresetName") for item in root.iter("LayoutItem") if item.get("followPresetName")]
    assert maps[-2:] == ["遥感植被覆盖度 2023-2025", "生物量碳密度 2023-2025"]


def test_a_view_of_the_sink_is_pale_where_the_change_may_be_zero(tmp_path):
    """A veil lies over the sink of each zone and paints only the class of changes that may be zero; where nothing has
    an error there is none. Over the cover of a zone with open water lies that."""
    world = World.finished(tmp_path)
    world.settings |= {"deliverables": ["patches", "project"], "uncertainty": {"draws": 100}}
    world.write_config()
    world.run()
    root = project(world.results)
    found = layers(root)
    names = list(found)
    sinks = [name for name in names if "_sink_2" in name]
    assert len(sinks) == 4
    views = [[layer.get("id") for layer in view] for view in root.find("visibility-presets")]
    for sink in sinks:
        veil = sink.replace("_sink_", "_veil_")
        assert names.index(veil) == names.index(sink) - 1
        assert [view for view in views if veil in view] == [view for view in views if sink in view]
        assert found[veil].findtext("datasource") == found[sink].findtext("datasource").replace("sink", "sink_class")
        (entry,) = found[veil].iter("paletteEntry")
        assert (entry.get("value"), entry.get("alpha")) == ("2", "184")
    texts = [item.get("labelText") for item in root.iter("LayoutItem")]
    assert "浅色：像元变化不显著" in texts
    assert "蓝色：半数以上年份为开阔水面" in texts
    waters = [f"raster_W01_water_{label}" for label in ("2023-2025", "2019-2021")]
    assert [name for name in names if "_water_2" in name] == waters
    below, blue = found[waters[0]].iter("item")
    assert (below.get("value"), below.get("alpha")) == ("0.495", "0")
    assert (blue.get("value"), blue.get("label"), blue.get("alpha")) == ("inf", "开阔水面", "255")
    world.settings["uncertainty"] = {"draws": 0}
    world.write_config()
    world.run()
    text = ElementTree.tostring(project.__wrapped__(world.results), encoding="unicode")
    assert "sink_class" in text
    assert "浅色" not in text


def test_areas_are_measured_on_the_ellipsoid_of_the_tables(root):
    """CGCS2000, EPSG:1024; without one QGIS measures F05 a third too large."""
    assert root.findtext("properties/Measure/Ellipsoid") == "EPSG:1024"
    assert root.findtext("properties/Measurement/AreaUnits") == "ha"


def test_rasters_that_are_not_mapped_yet_are_no_layers(tmp_path):
    world = World.finished(tmp_path)
    world.settings["deliverables"] = ["styles", "project"]
    world.write_config()
    shutil.rmtree(world.results / "zones" / "F02")
    world.run(zone="F01")
    assert not (world.results / "zones" / "F02").exists()
    sources = [layer.findtext("datasource") for layer in layers(project(world.results)).values()]
    assert all((world.results / source.partition("|")[0]).is_file() for source in sources)
    assert any("F01_fvc" in source for source in sources)


def test_the_layers_of_a_zone_stand_from_what_is_asked_first(root):
    names = [layer.get("name") for layer in root.find("layer-tree-group//layer-tree-group/layer-tree-group")]
    variables = [next(v for v in ORDER if name.startswith(VARIABLES[v].long_name_zh)) for name in names if name]
    assert variables == ["sink", "fvc", "fvc", "carbon_stock", "carbon_stock", "agb", "agb", "ndvi", "ndvi",
                         "clear_count", "clear_count"]  # fmt: skip
    assert [name[-9:] for name in names if name and "覆盖度" in name] == ["2023-2025", "2019-2021"]
    assert sorted(ORDER) == sorted(VARIABLES)
