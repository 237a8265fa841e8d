"""Sentinel-2 L2A: the offset comes from the product's metadata, and what stays unknown is refused."""

import shutil
import tracemalloc
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from conftest import REAL, make_grid, write_item, write_tif
from pystac import Item

from pipeline.errors import SceneError
from pipeline.scenes.admission import admit
from pipeline.scenes.layouts import candidates
from pipeline.scenes.quality import BUFFERED, CLEAR, WATER
from pipeline.scenes.reflectance import read_band, read_classes
from pipeline.scenes.sensors.sentinel2 import SCENE_CLASSIFICATION, scene_from_safe
from pipeline.scenes.sensors.sentinel2_item import scene_from_item

RED = np.arange(500, 1524, 16, dtype="uint16").reshape(8, 8)
NIR = np.full((8, 8), 2500, "uint16")
SCL = np.array([[4, 5, 6, 9], [0, 1, 2, 3], [7, 8, 10, 11], [4, 4, 4, 4]], "uint8")
"""Reflectance x 10 000 at 10 m, and scene classes at 20 m."""

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">
  <PRODUCT_START_TIME>2023-08-01T03:25:41.024Z</PRODUCT_START_TIME>
  <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
  <BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
  {offsets}
</n1:Level-2A_User_Product>
"""
BAND_IDS = {"B02": 1, "B03": 2, "B04": 3, "B08": 7, "B8A": 8, "B11": 11}


def metadata(baseline: str, offset: int | None, without: str = "") -> str:
    """The XML of a product; B8A has an offset of its own, so that no other band may take it for B08's."""
    offsets = {band: -1 if band == "B8A" else offset for band in BAND_IDS if offset is not None and band != without}
    tags = [f'<BOA_ADD_OFFSET band_id="{BAND_IDS[band]}">{value}</BOA_ADD_OFFSET>' for band, value in offsets.items()]
    return METADATA.format(baseline=baseline, offsets="\n  ".join(tags))


def write_safe(folder: Path, xml: str, offset: int = 0) -> Path:
    """A .SAFE folder with red, nir and scene classes; ``offset`` is in its pixels."""
    safe = folder / "S2A_MSIL2A_20230801T032541_N0000_R018_T49TDE_20230801T080000.SAFE"
    images = safe / "GRANULE" / "L2A_T49TDE_A000000_20230801T032541" / "IMG_DATA"
    for name, values, pixel in (
        ("R10m/T49TDE_20230801T032541_B04_10m.jp2", RED.astype(int) - offset, 10),
        ("R10m/T49TDE_20230801T032541_B08_10m.jp2", NIR.astype(int) - offset, 10),
        ("R20m/T49TDE_20230801T032541_SCL_20m.jp2", SCL, 20),
    ):
        values = values.astype("uint8" if "SCL" in name else "uint16")
        write_tif(images / name, values, pixel=pixel, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    (safe / "MTD_MSIL2A.xml").write_text(xml, encoding="utf-8")
    return safe


def ndvi(scene) -> np.ndarray:
    red, nir = (
        read_band(scene, name, make_grid(8, 8)) * scene.bands[name].scale + scene.bands[name].offset
        for name in ("red", "nir")
    )
    return (nir - red) / (nir + red)


# .SAFE folders


@pytest.mark.parametrize(("baseline", "offset"), [("02.14", None), ("04.00", -1000), ("05.09", -1000)])
def test_every_baseline_gives_the_same_index(tmp_path, baseline, offset):
    scene = scene_from_safe(write_safe(tmp_path, metadata(baseline, offset), offset or 0))
    red, nir = RED.astype(float), NIR.astype(float)
    assert ndvi(scene) == pytest.approx((nir - red) / (nir + red), rel=1e-12)
    assert scene.id == "S2A_MSIL2A_20230801T032541_N0000_R018_T49TDE_20230801T080000"
    assert scene.taken.isoformat() == "2023-08-01T03:25:41.024000+00:00"
    assert baseline in scene.origin


def test_a_product_of_the_older_format_gives_the_same_index(tmp_path):
    """PSD-13, up to 2018: another name of the quantification, and L2A_ before the names of images."""
    safe = write_safe(tmp_path, metadata("02.06", None).replace("BOA_QUANT", "L2A_BOA_QUANT"))
    for image in list(safe.rglob("*.jp2")):
        image.rename(image.with_name(f"L2A_{image.name}"))
    assert ndvi(scene_from_safe(safe)) == pytest.approx((NIR - RED.astype(float)) / (NIR + RED.astype(float)))


def zipped(safe: Path) -> Path:
    """The product as the archive hands it out: one zip with the .SAFE folder in it."""
    path = safe.with_name(f"{safe.name}.zip")
    with ZipFile(path, "w") as archive:
        for file in sorted(safe.rglob("*.*")):
            archive.write(file, file.relative_to(safe.parent))
    shutil.rmtree(safe)
    return path


@pytest.mark.parametrize(("baseline", "offset"), [("02.14", None), ("05.09", -1000)])
def test_a_zip_is_read_where_it_lies(tmp_path, baseline, offset):
    folder = write_safe(tmp_path, metadata(baseline, offset), offset or 0)
    expected = scene_from_safe(folder)
    index, classes = ndvi(expected), read_classes(expected, make_grid(8, 8))
    path = zipped(folder)
    ((name, read),) = candidates(tmp_path)
    scene = read()
    assert (name, scene.id, scene.paths) == (path.name, expected.id, [str(path)])
    assert (ndvi(scene) == index).all()
    assert (read_classes(scene, make_grid(8, 8)) == classes).all()


def test_a_product_within_a_folder_of_its_own_name_is_read(tmp_path):
    """Windows unpacks A.SAFE.zip, which holds A.SAFE, into a folder A.SAFE."""
    safe = write_safe(tmp_path / "unpacked", metadata("05.09", -1000), -1000)
    expected = ndvi(scene_from_safe(safe))
    outer = tmp_path / "scenes" / safe.name
    outer.mkdir(parents=True)
    safe.rename(outer / safe.name)
    ((_, read),) = candidates(outer.parent)
    assert (read().id, (ndvi(read()) == expected).all()) == (safe.stem, True)


def test_a_zip_with_descriptions_of_images_elsewhere_is_refused(tmp_path):
    safe = write_safe(tmp_path, metadata("02.14", None))
    next(safe.rglob("*_B04_10m.jp2")).write_text("<VRTDataset/>")
    scene = scene_from_safe(zipped(safe))
    with pytest.raises(SceneError, match="describes an image elsewhere"):
        admit(scene, remote=False)
    admit(scene, remote=True)


def test_a_product_is_found_where_its_own_path_is_given(tmp_path):
    """The folder of a product, or its zip."""
    safe = write_safe(tmp_path, metadata("02.14", None))
    ((name, read),) = candidates(safe)
    assert (name, read().id) == (safe.name, safe.stem)
    ((name, read),) = candidates(path := zipped(safe))
    assert (name, read().id) == (path.name, safe.stem)


def test_a_zip_of_level_1c_or_no_zip_at_all_is_refused(tmp_path):
    with ZipFile(tmp_path / "S2A_MSIL1C_A.SAFE.zip", "w") as archive:
        archive.writestr("S2A_MSIL1C_A.SAFE/MTD_MSIL1C.xml", "<product/>")
    (tmp_path / "S2A_MSIL2A_B.SAFE.zip").write_bytes(b"PK cut")
    said = []
    for _, read in candidates(tmp_path):
        with pytest.raises(SceneError) as error:
            read()
        said.append(str(error.value))
    assert said[0].endswith("S2A_MSIL1C_A.SAFE.zip is level 1C, not surface reflectance; get its complete L2A product")
    assert "S2A_MSIL2A_B.SAFE.zip: cannot be read" in said[1]


def test_scene_classes_of_20_m_stand_on_the_grid_of_10_m(tmp_path):
    scene = scene_from_safe(write_safe(tmp_path, metadata("02.14", None)))
    classes = read_classes(scene, make_grid(8, 8))
    assert classes.tolist() == SCENE_CLASSIFICATION.classes(SCL).repeat(2, 0).repeat(2, 1).tolist()


def test_scene_classification_as_documented():
    """0 nodata, 1 defective, 2 dark, 3 shadow, 4 vegetation, 5 bare, 6 water, 7 unclassified, 8-9 cloud, 10 cirrus,
    11 snow (science.md 1.2): 4, 5 and 6 are clear, 3, 8 and 9 are grown."""
    clear, grown = CLEAR, BUFFERED
    assert SCENE_CLASSIFICATION.classes(np.arange(12, dtype="uint8")).tolist() == [
        *(0, 0, 0, grown, clear, clear, clear | WATER, 0, grown, grown, 0, 0)
    ]


@pytest.mark.skipif(not REAL.is_dir(), reason="the real metadata is not on this machine")
@pytest.mark.parametrize(
    ("product", "baseline", "offset", "day"),
    [
        ("S2A_MSIL2A_20150826T185436_N0212_R070_T11SLT_20210412T023147", "02.12", 0.0, "2015-08-26"),
        ("esa_S2B_MSIL2A_20210122T133229_N0214_R081_T22HBD_20210122T155500.SAFE", "02.14", 0.0, "2021-01-22"),
        ("S2B_MSIL2A_20220413T150759_N0400_R025_T33XWJ_20220414T082126.SAFE", "04.00", -0.1, "2022-04-13"),
    ],
)
def test_offset_of_real_metadata(tmp_path, product, baseline, offset, day):
    safe = write_safe(tmp_path, "")
    shutil.copy(REAL / "sentinel2_metadata" / product / "MTD_MSIL2A.xml", safe / "MTD_MSIL2A.xml")
    scene = scene_from_safe(safe)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, offset)}
    assert scene.taken.date().isoformat() == day
    assert scene.origin == f"MTD_MSIL2A.xml baseline {baseline}"


SECRET = """<?xml version="1.0"?>
<!DOCTYPE product [<!ENTITY baseline SYSTEM "file:///etc/hostname">]>
<product><PROCESSING_BASELINE>&baseline;</PROCESSING_BASELINE></product>
"""


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (metadata("04.00", None), "has baseline 04.00 but no BOA_ADD_OFFSET"),
        (metadata("05.09", -1000, without="B04"), "no BOA_ADD_OFFSET"),
        (metadata("latest", None), "cannot be read"),
        (metadata("02.14", None)[:300], "cannot be read"),
        (metadata("02.14", None).replace("BOA_QUANTIFICATION_VALUE", "L1C_VALUE"), "no BOA_QUANTIFICATION_VALUE"),
        (metadata("02.14", None).replace(">10000<", ">0<"), "cannot be read .BOA_QUANTIFICATION_VALUE is 0"),
        (metadata("02.14", None).replace("UTF-8", "UTF-9"), "MTD_MSIL2A.xml: cannot be read .unknown encoding: UTF-9"),
        (SECRET, "MTD_MSIL2A.xml: cannot be read .*EntitiesForbidden"),
    ],
    ids=["no offset", "no offset of red", "no baseline", "cut", "no scale", "scale 0", "encoding", "external entity"],
)
def test_metadata_that_leave_the_scale_open_are_refused(tmp_path, xml, says):
    safe = write_safe(tmp_path, xml)
    with pytest.raises(SceneError, match=says):
        scene_from_safe(safe)


@pytest.mark.parametrize(("given", "percent"), [("12.5", 12.5), ("n/a", None), ("", None), ("NaN", None)])
def test_a_cloud_cover_that_cannot_be_read_is_unknown(tmp_path, given, percent):
    cloud = f"<Cloud_Coverage_Assessment>{given}</Cloud_Coverage_Assessment></n1:"
    safe = write_safe(tmp_path, metadata("02.14", None).replace("</n1:", cloud))
    assert scene_from_safe(safe).cloud_percent == percent
    assert from_item(tmp_path, properties={"eo:cloud_cover": given}).cloud_percent == percent


def test_a_zip_with_damaged_metadata_is_refused(tmp_path):
    path = zipped(write_safe(tmp_path, metadata("02.14", None)))
    with ZipFile(path) as archive:
        content = {info.filename: archive.read(info) for info in archive.infolist()}
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, values in content.items():
            archive.writestr(name, values)
        start = archive.getinfo(next(name for name in content if name.endswith("MTD_MSIL2A.xml"))).header_offset
    whole = path.read_bytes()
    path.write_bytes(whole[: start + 150] + b"\xff" * 40 + whole[start + 190 :])
    with pytest.raises(SceneError, match=r"MTD_MSIL2A\.xml: cannot be read"):
        scene_from_safe(path)


def test_metadata_that_unpack_to_more_than_any_product_has_are_refused(tmp_path):
    path = tmp_path / "S2A_MSIL2A_B.SAFE.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive, archive.open("S2A_MSIL2A_B.SAFE/MTD_MSIL2A.xml", "w") as file:
        file.write(b"<a>")
        for _ in range(512):
            file.write(b" " * (1 << 20))
        file.write(b"</a>")
    tracemalloc.start()
    with pytest.raises(SceneError, match=r"MTD_MSIL2A\.xml: cannot be read .it is larger than 32 MiB"):
        scene_from_safe(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20


@pytest.mark.parametrize(
    ("file", "says"), [("MTD_MSIL1C.xml", "level 1C, not surface"), ("readme.txt", "without MTD_MSIL2A.xml")]
)
def test_a_folder_without_level_2a_is_refused(tmp_path, file, says):
    (tmp_path / file).touch()
    with pytest.raises(SceneError, match=says):
        scene_from_safe(tmp_path)


@pytest.mark.parametrize(("code", "lacks"), [("B08", "nir"), ("B04", "red"), ("SCL", "SCL")])
def test_a_safe_folder_without_a_band_is_refused(tmp_path, code, lacks):
    safe = write_safe(tmp_path, metadata("02.14", None))
    next(safe.rglob(f"*_{code}_*.jp2")).unlink()
    with pytest.raises(SceneError, match=f"{safe.name} lacks {lacks}; download"):
        scene_from_safe(safe)


# STAC items


def from_item(folder: Path, **changes):
    return scene_from_item(Item.from_file(write_item(folder, **changes)), folder)


def of_state(folder: Path, applied, declared, baseline):
    """An item with the offset's traces: flag, raster:bands, processing baseline; each may be absent."""
    properties = {"earthsearch:boa_offset_applied": applied, "s2:processing_baseline": baseline}
    fields = {} if declared is None else {"raster:bands": [{"scale": 1e-4, "offset": declared}]}
    assets = {name: {"href": f"A_{name}.tif", **fields} for name in ("red", "nir")}
    return from_item(folder, properties=properties, assets=assets)


@pytest.mark.parametrize(
    ("applied", "declared", "baseline", "offset"),
    [
        (True, -0.1, "05.09", 0.0),  # as Earth Search has it: declared and already applied
        (True, None, "05.09", 0.0),
        (True, None, None, 0.0),
        (False, -0.1, "05.09", -0.1),
        (False, 0.0, "02.14", 0.0),
        (False, None, "02.14", 0.0),
        (None, -0.1, "05.09", -0.1),
        (None, 0.0, None, 0.0),
        (None, None, "03.01", 0.0),
    ],
)
def test_an_item_says_whether_the_offset_is_in_its_pixels(tmp_path, applied, declared, baseline, offset):
    scene = of_state(tmp_path, applied, declared, baseline)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, offset)}
    assert (f"offset {offset:g}" if applied is None else f"boa_offset_applied {applied}") in scene.origin


@pytest.mark.parametrize(
    "properties",
    [
        {"sentinel:processing_baseline": "03.01"},
        {"sentinel:product_id": "S2A_MSIL2A_20200801T032541_N0214_R018_T49TDE_20200801T065309"},
    ],
)
def test_items_of_earth_search_v0_tell_their_baseline_otherwise(tmp_path, properties):
    """They have no raster:bands; the flag came when the offset did, in 2022."""
    scene = from_item(tmp_path, properties={"earthsearch:boa_offset_applied": None} | properties)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, 0.0)}
    assert "baseline 03.01" in scene.origin or "baseline 02.14" in scene.origin


@pytest.mark.parametrize(
    ("applied", "baseline"), [(None, "05.09"), (None, None), (False, "05.09"), (False, None), (None, "unknown")]
)
def test_an_item_that_leaves_the_offset_open_is_refused_by_name(tmp_path, applied, baseline):
    with pytest.raises(SceneError, match=r"scene A.*offset"):
        of_state(tmp_path, applied, None, baseline)


@pytest.mark.parametrize(
    ("applied", "declared", "baseline", "says"),
    [
        ("true", -0.1, "05.09", "neither true nor false"),
        (1, -0.1, "05.09", "neither true nor false"),
        (None, 0, "05.11", "declares the offset 0, but its baseline has one"),
        (False, 0, "05.11", "declares the offset 0"),
        (None, "much", "05.11", "scale or offset is no number"),
    ],
)
def test_an_item_that_contradicts_itself_is_refused(tmp_path, applied, declared, baseline, says):
    with pytest.raises(SceneError, match=f"scene A.*{says}"):
        of_state(tmp_path, applied, declared, baseline)


CDSE = "S2A_MSIL2A_20230801T032541_N0510_R018_T49TDE_20240516T022440"
"""A product in the Copernicus Data Space, whose item goes by its name."""


def of_data_space(folder: Path, baseline: str = "05.10", assets: dict | None = None, name: str = CDSE):
    """The scene of an item as the Copernicus Data Space has them: STAC 1.1, bands by code and resolution, scale and
    offset in the asset, the same offset whatever the baseline."""
    declared = {"data_type": "uint16", "nodata": 0, "raster:scale": 1e-4, "raster:offset": -0.1, "bands": [{}]}
    bands = {"B04_10m": "red", "B04_20m": "scl", "B08_10m": "nir", "B11_20m": "red"}
    properties = {"earthsearch:boa_offset_applied": None, "product:type": "S2MSI2A", "processing:version": baseline,
                  "grid:code": "MGRS-49TDE"}  # fmt: skip
    found = {"red": None, "nir": None, "scl": None, "SCL_20m": {"href": f"{name}_scl.tif"}}
    found |= {key: {"href": f"{name}_{file}.tif", **declared} for key, file in bands.items()}
    return from_item(folder, name=name, stac_version="1.1.0", properties=properties, assets=found | (assets or {}))


def test_items_of_the_copernicus_data_space_are_read(tmp_path):
    scene = of_data_space(tmp_path)
    assert {name: (Path(band.path).name, band.scale, band.offset) for name, band in scene.bands.items()} == {
        "red": (f"{CDSE}_red.tif", 1e-4, -0.1),
        "nir": (f"{CDSE}_nir.tif", 1e-4, -0.1),
        "swir16": (f"{CDSE}_red.tif", 1e-4, -0.1),
    }
    assert (Path(scene.quality.path).name, scene.tile) == (f"{CDSE}_scl.tif", "49TDE")
    assert ndvi_of_item(scene) == pytest.approx((3500 - 1900) / (3500 + 1900 - 2000))
    assert scene.origin == "STAC item, baseline 05.10, offset -0.1"
    assert "baseline 05.10" in of_data_space(tmp_path, baseline=None).origin  # the name tells it, too


def ndvi_of_item(scene) -> float:
    red, nir = (
        read_band(scene, name, make_grid(4, 4))[0, 0] * scene.bands[name].scale + scene.bands[name].offset
        for name in ("red", "nir")
    )
    return (nir - red) / (nir + red)


def test_an_offset_may_stand_in_the_one_band_of_an_asset(tmp_path):
    """As the raster extension 2.0 allows."""
    bands = {"bands": [{"name": "B04", "raster:scale": 1e-4, "raster:offset": -0.1}]}
    assets = {name: {"href": f"A_{name}.tif", **bands} for name in ("red", "nir")}
    scene = from_item(tmp_path, properties={"earthsearch:boa_offset_applied": None}, assets=assets)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, -0.1)}


def test_an_item_of_level_1c_of_the_copernicus_data_space_is_refused(tmp_path):
    with pytest.raises(SceneError, match="scene A is level 1C, not surface reflectance"):
        from_item(tmp_path, properties={"product:type": "S2MSI1C"})


def test_an_offset_that_the_baseline_cannot_have_is_refused_unless_the_metadata_decide(tmp_path):
    """The catalogue declares -0.1 of products from before the offset, too."""
    with pytest.raises(SceneError, match=r"declares the offset -0.1, but its baseline 02.14 has none; download"):
        of_data_space(tmp_path, "02.14")
    (tmp_path / "MTD_MSIL2A.xml").write_text(metadata("02.14", None), encoding="utf-8")
    scene = of_data_space(tmp_path, "02.14", {"product_metadata": {"href": "MTD_MSIL2A.xml"}})
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, 0.0)}
    assert scene.origin == "MTD_MSIL2A.xml baseline 02.14"


def of_planetary_computer(folder: Path, baseline: str, xml: str | None = None):
    """The scene of an item as the Planetary Computer has them: bands by code, nothing on scale or offset."""
    name = "S2A_MSIL2A_20230801T032541_R018_T49TDE_20230801T080000"
    assets = {"red": None, "nir": None, "scl": None, "B04": {"href": f"{name}_red.tif"},
              "B08": {"href": f"{name}_nir.tif"}, "SCL": {"href": f"{name}_scl.tif"},
              "product-metadata": {"href": "https://far.example/MTD_MSIL2A.xml"}}  # fmt: skip
    if xml:
        (folder / "MTD_MSIL2A.xml").write_text(xml, encoding="utf-8")
        assets["product-metadata"] = {"href": "./MTD_MSIL2A.xml"}
    properties = {"earthsearch:boa_offset_applied": None, "s2:product_type": "S2MSI2A", "s2:mgrs_tile": "49TDE",
                  "s2:processing_baseline": baseline}  # fmt: skip
    return from_item(folder, name=name, properties=properties, assets=assets)


@pytest.mark.parametrize(
    ("baseline", "xml", "offset"),
    [("05.09", metadata("05.09", -1000), -0.1), ("04.00", metadata("04.00", -900), -0.09), ("03.01", None, 0.0)],
)
def test_items_of_the_planetary_computer_take_the_offset_from_the_metadata_of_their_product(
    tmp_path, baseline, xml, offset
):
    scene = of_planetary_computer(tmp_path, baseline, xml)
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, offset)}
    assert (sorted(scene.bands), scene.tile) == (["nir", "red"], "49TDE")


@pytest.mark.parametrize(
    ("baseline", "xml", "says"),
    [
        ("05.09", None, r"nothing says whether the offset .* download its MTD_MSIL2A.xml .asset product_metadata."),
        ("05.09", metadata("03.01", None), "has baseline 05.09, but its metadata MTD_MSIL2A.xml has 03.01"),
        ("05.09", metadata("05.09", -1000, without="B08"), "baseline 05.09 but no BOA_ADD_OFFSET of B08"),
        ("05.09", "<html>sign in</html>", "MTD_MSIL2A.xml: cannot be read"),
    ],
    ids=["none", "of another product", "no offset", "no metadata"],
)
def test_an_item_of_the_planetary_computer_without_sound_metadata_is_refused(tmp_path, baseline, xml, says):
    with pytest.raises(SceneError, match=says):
        of_planetary_computer(tmp_path, baseline, xml)


def test_metadata_do_not_undo_what_the_item_says_of_its_pixels(tmp_path):
    """Earth Search took the offset out of its pixels; the metadata are those of the product as ESA made it."""
    (tmp_path / "MTD_MSIL2A.xml").write_text(metadata("05.09", -1000), encoding="utf-8")
    assets = {"product_metadata": {"href": "MTD_MSIL2A.xml"}}
    scene = from_item(tmp_path, assets=assets, properties={"s2:processing_baseline": "05.09"})
    assert {(band.scale, band.offset) for band in scene.bands.values()} == {(1e-4, 0.0)}


def test_a_product_with_the_image_of_another_is_refused(tmp_path):
    safe = write_safe(tmp_path, metadata("05.09", -1000), -1000)
    (right,) = safe.rglob("*_B08_10m.jp2")
    other = right.with_name(right.name.replace("20230801", "20230520"))
    shutil.copy(right, other)
    with pytest.raises(SceneError, match="holds 2 images of B08"):
        scene_from_safe(safe)
    right.unlink()
    with pytest.raises(SceneError, match="images of several products"):
        scene_from_safe(safe)


@pytest.mark.parametrize("changes", [{"properties": {"s2:product_type": "S2MSI1C"}}, {"collection": "sentinel-2-l1c"}])
def test_an_item_of_level_1c_is_refused(tmp_path, changes):
    with pytest.raises(SceneError, match="scene A is level 1C, not surface reflectance"):
        from_item(tmp_path, **changes)


@pytest.mark.parametrize(
    ("assets", "lacks"),
    [
        ({"nir": {"href": "https://sentinel-cogs.s3.us-west-2.amazonaws.com/A/B08.tif"}}, "nir"),
        ({"red": {"href": "s3://sentinel-cogs/A/B04.tif"}}, "red"),
        ({"red": {"href": "not-copied.tif"}, "nir": None}, "red, nir"),
        ({"scl": None}, "SCL"),
    ],
)
def test_an_item_whose_pixels_are_not_on_disk_is_refused(tmp_path, assets, lacks):
    with pytest.raises(SceneError, match=f"scene A lacks {lacks}; download these files"):
        from_item(tmp_path, assets=assets)


def test_bands_are_found_by_code_and_by_any_local_address(tmp_path):
    """Older items call red B04; an href may be relative, absolute, or a file URL with its signs encoded."""
    folder = tmp_path / "碳汇 场景"
    assets = {
        "red": None,
        "nir": None,
        "B04": {"href": "./A_red.tif"},
        "B08": {"href": (folder / "A_nir.tif").as_uri()},
        "scl": {"href": str(folder / "A_scl.tif")},
        "green": {"href": "A_nir.tif", "raster:bands": [{"scale": 1e-4, "offset": -0.1}]},
    }
    scene = from_item(folder, assets=assets)
    assert {name: Path(band.path).name for name, band in scene.bands.items()} == {
        "red": "A_red.tif", "nir": "A_nir.tif", "green": "A_nir.tif"
    }  # fmt: skip
    assert (read_band(scene, "nir", make_grid(4, 4)) == 3500).all()


def test_a_tile_beside_the_scene_is_not_covered(tmp_path):
    scene = from_item(tmp_path)
    beside = make_grid(4, 4).pad(4)[:4, :]  # the rows above it
    assert (read_band(scene, "red", beside) == 0).all()
    assert (read_classes(scene, beside) == 0).all()
