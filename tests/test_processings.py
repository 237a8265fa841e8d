"""An acquisition that lies there in two processings is seen once, as the newer one shows it."""

import shapely
from conftest import CRS, LEFT, TOP, write_item

from pipeline.scenes.catalog import Wanted, find_scenes
from pipeline.scenes.listing import list_scenes
from pipeline.scenes.processings import older_processings
from pipeline.scenes.same_day import scenes_in
from pipeline.scenes.season import PEAK

FIRST = "S2A_MSIL2A_20180803T032541_N0208_R018_T49TCF_20180803T063540"
COLLECTION_1 = "S2A_MSIL2A_20180803T032541_N0500_R018_T49TCF_20230721T012345"
LANDSAT = "LC08_L2SP_127031_20180803_{}_02_T1"
MODIS = "MOD13Q1.A2018209.h26v04.{}"


def test_the_newer_processing_replaces_the_older():
    assert older_processings([COLLECTION_1, FIRST]) == {FIRST: COLLECTION_1}
    between = FIRST.replace("N0208", "N0214")
    assert older_processings([FIRST, COLLECTION_1, between]) == {FIRST: COLLECTION_1, between: COLLECTION_1}
    old, new = LANDSAT.format("20200831"), LANDSAT.format("20210915")
    assert older_processings([old, new]) == {old: new}
    assert older_processings([f"{old}_SR", f"{new}_SR"]) == {f"{old}_SR": f"{new}_SR"}  # items of the USGS
    assert older_processings([old.replace("_T1", "_RT"), new]) == {old.replace("_T1", "_RT"): new}
    old, new = MODIS.format("006.2018227000123"), MODIS.format("061.2021350123456")
    assert older_processings([new, old]) == {old: new}


def test_two_parts_of_one_tile_and_other_acquisitions_stay():
    part = COLLECTION_1.replace("20230721T012345", "20230721T054321")
    assert older_processings([COLLECTION_1, part]) == {}
    others = [FIRST.replace("T49TCF", "T49TDF"), FIRST.replace("S2A", "S2B"), FIRST.replace("R018", "R061"),
              FIRST.replace("20180803T032541", "20180806T032541"), "S2A_49TCF_20180803_0_L2A", "A"]  # fmt: skip
    assert older_processings([COLLECTION_1, *others]) == {}


def test_a_run_a_list_and_a_local_fit_use_the_newer_one(tmp_path):
    """By id the first processing comes before the other, whose pixels those of the day are."""
    write_item(tmp_path, FIRST, "2023-08-01")
    write_item(tmp_path, COLLECTION_1, "2023-08-01")
    area = shapely.box(LEFT, TOP - 40, LEFT + 40, TOP)
    (scene,), aside = find_scenes(tmp_path, wanted := Wanted((2023,), PEAK, ("red", "nir"), CRS, area))
    assert (scene.id, aside) == (COLLECTION_1, [])
    assert {one.name: one.remark for one in list_scenes(tmp_path, wanted, area)} == {
        FIRST: f"older than {COLLECTION_1}",
        COLLECTION_1: "",
    }
    assert [scene.id for scene in scenes_in(tmp_path)] == [COLLECTION_1]


def test_two_processings_are_told_where_the_ids_of_items_lack_the_baseline(tmp_path):
    """As those of the Planetary Computer do; an item of Earth Search keeps its own id."""
    for product in (FIRST, COLLECTION_1):
        name = product.replace("_N0208_", "_").replace("_N0500_", "_")
        write_item(tmp_path, name, "2023-08-01", properties={"s2:product_uri": f"{product}.SAFE"})
    write_item(tmp_path, "S2A_49TCF_20180803_0_L2A", "2023-08-02", properties={"s2:product_uri": f"{FIRST}.SAFE"})
    area = shapely.box(LEFT, TOP - 40, LEFT + 40, TOP)
    wanted = Wanted((2023,), PEAK, ("red", "nir"), CRS, area)
    scenes, aside = find_scenes(tmp_path, wanted)
    assert ([scene.id for scene in scenes], aside) == ([COLLECTION_1, "S2A_49TCF_20180803_0_L2A"], [])
    assert {one.name: one.remark for one in list_scenes(tmp_path, wanted, area)}[FIRST] == f"older than {COLLECTION_1}"


def test_the_older_one_is_used_where_the_newer_is_not(tmp_path):
    write_item(tmp_path, FIRST, "2023-08-01")
    write_item(tmp_path, COLLECTION_1, "2023-08-01", assets={"nir": None})
    area = shapely.box(LEFT, TOP - 40, LEFT + 40, TOP)
    (scene,), (aside,) = find_scenes(tmp_path, Wanted((2023,), PEAK, ("red", "nir"), CRS, area))
    assert (scene.id, aside.scene) == (FIRST, COLLECTION_1)
