"""Landsat Collection 2 Level-2: scale from the MTL, bands by mission, masks bit by bit, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import REAL, make_grid, write_tif
from pystac import Item

from pipeline.errors import SceneError
from pipeline.scenes import layouts
from pipeline.scenes.catalog import footprint
from pipeline.scenes.layouts import candidates
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.sensors.landsat import PIXEL_QUALITY, saturation_rule, scene_from_landsat_item, scene_from_mtl

NAMES = {"TM": "LT05", "ETM": "LE07", "OLI_TIRS": "LC09"}
RED_NIR = {"TM": (3, 4), "ETM": (3, 4), "OLI_TIRS": (4, 5)}
CLEAR_LAND = 0b1010101000000
"""21824 less bit 14, as TM and ETM+ have it: clear, all confidences low."""

MTL = """GROUP = LANDSAT_METADATA_FILE
  GROUP = PRODUCT_CONTENTS
    PROCESSING_LEVEL = "{level}"
    COLLECTION_NUMBER = {collection}
  END_GROUP = PRODUCT_CONTENTS
  GROUP = IMAGE_ATTRIBUTES
    SPACECRAFT_ID = "LANDSAT_7"
    SENSOR_ID = "{sensor}"
    WRS_PATH = 128
    WRS_ROW = 32
    DATE_ACQUIRED = 2023-08-01
    SCENE_CENTER_TIME = "03:15:13.8610990Z"
    CLOUD_COVER = 12.5
  END_GROUP = IMAGE_ATTRIBUTES
  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
{scales}
  END_GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS
  GROUP = LEVEL1_RADIOMETRIC_RESCALING
    REFLECTANCE_MULT_BAND_3 = 2.0000E-05
    REFLECTANCE_ADD_BAND_3 = -0.100000
  END_GROUP = LEVEL1_RADIOMETRIC_RESCALING
END_GROUP = LANDSAT_METADATA_FILE
END
"""
SCALES = "\n".join(
    f"    REFLECTANCE_MULT_BAND_{n} = 2.75e-05\n    REFLECTANCE_ADD_BAND_{n} = -0.2" for n in range(1, 8)
)


def write_landsat(folder: Path, sensor="ETM", level="L2SP", collection="02", pixel=CLEAR_LAND, radsat=0) -> Path:
    """A product of 4 x 4 pixels: red 9000 and near infrared 18000, all else 1. Returns its MTL."""
    name = f"{NAMES[sensor]}_{level}_128032_20230801_20230901_{collection}_T1"
    for number in range(1, 8):
        value = dict(zip(RED_NIR[sensor], (9000, 18000), strict=True)).get(number, 1)
        write_tif(folder / f"{name}_SR_B{number}.TIF", np.full((4, 4), value, "uint16"), pixel=30)
    for layer, value in (("QA_PIXEL", pixel), ("QA_RADSAT", radsat)):
        write_tif(folder / f"{name}_{layer}.TIF", np.broadcast_to(np.uint16(value), (4, 4)).copy(), pixel=30)
    path = folder / f"{name}_MTL.txt"
    path.write_text(MTL.format(sensor=sensor, level=level, collection=collection, scales=SCALES), encoding="utf-8")
    return path


GRID = make_grid(4, 4, pixel=30)


def reflectance(scene) -> list[float]:
    found = read_bands(scene, ("red", "nir"), GRID)
    return [float(stored[0, 0] * scale + offset) for stored, scale, offset, _ in found.values()]


@pytest.mark.parametrize("sensor", NAMES)
def test_red_and_near_infrared_are_the_bands_of_the_mission(tmp_path, sensor):
    """9000 and 18000 are reflectance 0.0475 and 0.2950 (science.md 1.1), in bands 3 and 4, or 4 and 5 of OLI."""
    scene = scene_from_mtl(write_landsat(tmp_path, sensor))
    assert reflectance(scene) == pytest.approx([0.0475, 0.2950])
    assert read_classes(scene, GRID).tolist() == [[CLEAR] * 4] * 4
    assert (scene.tile, scene.cloud_percent, scene.taken.isoformat()) == ("128032", 12.5, "2023-08-01T03:15:13+00:00")
    assert scene.level == "surface_reflectance"


def test_quality_bits_as_documented():
    """Bits of QA_PIXEL (science.md 1.2): fill 0, dilated 1, cirrus 2, cloud 3, shadow 4, snow 5, clear 6, water 7."""
    found = PIXEL_QUALITY.classes(np.array([1 << bit for bit in range(8)] + [21824, 0], "uint16")).tolist()
    assert found == [0, 0, 0, BUFFERED, BUFFERED, 0, CLEAR, CLEAR | WATER, CLEAR, 0]


def test_only_saturation_of_used_bands_masks():
    """OLI red and near infrared are bits 3 and 4; blue (bit 1) says nothing of NDVI. Bit 11: ground out of sight."""
    stored = np.array([0, 1 << 1, 1 << 3, 1 << 4, 1 << 11], "uint16")
    rule = saturation_rule("landsat-oli", {"blue": 2, "red": 4, "nir": 5}).about(("red", "nir"))
    assert rule.classes(stored).tolist() == [CLEAR, CLEAR, 0, 0, 0]
    dropped = saturation_rule("landsat-tm", {"red": 3, "nir": 4})
    assert dropped.classes(np.array([1 << 2, 1 << 3, 1 << 9, 1 << 11], "uint16")).tolist() == [0, 0, 0, CLEAR]


def test_saturated_pixels_and_scan_line_gaps_are_not_clear(tmp_path):
    gaps = np.full((4, 4), CLEAR_LAND, "uint16")
    gaps[1] = 1
    saturated = np.zeros((4, 4), "uint16")
    saturated[2, 0], saturated[2, 1] = 1 << 2, 1 << 0
    scene = scene_from_mtl(write_landsat(tmp_path, "ETM", pixel=gaps, radsat=saturated)).using(("red", "nir"))
    classes = read_classes(scene, GRID)
    assert (classes[1] == 0).all()
    assert classes[2].tolist() == [0, CLEAR, CLEAR, CLEAR]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"collection": "01"}, "is of Collection 01, not 2; get its Collection 2 Level-2 product"),
        ({"level": "L1TP"}, r"is L1TP, not surface reflectance; get its Level-2 product \(L2SP or L2SR\)"),
    ],
)
def test_other_collections_and_levels_are_refused(tmp_path, changes, says):
    with pytest.raises(SceneError, match=says):
        scene_from_mtl(write_landsat(tmp_path, **changes))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"ETM"', '"MSS"', "is of the instrument MSS"),
        ("    REFLECTANCE_ADD_BAND_3 = -0.2\n", "", "has no usable 'REFLECTANCE_ADD_BAND_3'"),
        ("2023-08-01", "tomorrow", "has no usable Invalid isoformat"),
    ],
)
def test_metadata_that_leave_something_open_are_refused(tmp_path, old, new, says):
    path = write_landsat(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(SceneError, match=says):
        scene_from_mtl(path)


@pytest.mark.parametrize(
    ("form", "content", "says"),
    [
        (
            "txt",
            "END_GROUP = PRODUCT_CONTENTS\n",
            r"cannot be read \(the group PRODUCT_CONTENTS ends",
        ),
        ("json", "[]", r"cannot be read \(it holds no groups\)"),
        ("json", "{}", r"cannot be read \(it holds no groups\)"),
        ("json", '{"LANDSAT_METADATA_FILE": {"PRODUCT_CONTENTS": 2}}', "is of Collection 01"),
        ("txt", "GROUP = PRODUCT_CONTENTS\nCOLLECTION_NUMBER = two\n", "is of Collection two, not 2"),
    ],
)
def test_damaged_metadata_are_refused(tmp_path, form, content, says):
    path = write_landsat(tmp_path).with_suffix(f".{form}")
    path.write_text(content)
    with pytest.raises(SceneError, match=says):
        scene_from_mtl(path)


@pytest.mark.parametrize("line", ["    CLOUD_COVER = 12.5\n", "12.5"])
def test_a_cloud_cover_that_cannot_be_read_is_unknown(tmp_path, line):
    path = write_landsat(tmp_path)
    path.write_text(path.read_text().replace(line, "" if line.endswith("\n") else "n/a"))
    assert scene_from_mtl(path).cloud_percent is None
    assert scene_from_landsat_item(stac_item(tmp_path, **{"eo:cloud_cover": "n/a"}), tmp_path).cloud_percent is None


@pytest.mark.parametrize(("layer", "lacks"), [("SR_B3", "red"), ("QA_PIXEL", "QA_PIXEL"), ("QA_RADSAT", "QA_RADSAT")])
def test_an_incomplete_product_is_refused(tmp_path, layer, lacks):
    path = write_landsat(tmp_path)
    next(tmp_path.glob(f"*_{layer}.TIF")).unlink()
    with pytest.raises(SceneError, match=f"lacks {lacks}; get the complete product"):
        scene_from_mtl(path)


def test_an_archive_is_refused(tmp_path):
    (tmp_path / "LC08_L2SP_128032_20230801_20230901_02_T1.tar").touch()
    ((_, read),) = candidates(tmp_path)
    with pytest.raises(SceneError, match=r"\.tar: is an archive; unpack it into a folder"):
        read()


def test_bands_without_their_metadata_are_refused(tmp_path):
    write_landsat(tmp_path / "whole")
    write_landsat(tmp_path / "bands").unlink()
    (_, whole), (name, read) = candidates(tmp_path)
    assert name == whole().id
    with pytest.raises(SceneError, match=rf"bands: the bands of {name} have no {name}_MTL\.txt beside them; get"):
        read()


@pytest.mark.parametrize("description", ["bands/item.json", "manifest.yaml"])
def test_bands_that_an_item_or_a_manifest_describes_need_no_other_metadata(tmp_path, description):
    write_landsat(tmp_path / "bands").unlink()
    (tmp_path / description).write_text("{}")
    assert not any("_MTL" in reason for reason in map(refusal, candidates(tmp_path)))


def refusal(candidate) -> str:
    with pytest.raises(SceneError) as refused:
        candidate[1]()
    return str(refused.value)


@pytest.mark.parametrize("name", ["MTL.json", "SR_stac.json"])
def test_a_broken_twin_of_the_metadata_announces_no_second_scene(tmp_path, name):
    path = write_landsat(tmp_path)
    twin = path.with_name(path.name.replace("MTL.txt", name))
    twin.write_text("{")
    assert len(list(candidates(tmp_path))) == 1


def stac_item(folder: Path, **properties) -> Item:
    """An item as STAC APIs of today give it, with the files of a product."""
    write_landsat(folder, "OLI_TIRS")
    declared = {"raster:bands": [{"scale": 2.75e-5, "offset": -0.2}]}
    files = {"red": "SR_B4", "nir08": "SR_B5", "qa_pixel": "QA_PIXEL", "qa_radsat": "QA_RADSAT"}
    assets = {
        name: {"href": next(folder.glob(f"*_{file}.TIF")).name, **(declared if file[0] == "S" else {})}
        for name, file in files.items()
    }
    about = {"datetime": "2023-08-01T03:15:13Z", "platform": "landsat-9", "instruments": ["oli", "tirs"],
             "landsat:collection_number": "02", "landsat:correction": "L2SP"}  # fmt: skip
    content = {"type": "Feature", "stac_version": "1.0.0", "id": "LC09", "geometry": None, "links": [],
               "properties": about | properties, "assets": assets}  # fmt: skip
    return Item.from_dict(content)


def test_a_stac_item_gives_the_same_reflectance(tmp_path):
    scene = scene_from_landsat_item(stac_item(tmp_path), tmp_path)
    assert reflectance(scene) == pytest.approx([0.0475, 0.2950])
    assert (scene.sensor, scene.platform) == ("landsat-oli", "landsat-9")


def test_an_item_among_those_of_a_search_describes_the_bands_in_a_folder_below(tmp_path):
    """As stac-asset leaves them: the items in one file, the files of each in a folder."""
    item = stac_item(tmp_path / "LC09").to_dict()
    next((tmp_path / "LC09").glob("*_MTL.txt")).unlink()
    for asset in item["assets"].values():
        asset["href"] = f"LC09/{asset['href']}"
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    ((name, read),) = candidates(tmp_path)
    assert (name, reflectance(read())) == ("LC09", pytest.approx([0.0475, 0.2950]))


def test_files_above_are_read_once_for_all_bands_that_lack_their_metadata(tmp_path, monkeypatch):
    """Of 300 scenes beside 300 items the question alone took 90 000 readings."""
    read = []
    monkeypatch.setattr(layouts, "_read_json", lambda file: read.append(file.name) or {})
    for number in range(5):
        name = f"LC08_L2SP_127032_2019080{number + 1}_20200913_02_T1"
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}_SR_B4.TIF").touch()
        (tmp_path / f"{number}.json").touch()
    assert len(list(candidates(tmp_path))) == 5
    assert len(read) == 2 * 5  # once more for the items in them


def test_a_stac_item_of_level_1_is_refused(tmp_path):
    with pytest.raises(SceneError, match="scene LC09 is L1TP, not surface reflectance"):
        scene_from_landsat_item(stac_item(tmp_path, **{"landsat:correction": "L1TP"}), tmp_path)


@pytest.mark.parametrize("scale", ["large", None])
def test_a_stac_item_whose_scale_is_no_number_is_refused(tmp_path, scale):
    item = stac_item(tmp_path).to_dict()
    item["assets"]["red"]["raster:bands"][0]["scale"] = scale
    next(tmp_path.glob("*_MTL.txt")).unlink()
    (tmp_path / "LC09.json").write_text(json.dumps(item))
    assert "LC09.json: is not a valid STAC item" in refusal(*candidates(tmp_path))


REAL_LANDSAT = REAL / "landsat_c2_l2"
real = pytest.mark.skipif(not REAL_LANDSAT.is_dir(), reason="the real Landsat scenes are not on this machine")


@real
def test_ndvi_of_a_real_scene():
    """0.775 on clear land with scale and offset, 0.389 without (README of the real data)."""
    scene = scene_from_mtl(next(REAL_LANDSAT.glob("*_008059_*_MTL.txt"))).using(("red", "nir"))
    grid = footprint(scene.id, scene.bands["red"])
    land = read_classes(scene, grid) == CLEAR
    found = read_bands(scene, ("red", "nir"), grid)
    red, nir = (stored[land] * scale + offset for stored, scale, offset, _ in found.values())
    raw_red, raw_nir = (stored[land].astype(float) for stored, *_ in found.values())
    assert np.median((nir - red) / (nir + red)) == pytest.approx(0.775, abs=0.01)
    assert np.median((raw_nir - raw_red) / (raw_nir + raw_red)) == pytest.approx(0.389, abs=0.01)


@real
def test_all_forms_of_the_metadata_say_the_same(tmp_path):
    for file in REAL_LANDSAT.glob("*_008059_*.TIF"):
        shutil.copy(file, tmp_path)
    found = []
    for suffix in ("json", "txt", "xml"):
        path = shutil.copy(next(REAL_LANDSAT.glob(f"*_008059_*_MTL.{suffix}")), tmp_path)
        found.append(scene_from_mtl(Path(path)))
    assert found[0] == found[1] == found[2]
    assert {(band.scale, band.offset) for band in found[0].bands.values()} == {(2.75e-5, -0.2)}


@real
def test_a_product_with_several_metadata_files_is_one_scene():
    names = [name for name, _ in candidates(REAL_LANDSAT)]
    assert names == [
        f"LC08_L2SP_{name}" for name in ("008059_20191201_20200825_02_T1", "017036_20130419_20200913_02_T2")
    ]
    assert json.loads(next(REAL_LANDSAT.glob("*_SR_stac.json")).read_text())["type"] == "Feature"
