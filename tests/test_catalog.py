"""Scenes found on disk: which are usable, which are set aside and why; and their pixels on the run's grid."""

import json
import re
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from conftest import CRS, LEFT, PIXEL, TOP, make_grid, noon, write_item, write_tif
from pyproj import Transformer
from rasterio import Affine
from rasterio.enums import Resampling

from pipeline.errors import ConfigError, SceneError
from pipeline.scenes.catalog import Wanted, find_scenes, grid_origin
from pipeline.scenes.layouts import unknown
from pipeline.scenes.listing import list_scenes
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER, QualityRule
from pipeline.scenes.reflectance import read_band, read_classes
from pipeline.scenes.scene import Band, Scene
from pipeline.scenes.season import PEAK, Season

AREA = shapely.box(LEFT, TOP - 40, LEFT + 40, TOP)
DN = np.arange(100, 180, 5, dtype="uint16").reshape(4, 4)
"""100 105 110 115, 120 ... 175."""


def find(path, years=(2023,), season=PEAK, bands=("red", "nir"), area=AREA):
    """(ids of the usable scenes, reasons of those set aside)."""
    scenes, aside = find_scenes(path, Wanted(years, season, bands, CRS, area))
    return [scene.id for scene in scenes], [each.reason for each in aside]


# Where scenes lie


def test_items_are_found_in_folders_whatever_else_lies_there(tmp_path):
    write_item(tmp_path / "b", "B", "2023-08-02")
    write_item(tmp_path / "a" / "deep", "A", "2023-08-03")
    (tmp_path / "collection.json").write_text('{"type": "Collection", "stac_version": "1.0.0"}')
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "cut.json").write_text('{"type": "Feature", "stac_ver')
    assert find(tmp_path) == (["B", "A"], [])  # by day


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right on Windows")
def test_links_to_folders_are_followed_and_none_twice(tmp_path):
    write_item(tmp_path / "archive", "A", "2023-08-03")
    scenes = tmp_path / "scenes"
    write_item(scenes, "B", "2023-08-02")
    (scenes / "2023").symlink_to(tmp_path / "archive", target_is_directory=True)
    (scenes / "again").symlink_to(tmp_path / "archive", target_is_directory=True)
    (scenes / "above").symlink_to(scenes, target_is_directory=True)
    assert find(scenes) == (["B", "A"], [])


def write_catalogue(path, *links):
    """A catalogue of links (kind, address)."""
    path.parent.mkdir(exist_ok=True)
    links = [{"rel": rel, "href": href} for rel, href in links]
    path.write_text(json.dumps({"type": "Catalog", "stac_version": "1.0.0", "links": links}))


def test_a_catalogue_gives_the_items_that_it_links_to(tmp_path):
    for name in "ABC":
        write_item(tmp_path / "items", name)
    write_catalogue(tmp_path / "catalog.json", ("child", "./year/catalog.json"), ("item", "items/A.json"))
    write_catalogue(tmp_path / "year" / "catalog.json", ("root", "../catalog.json"), ("item", "../items/C.json"))
    assert find(tmp_path) == (["A", "C"], [])
    assert find(tmp_path / "year" / "catalog.json") == (["C"], [])


def test_the_saved_answer_to_a_search_gives_the_items_that_were_downloaded(tmp_path):
    """An ItemCollection, as pystac-client and stac-asset save it; C has not been downloaded."""
    items = []
    for name in ("A", "B", "C"):
        path = write_item(tmp_path / name, name, "2023-08-01")
        item = json.loads(path.read_text())
        for asset in item["assets"].values():
            file = tmp_path / name / asset["href"]
            asset["href"] = {"A": f"A/{file.name}", "B": str(file), "C": f"https://far.example/{file.name}"}[name]
        path.unlink()
        items.append(item)
    collection = tmp_path / "item-collection.json"
    collection.write_text(json.dumps({"type": "FeatureCollection", "features": [*items, None, {"type": "Feature"}]}))
    assert find(tmp_path) == (["A", "B"], [])
    assert list(unknown(tmp_path)) == []
    scenes, (reason,) = find(collection)
    assert (scenes, reason[:26]) == (["A", "B"], "scene C lacks red, nir, SC")
    for features in ({}, None, [{"type": "Feature", "stac_version": "1.0.0", "assets": [1]}]):
        collection.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        with pytest.raises(SceneError, match="holds no scene of a known product"):
            find(tmp_path)


def test_a_catalogue_that_links_to_nothing_gives_the_items_below_it(tmp_path):
    write_item(tmp_path / "items", "A")
    (tmp_path / "catalog.json").write_text('{"type": "Catalog", "links": [{"rel": "self", "href": "s3://far/away"}]}')
    assert find(tmp_path) == (["A"], [])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right on Windows")
def test_items_below_a_catalogue_are_found_through_links_to_folders_too(tmp_path):
    write_item(tmp_path / "archive", "A")
    write_catalogue(tmp_path / "scenes" / "catalog.json")
    (tmp_path / "scenes" / "2023").symlink_to(tmp_path / "archive", target_is_directory=True)
    assert find(tmp_path / "scenes") == (["A"], [])


def test_one_item_is_read_alone(tmp_path):
    for name in "AB":
        item = write_item(tmp_path, name)
    assert find(item) == (["B"], [])
    item.write_text(item.read_text()[:-9])
    with pytest.raises(SceneError, match=r"B\.json: is not a STAC catalogue or item; correct scenes\.path"):
        find(item)


def test_what_a_catalogue_links_elsewhere_or_was_not_copied_is_left_out(tmp_path):
    write_item(tmp_path, "A")
    for kind in ("child", "item"):
        hrefs = ("https://far.example/c.json", "s3://far/c.json", "gone/c.json", "A.json/c.json", "http://[", None, 7)
        write_catalogue(tmp_path / "catalog.json", ("item", "A.json"), *((kind, href) for href in hrefs))
        assert find(tmp_path) == (["A"], [])
    (tmp_path / "catalog.json").write_text('{"links": [{"rel": "child"}, "item", {"rel": "item"}]}')
    assert find(tmp_path) == (["A"], [])


def test_catalogues_that_link_to_each_other_are_read_once(tmp_path):
    write_item(tmp_path, "A")
    write_catalogue(tmp_path / "catalog.json", ("child", "b/catalog.json"), ("child", "catalog.json"))
    write_catalogue(tmp_path / "b" / "catalog.json", ("child", "../catalog.json"), ("item", "../A.json"))
    assert find(tmp_path) == (["A"], [])


def test_a_damaged_catalogue_is_named(tmp_path):
    (tmp_path / "catalog.json").write_text('{"links": [')
    with pytest.raises(SceneError, match=r"catalog\.json: is not a STAC catalogue"):
        find(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_child_of_a_catalogue_is_set_aside_and_the_others_count(tmp_path, content):
    for name in ("2022", "2023"):
        write_item(tmp_path / name, f"in {name}")
        write_catalogue(tmp_path / name / "catalog.json", ("item", f"in {name}.json"))
    write_catalogue(tmp_path / "catalog.json", *(("child", f"{year}/catalog.json") for year in (2022, 2023)))
    child = tmp_path / "2022" / "catalog.json"
    child.write_text(content)
    scenes, (aside,) = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert ([scene.id for scene in scenes], aside.scene) == (["in 2023"], str(child))
    assert aside.reason == f"{child}: is not a STAC catalogue; get it again"


def test_an_item_with_a_byte_order_mark_is_read(tmp_path):
    """Notepad saves one."""
    write_item(tmp_path, "A")
    item = tmp_path / "A.json"
    item.write_bytes(b"\xef\xbb\xbf" + item.read_bytes())
    assert find(tmp_path) == (["A"], [])


@pytest.mark.parametrize("catalogued", [False, True])
@pytest.mark.parametrize(
    "content", [b"{", b"", '{"title": "包头"}'.encode("gbk"), b"[" * 100_000], ids=["cut", "empty", "GBK", "too deep"]
)
def test_an_item_beside_its_bands_that_is_not_json_is_set_aside(tmp_path, content, catalogued):
    write_item(tmp_path / "a", "A")
    write_item(tmp_path / "x", "X")
    (tmp_path / "x" / "X.json").write_bytes(content)
    if catalogued:
        links = [{"rel": "item", "href": f"{item}.json"} for item in ("a/A", "x/X", "y/not copied")]
        (tmp_path / "catalog.json").write_text(json.dumps({"type": "Catalog", "links": links}))
    scenes, (aside,) = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert ([scene.id for scene in scenes], aside.scene) == (["A"], "X.json")
    file = re.escape(str(tmp_path / "x" / "X.json"))
    assert re.fullmatch(rf"{file}: cannot be read as JSON \(.+\); get the product again", aside.reason)


def test_an_item_nested_too_deeply_is_set_aside(tmp_path):
    write_item(tmp_path / "a", "A")
    item = write_item(tmp_path / "x", "X")
    text = item.read_text(encoding="utf-8").removesuffix("}")
    item.write_text(f'{text}, "further": {"[" * 500}{"]" * 500}}}', encoding="utf-8")
    found, (reason,) = find(tmp_path)
    assert found == ["A"]
    assert "is not a valid STAC item" in reason


# Which scenes count


def test_years_and_season_go_by_the_local_day_with_both_ends(tmp_path):
    for day in ("2022-08-01", "2023-07-13", "2023-07-15", "2023-08-31", "2023-09-01"):
        write_item(tmp_path, day, day)
    # 20:00 UTC is the next morning in Baotou
    write_item(tmp_path, "2023-07-14 evening", properties={"datetime": "2023-07-14T20:00:00Z"})
    assert find(tmp_path)[0] == ["2023-07-14 evening", "2023-07-15", "2023-08-31"]
    assert find(tmp_path, years=(2022, 2023), season=Season((8, 1), (8, 1)))[0] == ["2022-08-01"]


def test_a_date_at_the_end_of_the_calendar_which_stands_for_none_is_outside_the_years(tmp_path):
    write_item(tmp_path, "A")
    write_item(tmp_path, "X", properties={"datetime": "9999-12-31T23:59:59Z"})
    assert find(tmp_path) == (["A"], [])


def test_a_scene_off_the_zones_is_left_out_without_a_word(tmp_path):
    write_item(tmp_path)
    with pytest.raises(SceneError, match=r"none of 1 scenes.*and the zones$"):
        find(tmp_path, area=shapely.box(LEFT + 50, TOP - 40, LEFT + 90, TOP))
    with pytest.raises(SceneError, match="; the nearest lies 60 km off the zones: check the CRS of the zones, or"):
        find(tmp_path, area=shapely.box(LEFT + 60_000, TOP - 40, LEFT + 60_040, TOP))
    with pytest.raises(SceneError, match=r"none of 1 scenes.*and the zones$"):  # of the wrong year, wherever it lies
        find(tmp_path, (2022,), area=shapely.box(LEFT + 60_000, TOP - 40, LEFT + 60_040, TOP))


def test_a_scene_whose_projection_does_not_reach_the_zones_lies_off_them_at_no_distance(tmp_path):
    """As the view of a geostationary satellite over the other half of the earth."""
    write_item(tmp_path)
    for band, value in {"red": np.uint16(1900), "nir": np.uint16(3500), "scl": np.uint8(4)}.items():
        write_tif(tmp_path / f"A_{band}.tif", np.full((4, 4), value), left=0, top=0, pixel=1000,
                  crs="+proj=geos +h=35785831 +lon_0=-75")  # fmt: skip
    with pytest.raises(SceneError, match=r"none of 1 scenes.*and the zones$"):
        find(tmp_path)


def test_nothing_found_names_the_path_and_what_was_asked(tmp_path):
    (tmp_path / "GF6_20230801_SR.tif").touch()
    with pytest.raises(SceneError, match=re.escape(f"{tmp_path}: holds no scene of a known product")):
        find(tmp_path)
    write_item(tmp_path, day="2022-08-01")
    nothing = "none of 1 scenes lies in the years 2023-2023, the season 07-15 to 08-31 and the zones"
    with pytest.raises(SceneError, match=re.escape(f"{tmp_path}: {nothing}")):
        find(tmp_path)
    with pytest.raises(SceneError, match=re.escape(f"{tmp_path / 'scenes'}: there is no such scene folder")):
        find(tmp_path / "scenes")


def test_scenes_that_are_all_set_aside_are_not_said_to_lie_elsewhere(tmp_path):
    write_item(tmp_path, "A", assets={"red": None})
    with pytest.raises(SceneError, match=r"no scene can be used, the first of 1 set aside for this: .*A.* red; [^;]*$"):
        find(tmp_path)
    write_item(tmp_path, "B", day="2022-08-01")
    with pytest.raises(SceneError, match="; 1 more outside the years 2023-2023, the season 07-15 to 08-31 and the"):
        find(tmp_path)


def masked(folder):
    path = write_tif(folder / "X_red.tif", DN)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        file.write_mask(np.array([[True, False] * 2] * 4))


SEMI = np.full((4, 2), 4, "uint8")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (lambda f: write_tif(f / "X_nir.tif", DN, crs=None), r"scene X: .*X_nir\.tif has no CRS"),
        (lambda f: write_tif(f / "X_scl.tif", SEMI), "scene X: its quality layer covers 50% of it"),
        (lambda f: write_tif(f / "X_nir.tif", DN, left=LEFT + 20), "scene X: its nir layer covers 50% of it"),
        (lambda f: (f / "X_red.tif").unlink(), "scene X lacks red"),
        (lambda f: (f / "X_red.tif").write_bytes(b"II*\0cut"), r"scene X: .*X_red\.tif cannot be read"),
        (lambda f: write_item(f, "X", properties={"datetime": None}), "X.*datetime"),
        (lambda f: write_tif(f / "X_nir.tif", DN, nodata=65535), r"X_nir\.tif has the nodata 65535, not 0"),
        (masked, r"X_red\.tif has a mask of its own"),
        (
            lambda f: write_item(f, "X", assets={"nir": {"href": "X_red.tif"}}),
            "scene X names one layer for several bands",
        ),
        (lambda f: (f / "X.json").write_text('{"type": "Feature", "stac_version": "1.0.0", "id": "X"}'), "X"),
        (
            lambda f: write_item(f, "X", assets={"nir": {"href": "x" * 300}}),
            "scene X lacks nir; download",
        ),
        (
            lambda f: write_item(
                f,
                "X",
                assets={
                    band: {"href": f"X_{band}.tif", "raster:bands": [{"scale": float("inf")}]}
                    for band in ("red", "nir")
                },
            ),
            "scene X gives red the scale inf and the offset 0, which make no reflectance",
        ),
    ],
    ids=[
        "no CRS",
        "half a quality layer",
        "bands apart",
        "missing",
        "cut",
        "no date",
        "another nodata",
        "a mask of its own",
        "one layer twice",
        "damaged item",
        "an address too long for a name",
        "an infinite scale",
    ],
)
def test_a_faulty_scene_is_set_aside_with_its_reason_and_the_others_stay(tmp_path, fault, reason):
    write_item(tmp_path, "A")
    write_item(tmp_path, "X")
    fault(tmp_path)
    found, (said,) = find(tmp_path)
    assert found == ["A"]
    assert re.search(reason, said)


def test_of_two_scenes_of_one_id_the_first_is_used(tmp_path):
    write_item(tmp_path / "a", "X")
    write_item(tmp_path / "copy", "X")
    assert find(tmp_path) == (["X"], ["scene X is there twice; remove one copy"])


def test_a_scene_without_a_band_of_the_indices_is_set_aside(tmp_path):
    write_item(tmp_path, "A", pixels={"swir16": np.uint16(2000)})
    write_item(tmp_path, "X")
    assert find(tmp_path, bands=("red", "nir", "swir16")) == (["A"], ["scene X lacks swir16; get the complete product"])


def test_the_grid_starts_at_the_corner_of_a_scene_in_its_crs(tmp_path):
    write_item(tmp_path)
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert scene.bounds == (LEFT, TOP - 40, LEFT + 40, TOP)
    assert grid_origin([scene], CRS, 10) == (LEFT, TOP)
    assert grid_origin([scene], "EPSG:32650", 10) == (0, 0)


def test_of_scenes_of_several_pixel_sizes_those_are_copied_that_are_nearest_to_the_grids(tmp_path):
    """As of Landsat, which comes first, and Sentinel-2: half a pixel off they would all be mixed."""
    write_item(tmp_path, "landsat", "2023-08-01")
    write_item(tmp_path, "sentinel", "2023-08-02")
    for asset, value in (("red", "uint16"), ("nir", "uint16"), ("scl", "uint8")):
        write_tif(tmp_path / f"landsat_{asset}.tif", np.ones((4, 4), value), left=LEFT - 15, top=TOP + 15, pixel=30)
    (first, second), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert (first.id, second.id) == ("landsat", "sentinel")
    assert grid_origin([first, second], CRS, 10) == (LEFT, TOP)
    assert grid_origin([first, second], CRS, 30) == (LEFT - 15, TOP + 15)
    elsewhere = replace(second, grids=tuple((name, "EPSG:32650", *place) for name, _, *place in second.grids))
    assert grid_origin([first, elsewhere], CRS, 10) == (LEFT - 15, TOP + 15)  # the only one whose pixels can be copied


# Manifest

MANIFEST = """
sensor: GF-1 WFV
level: surface_reflectance
scale: 1e-4
offset: -0.1
nodata: 0
scenes:
  - id: G1
    date: 2023-08-01
    bands: {red: [image.tif, 1], nir: [image.tif, 2]}
    quality: {file: quality.tif, clear: [1], water: [2], cloud: [3, 4], nodata: 255}
"""


def write_manifest(folder, text=MANIFEST, quality=((1, 2), (3, 255))):
    bands = np.stack([np.full((4, 4), 1900, "uint16"), np.full((4, 4), 3500, "uint16")])
    write_tif(folder / "image.tif", bands)
    write_tif(folder / "quality.tif", np.array(quality, "uint8"), pixel=20)
    (folder / "manifest.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_manifest_declares_bands_scale_and_quality(tmp_path):
    (scene,), aside = find_scenes(write_manifest(tmp_path), Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert (scene.id, scene.sensor, scene.origin, aside) == ("G1", "GF-1 WFV", "manifest", [])
    nir = scene.bands["nir"]
    assert (read_band(scene, "nir", make_grid(4, 4)) * nir.scale + nir.offset).tolist() == [[0.25] * 4] * 4
    clear, water, cloud = CLEAR, CLEAR | WATER, BUFFERED
    assert read_classes(scene, make_grid(4, 4)).tolist() == [
        [clear, clear, water, water],
        [clear, clear, water, water],
        [cloud, cloud, 0, 0],
        [cloud, cloud, 0, 0],
    ]
    assert find(tmp_path / "manifest.yaml") == (["G1"], [])


def test_a_manifest_in_the_current_folder_names_files_and_no_part_of_one(tmp_path, monkeypatch):
    """GTIFF_DIR:1:image.tif alone is to GDAL the first image of image.tif, or of any address behind the colon."""
    write_manifest(tmp_path, MANIFEST.replace("[image.tif, 1]", '"GTIFF_DIR:1:image.tif"'))
    monkeypatch.chdir(tmp_path)
    (listed,) = list_scenes(Path("."))
    assert "GTIFF_DIR:1:image.tif cannot be read" in listed.remark


def test_a_manifest_without_a_quality_layer_takes_all_pixels_for_clear(tmp_path):
    text = MANIFEST[: MANIFEST.index("quality:")] + "quality: null\n"
    (scene,), _ = find_scenes(write_manifest(tmp_path, text), Wanted((2023,), PEAK, ("red",), CRS, AREA))
    assert (read_classes(scene, make_grid(2, 2)) == CLEAR).all()


def test_a_value_that_means_nodata_is_never_clear():
    rule = QualityRule(frozenset({0, 1}), frozenset(), frozenset(), 0, "-")
    assert rule.classes(np.array([0, 1, 2], "uint8")).tolist() == [0, CLEAR, 0]


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("surface_reflectance", "TOA", SceneError, "level 'TOA' is not surface_reflectance"),
        ("nir: [image.tif, 2]", "green: [image.tif, 2]", SceneError, "scene G1 lacks nir"),
        ("[image.tif, 2]", "[image.tif, 3]", SceneError, r"image\.tif has 2 bands, not 3"),
        ("[image.tif, 2]", "[image.tif, 0]", ConfigError, "greater than or equal to 1"),
        ("offset: -0.1\n", "", ConfigError, r"manifest\.yaml:2: the file: the key 'offset' is missing"),
        ("2023-08-01", "2023-02-29", ConfigError, r"manifest\.yaml:9: scenes\.0\.date: .*'2023-02-29'"),
        *(
            ("2023-08-01", day, ConfigError, r"manifest\.yaml:9: scenes\.0\.date: is no date; write it as 2024-08-03")
            for day in ("20230801", "20230801.0", "1.69e9", "'1690848000'")
        ),
        ("clear: [1]", "clear: [1, 255]", ConfigError, r"manifest\.yaml:11: .* the value 255 is clear and nodata"),
        (
            "water: [2], cloud: [3, 4], nodata: 255",
            "water: [0]",
            ConfigError,
            "the value 0 is clear and nodata, which is 0",
        ),
        ("quality: {", "qualify: {", ConfigError, r"manifest\.yaml:11: .*did you mean 'quality'"),
    ],
)
def test_a_manifest_that_leaves_something_open_is_refused(tmp_path, old, new, error, says):
    """Named by the config it stops the run; in a folder it is set aside, which leaves nothing here."""
    folder = write_manifest(tmp_path, MANIFEST.replace(old, new))
    for path, kind in ((folder / "manifest.yaml", error), (folder, SceneError)):
        with pytest.raises(kind, match=says):
            find(path)


def test_a_wrong_band_in_every_scene_of_a_manifest_is_said_once(tmp_path):
    head, entry = MANIFEST.replace("red:", "read:").split("scenes:\n")
    folder = write_manifest(tmp_path, f"{head}scenes:\n{3 * entry}")
    with pytest.raises(
        ConfigError, match=r"yaml:10: scenes\.0\.bands\.read: Input should be 'blue', .*'read'"
    ) as error:
        find(folder / "manifest.yaml")
    assert str(error.value).endswith("; the same 2 times more, next in line 14")
    assert "\n" not in str(error.value)


def test_a_manifest_may_say_that_what_is_missing_is_nan(tmp_path):
    write_manifest(tmp_path, MANIFEST.replace("nodata: 0", "nodata: .nan"))
    write_tif(tmp_path / "image.tif", np.array([[[0.1, np.nan]] * 2, [[0.3, 0.3]] * 2], "float32"), pixel=20)
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    values = read_band(scene, "red", make_grid(2, 2, 20))
    assert np.array_equal(values, np.array([[0.1, np.nan]] * 2, "float32"), equal_nan=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nodata: 0", "nodata: -9999"),
        ("nodata: 0", "nodata: .nan"),
        ("clear: [1]", "clear: [300]"),
        ("clear: [1]", "clear: [-300]"),
        ("nodata: 255", "nodata: 300"),
    ],
)
def test_values_that_a_layer_cannot_hold_are_refused(tmp_path, old, new):
    write_manifest(tmp_path, MANIFEST.replace(old, new))
    with pytest.raises(SceneError, match="G1"):  # noqa: PT012 where it is noticed does not matter
        (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
        read_classes(scene, make_grid(4, 4))
        read_band(scene, "red", make_grid(8, 8))


@pytest.mark.parametrize(
    ("kind", "says"), [("int32", "values of more than 16 bits"), ("float32", "float32, not integers")]
)
def test_a_quality_layer_of_no_classes_is_refused(tmp_path, kind, says):
    write_manifest(tmp_path)
    write_tif(tmp_path / "quality.tif", np.array([[1, 65536 + 1], [1, 1]], kind), pixel=20)
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    with pytest.raises(SceneError, match=rf"scene G1: its quality layer .*{says}; correct it"):
        read_classes(scene, make_grid(4, 4))


def test_a_nodata_that_no_quality_class_can_have_is_refused_in_a_layer_of_32_bits_too(tmp_path):
    write_manifest(tmp_path, MANIFEST.replace("nodata: 255", "nodata: -999999"))
    write_tif(tmp_path / "quality.tif", np.ones((2, 2), "int32"), pixel=20)
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    with pytest.raises(SceneError, match=r"scene G1: its quality layer .*cannot hold all of its rule; correct it"):
        read_classes(scene, make_grid(4, 4))


def test_two_nodata_that_differ_in_the_last_digits_are_told_with_them(tmp_path):
    """As a file of float32 has it, and as a GIS program rounds it."""
    write_manifest(tmp_path, MANIFEST.replace("nodata: 0", "nodata: -3.4028235e+38"))
    lowest = float(np.finfo("float32").min)
    write_tif(tmp_path / "image.tif", np.full((2, 4, 4), 0.3, "float32"), nodata=lowest)
    with pytest.raises(SceneError, match=rf"has the nodata {lowest}, not -3.4028234999999".replace("+", r"\+")):
        find(tmp_path)


def test_one_faulty_scene_of_a_manifest_leaves_the_others(tmp_path):
    entry = MANIFEST[MANIFEST.index("  - id") :]
    faulty = entry.replace("G1", "X").replace("image.tif", "missing.tif")
    found, (reason,) = find(write_manifest(tmp_path, MANIFEST.replace(entry, faulty + entry)))
    assert found == ["G1"]
    assert "missing.tif cannot be read" in reason


# Pixels on the grid


def on_grid(path, grid=None, nodata=0):
    scene = Scene("A", "-", noon(2023, 8, 1), {"red": Band(str(path), nodata=nodata)}, None, None, "-")
    return read_band(scene, "red", grid or make_grid(4, 4))


def test_pixels_of_the_same_grid_are_copied(tmp_path):
    assert (on_grid(write_tif(tmp_path / "a.tif", DN)) == DN).all()
    part = on_grid(tmp_path / "a.tif", make_grid(4, 4).pad(1)[:3, :3])
    assert part.tolist() == [[0, 0, 0], [0, 100, 105], [0, 120, 125]]


def test_a_scene_says_how_large_its_pixels_are(tmp_path):
    """In metres of the grid's CRS: on the ellipsoid at 40.64 N 1e-4 degrees are 8.46 m by 11.10 m."""
    write_item(tmp_path, "metres")
    for asset in ("red", "nir", "scl"):
        write_tif(tmp_path / "degrees" / f"{asset}.tif", np.ones((4, 4), "uint16"), left=109.8172, top=40.6449,
                  pixel=1e-4, crs="EPSG:4326")  # fmt: skip
    item = json.loads((tmp_path / "metres.json").read_text()) | {"id": "degrees"}
    for asset in item["assets"]:
        item["assets"][asset]["href"] = f"{asset}.tif"
    (tmp_path / "degrees" / "degrees.json").write_text(json.dumps(item))
    scenes, _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert {scene.id: scene.pixel_m for scene in scenes} == {
        "metres": pytest.approx(10.0), "degrees": pytest.approx((8.46 * 11.10) ** 0.5, rel=2e-3)
    }  # fmt: skip


@pytest.mark.parametrize("angle", [0, 45, 90])
def test_a_scene_that_is_turned_has_pixels_as_large(tmp_path, angle):
    write_item(tmp_path)
    turned = Affine.translation(LEFT + 20, TOP - 20) * Affine.rotation(angle) * Affine.scale(10, -10)
    for asset in ("red", "nir", "scl"):
        write_tif(tmp_path / f"A_{asset}.tif", np.ones((4, 4), "uint8"), transform=turned)
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, AREA))
    assert scene.pixel_m == pytest.approx(10)


def test_a_coarser_band_is_repeated(tmp_path):
    coarse = on_grid(write_tif(tmp_path / "a.tif", DN[:2, :2], pixel=20))
    assert (coarse == DN[:2, :2].repeat(2, 0).repeat(2, 1)).all()


def test_a_finer_band_is_averaged(tmp_path):
    """Each pixel is cut into four of DN + 0, 1, 2 and 5."""
    fine = DN.repeat(2, 0).repeat(2, 1) + np.tile(np.array([[0, 1], [2, 5]], "uint16"), (4, 4))
    assert (on_grid(write_tif(tmp_path / "a.tif", fine, pixel=5)) == DN + 2).all()


@pytest.mark.parametrize("how", [Resampling.nearest, Resampling.average])
def test_overviews_of_a_finer_band_change_no_average(tmp_path, how):
    """Columns of DN 1000 and 2000 in turn behind six of nodata, which the file does not declare: every four
    columns average 1500, with nodata or without. Overviews would give 1000 or 2000, and 750 at the edge."""
    columns = np.where(np.arange(64) < 6, 0, 1000 + 1000 * (np.arange(64) % 2)).astype("uint16")
    path = write_tif(tmp_path / "a.tif", np.tile(columns, (64, 1)))
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4], how)
    assert on_grid(path, make_grid(2, 6, pixel=40)).tolist() == [[0, 1500, 1500, 1500, 1500, 1500]] * 2


def test_a_band_shifted_by_half_a_pixel_is_mixed(tmp_path):
    """To the right by 5 m: the first pixel is half covered and keeps what is known of it."""
    shifted = on_grid(write_tif(tmp_path / "a.tif", DN.astype("float32"), left=LEFT + PIXEL / 2), nodata=np.nan)
    assert shifted[0].tolist() == [100, 102.5, 107.5, 112.5]
    assert shifted[3].tolist() == [160, 162.5, 167.5, 172.5]


def test_nodata_does_not_enter_an_average(tmp_path):
    """0 of an integer band, NaN of a float one: the neighbour alone counts."""
    holes, floats = DN.copy(), DN.astype("float32")
    holes[0, 1], floats[0, 1] = 0, np.nan
    write_tif(tmp_path / "i.tif", holes, left=LEFT + PIXEL / 2)
    write_tif(tmp_path / "f.tif", floats, left=LEFT + PIXEL / 2)
    assert on_grid(tmp_path / "i.tif")[0, :3].tolist() == [100, 100, 110]
    assert on_grid(tmp_path / "f.tif", nodata=np.nan)[0, :3].tolist() == [100, 100, 110]


def test_a_band_in_degrees_lands_in_the_right_place(tmp_path):
    """Columns of 1e-4 degrees count up from 0: at a pixel's centre stands its longitude."""
    west, north = 109.80, 40.70
    columns = np.tile(np.arange(1000, dtype="float32"), (1000, 1))
    write_tif(tmp_path / "a.tif", columns, left=west, top=north, pixel=1e-4, crs="EPSG:4326")
    x, y = np.meshgrid(LEFT + PIXEL * (np.arange(4) + 0.5), TOP - PIXEL * (np.arange(4) + 0.5))
    longitude, _ = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)
    found = on_grid(tmp_path / "a.tif", nodata=-1)
    assert found == pytest.approx((longitude - west) / 1e-4 - 0.5, abs=0.6)


@pytest.mark.parametrize(("shift", "expected"), [(4, [1, 2, 1, 1]), (6, [0, 1, 2, 1]), (10, [0, 1, 2, 1])])
def test_a_quality_layer_is_never_mixed_but_taken_from_the_nearest_pixel(tmp_path, shift, expected):
    path = write_tif(tmp_path / "q.tif", np.array([[1, 2, 1, 1]] * 4, "uint8"), left=LEFT + shift)
    rule = QualityRule(frozenset({1}), frozenset(), frozenset({2}), 0, "-")
    scene = Scene("A", "-", noon(2023, 8, 1), {}, Band(str(path)), rule, "-")
    classes = {0: 0, 1: CLEAR, 2: BUFFERED}
    assert read_classes(scene, make_grid(4, 4))[0].tolist() == [classes[value] for value in expected]


def test_a_file_that_breaks_while_it_is_read_is_named(tmp_path):
    whole = write_tif(tmp_path / "a.tif", np.arange(10_000, dtype="uint16").reshape(100, 100), compress="deflate")
    whole.write_bytes(whole.read_bytes()[:-5000])
    with pytest.raises(SceneError, match=r"scene A: .*a\.tif cannot be read"):
        on_grid(whole, make_grid(100, 100))


def test_the_day_of_a_scene_is_that_of_the_local_sun():
    early = Scene("A", "-", noon(2023, 8, 1), {}, None, None, "-")
    assert early.day.isoformat() == "2023-08-01"
    assert replace(early, taken=early.taken.replace(hour=16, minute=59)).day == early.day
    assert replace(early, taken=early.taken.replace(hour=17)).day.isoformat() == "2023-08-02"
    in_baotou = timezone(timedelta(hours=8))
    assert replace(early, taken=datetime(2023, 8, 1, 23, tzinfo=in_baotou)).day.isoformat() == "2023-08-01"
    assert replace(early, taken=datetime(2023, 8, 2, 0, 59, tzinfo=in_baotou)).day == early.day
    assert replace(early, taken=datetime(2023, 8, 1, 17)).day.isoformat() == "2023-08-02"


@pytest.mark.parametrize("date", ["2023-08-01", "2023-08-01T23:00:00+08:00", "2023-08-01 15:00:00", "'20230801'"])
def test_a_manifest_gives_a_day_or_a_time_in_any_zone(tmp_path, date):
    write_manifest(tmp_path, MANIFEST.replace("2023-08-01", date))
    (scene,), _ = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red",), CRS, AREA))
    assert scene.day.isoformat() == "2023-08-01"
