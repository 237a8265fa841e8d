"""MODIS and VIIRS vegetation indices: NASA's own NDVI, its scale and its ranks, whatever form the file has."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from conftest import REAL, count_listings, make_grid, write_tif
from odc.geo.geobox import GeoBox
from pyhdf.SD import SD, SDC

from pipeline.compositing.composite_methods import PeakComposite
from pipeline.errors import SceneError
from pipeline.scenes import hdfeos
from pipeline.scenes.catalog import footprint
from pipeline.scenes.layouts import candidates
from pipeline.scenes.quality import CLEAR, WATER
from pipeline.scenes.reflectance import read_bands, read_classes
from pipeline.scenes.sensors.metadata import multiplier
from pipeline.scenes.sensors.vegetation_index import granules_of, scene_from_hdf, scene_from_tifs

SIDE = 8
STEP = 463.312716527778
LEFT, TOP = 100 * STEP, 9000 * STEP
STRUCTURE = f"""GROUP=GridStructure
	GROUP=GRID_1
		GridName="Grid_16DAY_500m_VI"
		XDim={SIDE}
		YDim={SIDE}
		UpperLeftPointMtrs=({LEFT:.6f},{TOP:.6f})
		LowerRightMtrs=({LEFT + SIDE * STEP:.6f},{TOP - SIDE * STEP:.6f})
		Projection=GCTP_SNSOID
		ProjParams=(6371007.181000,0,0,0,0,0,0,0,0,0,0,0,0)
	END_GROUP=GRID_1
END_GROUP=GridStructure
END
"""
NDVI = np.arange(1000, 1000 + 100 * SIDE * SIDE, 100, dtype="int16").reshape(SIDE, SIDE)
GOOD, MARGINAL, SNOW, CLOUD, FILL = 0, 1, 2, 3, -1
USEFUL, USELESS = 3 << 2, 4 << 2
"""VI quality with a usefulness of 3, and of 4, in bits 2-5."""


def ranks() -> tuple[np.ndarray, np.ndarray]:
    """Pixel reliability and VI quality: in the first row good, marginal and useful, marginal and useless, snow, cloud,
    fill, good and useless; good elsewhere."""
    reliability, quality = np.zeros((SIDE, SIDE), "int8"), np.full((SIDE, SIDE), USEFUL, "uint16")
    reliability[0, :7] = GOOD, MARGINAL, MARGINAL, SNOW, CLOUD, FILL, GOOD
    quality[0, [2, 6]] = USELESS
    return reliability, quality


CLEAR_IN_FIRST_ROW = [True, True, False, False, False, False, True, True]


def write_hdf4(path: Path, scale: float = 10000.0, structure: str = STRUCTURE, without: str = "") -> Path:
    """As MOD13A1 comes, with its own names."""
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    setattr(file, "StructMetadata.0", structure)
    reliability, quality = ranks()
    for name, kind, values in (
        ("500m 16 days NDVI", SDC.INT16, NDVI),
        ("500m 16 days VI Quality", SDC.UINT16, quality),
        ("500m 16 days pixel reliability", SDC.INT8, reliability),
    ):
        if not (without and without in name):
            data = file.create(name, kind, values.shape)
            data[:] = values
            data.scale_factor = scale
            data.endaccess()
    file.end()
    return path


def write_hdf5(path: Path) -> Path:
    """As VNP13A1 comes: the scale is a factor."""
    reliability, quality = ranks()
    with h5py.File(path, "w") as file:
        file["HDFEOS INFORMATION/StructMetadata.0"] = np.bytes_(STRUCTURE.replace("GCTP", "HE5_GCTP"))
        fields = file.create_group("HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_500m/Data Fields")
        fields["500 m 16 days NDVI"] = NDVI
        fields["500 m 16 days NDVI"].attrs["scale_factor"] = np.array([1e-4], "float32")
        fields["500 m 16 days VI Quality"] = quality
        fields["500 m 16 days pixel reliability"] = reliability
    return path


def on_own_grid(scene) -> tuple[np.ndarray, np.ndarray]:
    """NDVI of the composite of one scene alone, and where it is clear, on the scene's own grid."""
    grid = footprint(scene.id, scene.bands["red"])
    composite = PeakComposite(grid.shape)
    classes = read_classes(scene, grid)
    composite.add(classes, read_bands(scene, ("red", "nir"), grid))
    return composite.layers()["ndvi"], classes & CLEAR != 0


@pytest.mark.parametrize(
    ("write", "name", "sensor"),
    [
        (write_hdf4, "MOD13A1.A2023209.h26v04.061.2023226000812.hdf", "modis-vi"),
        (write_hdf5, "VNP13A1.A2023209.h26v04.002.2023226000812.h5", "viirs-vi"),
    ],
)
def test_an_hdf_file_as_delivered(tmp_path, write, name, sensor):
    """The stored NDVI comes out again to the last digit, whether 10000 divides or 1e-4 multiplies."""
    ((_, read),) = candidates(write(tmp_path / name).parent)
    scene = read()
    ndvi, clear = on_own_grid(scene)
    if sensor == "modis-vi":
        assert clear[0].tolist() == CLEAR_IN_FIRST_ROW
    assert clear[1:].all()
    assert not (read_classes(scene, footprint(scene.id, scene.bands["red"])) & WATER).any()  # told from land by neither
    assert (ndvi[clear] == NDVI[clear]).all()
    assert (scene.sensor, scene.level, scene.tile) == (sensor, "index", "h26v04")
    assert scene.day.isoformat() == "2023-08-05"  # the 16 days from 28 July on


def test_a_suffix_may_be_in_capitals(tmp_path):
    write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.HDF")
    ((name, read),) = candidates(tmp_path)
    assert (name, read().day.isoformat()) == ("MOD13A1.A2023209.h26v04.061.HDF", "2023-08-05")


def test_ranks_of_viirs(tmp_path):
    """0 and 1 are clear, 2 and 3 with a usefulness of at most 3."""
    scene = scene_from_hdf(write_hdf5(tmp_path / "VNP13A1.A2023209.h26v04.002.2023226000812.h5"))
    assert on_own_grid(scene)[1][0].tolist() == [True, True, True, True, True, False, True, True]


def test_the_sinusoidal_grid_of_an_hdf_file(tmp_path):
    grid = hdfeos.grid_of(str(write_hdf4(tmp_path / "MOD13A1.A2023209.hdf")))
    assert grid.shape == (SIDE, SIDE)
    assert (grid.affine.c, grid.affine.f, grid.affine.a, grid.affine.e) == pytest.approx((LEFT, TOP, STEP, -STEP))
    x, y = grid.extent.centroid.to_crs("EPSG:4326").coords[0]
    metres_per_degree = np.pi * 6371007.181 / 180
    assert (x, y) == pytest.approx(
        (104 * STEP / metres_per_degree / np.cos(np.radians(y)), 8996 * STEP / metres_per_degree)
    )


def test_the_grid_of_a_file_that_was_replaced_is_the_new_one(tmp_path):
    """The grid is remembered for a file as it stands."""
    path = write_hdf4(tmp_path / "MOD13A1.A2023209.hdf")
    before = hdfeos.grid_of(str(path))
    path.unlink()
    write_hdf4(path, structure=STRUCTURE.replace(f"XDim={SIDE}", f"XDim={2 * SIDE}"))
    after = hdfeos.grid_of(str(path))
    assert (before.shape, after.shape) == ((SIDE, SIDE), (SIDE, 2 * SIDE))


def test_a_window_of_an_hdf_file_is_the_same_as_its_part_of_the_whole(tmp_path):
    scene = scene_from_hdf(write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.hdf"))
    whole = footprint(scene.id, scene.bands["red"])
    part = read_bands(scene, ("nir",), whole[2:5, 3:8])["nir"][0]
    assert (part == NDVI[2:5, 3:8]).all()
    beside = read_bands(scene, ("nir",), whole.translate_pix(3 * SIDE, 0))["nir"][0]
    assert (beside == -3000).all()


def test_beyond_the_edge_of_an_hdf_file_is_nodata(tmp_path):
    """The grid begins three pixels to the right and two above."""
    scene = scene_from_hdf(write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.hdf"))
    grid = footprint(scene.id, scene.bands["red"]).translate_pix(3, -2)
    found = read_bands(scene, ("nir",), grid)["nir"][0]
    assert (found[2:, :5] == NDVI[:6, 3:]).all()
    assert (found[:2] == -3000).all()
    assert (found[:, 5:] == -3000).all()


def test_pixels_of_an_hdf_file_are_averaged_by_their_area(tmp_path):
    """Half a pixel to the right each pixel is half of two that differ by 100; twice as wide it is of four.
    What is not covered does not count."""
    scene = scene_from_hdf(write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.hdf"))
    whole = footprint(scene.id, scene.bands["red"])
    half = read_bands(scene, ("nir",), whole.translate_pix(0.5, 0))["nir"][0]
    assert half[:, :-1] == pytest.approx(NDVI[:, :-1] + 50, abs=1)
    assert half[:, -1] == pytest.approx(NDVI[:, -1], abs=1)
    wide = read_bands(scene, ("nir",), whole.zoom_out(2))["nir"][0]
    assert wide == pytest.approx(NDVI.reshape(4, 2, 4, 2).mean(axis=(1, 3)), abs=1)


@pytest.mark.parametrize(
    ("declared", "factor"),
    [(10000, 1e-4), ("10000.0", 1e-4), (1e-4, 1e-4), (np.float32(1e-4), 1e-4)],
)
def test_a_divisor_and_a_multiplier_are_told_apart(declared, factor):
    """MOD13 declares 10000, MOD09 declares 1e-4 and means the same."""
    assert multiplier("X", declared) == pytest.approx(factor, rel=1e-6)


@pytest.mark.parametrize("declared", [1, 0, -10000, 100, None, "unknown", float("nan")])
def test_a_scale_that_is_neither_is_refused(declared):
    with pytest.raises(SceneError, match=f"scene X: its scale {declared} is neither a factor nor a divisor"):
        multiplier("X", declared)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scale": 1.0}, "its scale 1.0 is neither"),
        ({"structure": STRUCTURE.replace("SNSOID", "GEO")}, "cannot be read .its grid is not sinusoidal"),
        ({"structure": "GROUP=GridStructure"}, "has no Projection"),
        ({"structure": STRUCTURE.replace("XDim=8", "XDim=0")}, "cannot be read .its grid has no pixels"),
        ({"structure": STRUCTURE.replace(f"{LEFT:.6f},", "nan,")}, "its grid has no pixels"),
        ({"without": "reliability"}, "lacks pixel reliability; get these layers with it"),
        ({"without": "Quality"}, "lacks VI quality"),
    ],
)
def test_an_hdf_file_that_leaves_something_open_is_refused(tmp_path, changes, says):
    with pytest.raises(SceneError, match=says):
        scene_from_hdf(write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.hdf", **changes))


@pytest.mark.parametrize("content", [b"", b"no HDF at all", b"\x89HDF\r\n\x1a\ncut"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "MOD13A1.A2023209.h26v04.061.hdf"
    path.write_bytes(content)
    with pytest.raises(SceneError, match=rf"{path.name}: cannot be read"):
        scene_from_hdf(path)


def test_an_hdf_file_of_absurd_size_is_refused_by_its_header(tmp_path):
    path = write_hdf4(
        tmp_path / "MOD13A1.A2023209.h26v04.hdf", structure=STRUCTURE.replace(f"Dim={SIDE}", "Dim=400000")
    )
    scene = scene_from_hdf(path)
    with pytest.raises(SceneError, match=r"400000 x 400000 pixels, more than scenes.max_megapixels \(2000\)"):
        footprint(scene.id, scene.bands["red"], 2000)


def test_an_hdf_file_below_a_chinese_folder(tmp_path):
    """HDF4 opens it by a function that on Windows takes the path in the encoding of the locale."""
    path = write_hdf4(tmp_path / "MOD13A1.A2023209.h26v04.061.2023226000812.hdf")
    (tmp_path / "影像 二三").mkdir()
    path = path.rename(tmp_path / "影像 二三" / path.name)
    ndvi, _ = on_own_grid(scene_from_hdf(path))
    assert np.array_equal(ndvi, on_own_grid(scene_from_hdf(path.rename(tmp_path / path.name)))[0], equal_nan=True)


def test_hdf4_on_old_windows_asks_for_a_path_that_its_library_can_open(tmp_path, monkeypatch):
    path = tmp_path / "影像" / "MOD13A1.A2023209.h26v04.061.2023226000812.hdf"
    path.parent.mkdir()
    path.write_bytes(b"as good as unreadable")
    monkeypatch.setattr(hdfeos.sys, "platform", "win32")
    with pytest.raises(SceneError, match="on Windows before 10, move it to a folder of Latin letters"):
        scene_from_hdf(path)


def test_a_damaged_hdf5_is_one_sentence(tmp_path):
    """Bytes changed at any place: read, or refused by name."""
    path = write_hdf5(tmp_path / "VNP13A1.A2023209.h26v04.002.h5")
    content, said = path.read_bytes(), []
    for place in range(0, len(content), len(content) // 600):
        path.write_bytes(content[:place] + b"\xff" * 16 + content[place + 16 :])
        try:
            on_own_grid(scene_from_hdf(path))
        except (SceneError, ValueError) as error:  # that of the composite gets its scene's name where it is called
            said.append(str(error))
    assert len(said) > 5
    assert [text for text in said if path.stem not in text and "impossible reflectance" not in text] == []


def test_stored_values_that_are_no_index_are_refused(tmp_path):
    """What a damaged stream decodes to: HDF4 says nothing of it."""
    path = write_hdf5(tmp_path / "VNP13A1.A2023209.h26v04.002.h5")
    on_own_grid(scene_from_hdf(path))
    with h5py.File(path, "r+") as file:
        file["HDFEOS/GRIDS/VIIRS_Grid_16Day_VI_500m/Data Fields/500 m 16 days NDVI"][0, 0] = 21_000
    with pytest.raises(SceneError, match="holds an index beyond -1 to 1; get the product again"):
        on_own_grid(scene_from_hdf(path))


# GeoTIFFs

NAMES = {
    "as cut from the archive": "MYD13A1.A2023209.h26v04.061.2023226_{}.TIF",
    "as an order is delivered": "MOD13A1.061__500m_16_days_{}_doy2023209_aid0001.tif",
    "as an order is delivered with a time": "MOD13A1.061__500m_16_days_{}_doy2023209000000_aid0001.tif",
}
TOKENS = {
    "as cut from the archive": ("NDVI_B01", "PR_B12", "VIQ_B03"),
    "as an order is delivered": ("NDVI", "pixel_reliability", "VI_Quality"),
    "as an order is delivered with a time": ("NDVI", "pixel_reliability", "VI_Quality"),
}


@pytest.mark.parametrize("form", NAMES)
def test_geotiffs_of_the_usual_services(tmp_path, form):
    ndvi, reliability, quality = (tmp_path / NAMES[form].format(token) for token in TOKENS[form])
    for path, values in zip((ndvi, reliability, quality), (NDVI, *ranks()), strict=True):
        write_tif(path, values.view("uint8") if values.dtype == "int8" else values, pixel=500)
    write_tif(tmp_path / NAMES[form].format("red_reflectance"), NDVI, pixel=500)
    ((_, read),) = candidates(tmp_path)
    scene = read()
    values, clear = on_own_grid(scene)
    assert clear[0].tolist() == CLEAR_IN_FIRST_ROW
    assert (values[clear] == NDVI[clear]).all()
    assert scene.day.isoformat() == "2023-08-05"


@pytest.mark.parametrize("form", NAMES)
def test_layers_whose_ndvi_is_missing_are_refused(tmp_path, form):
    for token, values in zip(TOKENS[form][1:], ranks(), strict=True):
        write_tif(tmp_path / NAMES[form].format(token), values, pixel=500)
    ((_, read),) = candidates(tmp_path)
    with pytest.raises(SceneError, match="lacks NDVI; get these layers with it"):
        read()


@pytest.mark.parametrize("kind", ["int16", "int32"])
def test_one_geotiff_with_named_bands(tmp_path, kind):
    """As exported from a catalogue that names its bands; the layers share one type there that holds them all."""
    reliability, quality = ranks()
    path = tmp_path / "MOD13Q1_2023_07_28.tif"
    write_tif(path, np.stack([NDVI, quality, reliability]).astype(kind), pixel=250)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("NDVI", "DetailedQA", "SummaryQA")
    ((_, read),) = candidates(tmp_path)
    scene = read()
    values, clear = on_own_grid(scene)
    assert clear[0].tolist() == CLEAR_IN_FIRST_ROW
    assert (values[clear] == NDVI[clear]).all()
    assert scene.day.isoformat() == "2023-08-05"


def test_a_pixel_with_0_in_all_layers_is_a_masked_one(tmp_path):
    """Earth Engine writes 0 where an image is masked or clipped: as a rank that is good, but no VI quality of land."""
    ndvi, reliability, quality = NDVI.copy(), *ranks()
    for layer in (ndvi, reliability, quality):
        layer[1] = 0
    path = tmp_path / "MOD13Q1_2023_07_28.tif"
    write_tif(path, np.stack([ndvi, quality, reliability]).astype("int32"), pixel=250)
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("NDVI", "DetailedQA", "SummaryQA")
    ((_, read),) = candidates(tmp_path)
    clear = on_own_grid(read())[1]
    assert clear[0].tolist() == CLEAR_IN_FIRST_ROW
    assert not clear[1].any()
    assert clear[2:].all()


def test_a_damaged_geotiff_is_refused_and_leaves_the_others(tmp_path):
    for token, values in zip(("NDVI", "pixel_reliability", "VI_Quality"), (NDVI, *ranks()), strict=True):
        write_tif(tmp_path / f"MOD13Q1.A2023209.h26v04.061_{token}.tif", values, pixel=250)
    (tmp_path / "MOD13Q1.A2023193.h26v04.061.tif").write_bytes(b"II*\0cut")
    (name, damaged), (_, whole) = candidates(tmp_path)
    assert name == "MOD13Q1.A2023193.h26v04.061.tif"
    with pytest.raises(SceneError, match=rf"{name}: cannot be read .*; get the product again"):
        damaged()
    assert whole().id == "MOD13Q1.A2023209.h26v04.061"


def scene_with_layers_beside(ndvi):
    return scene_from_tifs(ndvi, granules_of([path.name for path in ndvi.parent.iterdir()]))


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16"])
def test_pixel_reliability_of_any_type(tmp_path, kind):
    """Its -1 is 255 in some exports."""
    for token, values in zip(("NDVI", "pixel_reliability", "VI_Quality"), (NDVI, *ranks()), strict=True):
        values = values.astype(kind) if token == "pixel_reliability" else values
        write_tif(tmp_path / f"MOD13Q1.A2023209.h26v04.061_{token}.tif", values, pixel=250)
    scene = scene_with_layers_beside(tmp_path / "MOD13Q1.A2023209.h26v04.061_NDVI.tif")
    assert on_own_grid(scene)[1][0].tolist() == CLEAR_IN_FIRST_ROW
    assert not read_classes(scene, make_grid(4, 4).translate_pix(1000, 0)).any()


def test_a_date_is_needed(tmp_path):
    for token, values in zip(("NDVI", "pixel_reliability", "VI_Quality"), (NDVI, *ranks()), strict=True):
        write_tif(tmp_path / f"MOD13Q1_{token}.tif", values, pixel=250)
    with pytest.raises(SceneError, match=r"MOD13Q1_NDVI\.tif has no date like A2020153"):
        scene_with_layers_beside(tmp_path / "MOD13Q1_NDVI.tif")


def test_a_folder_of_many_composites_is_listed_once(tmp_path, monkeypatch):
    """AppEEARS delivers 1150 composites of 25 years into one folder."""
    for first_day in range(1, 81, 16):
        for token, values in zip(("NDVI", "pixel_reliability", "VI_Quality"), (NDVI, *ranks()), strict=True):
            write_tif(
                tmp_path / f"MOD13Q1.061__250m_16_days_{token}_doy2023{first_day:03}_aid0001.tif", values, pixel=250
            )
    listings = count_listings(monkeypatch)
    assert len({read().day for _, read in candidates(tmp_path)}) == 5
    assert listings == [tmp_path]


REAL_MODIS = REAL / "modis"
real = pytest.mark.skipif(not REAL_MODIS.is_dir(), reason="the real MODIS product is not on this machine")


@real
def test_ndvi_from_reflectance_agrees_with_nasas_own():
    """Red and near infrared of the product give its NDVI within 1 step of 1e-4 (median; it was rounded)."""
    import rasterio

    scene = scene_with_layers_beside(next(REAL_MODIS.glob("*_NDVI_B01.TIF")))
    grid: GeoBox = footprint(scene.id, scene.bands["red"])
    ndvi, clear = on_own_grid(scene)
    with (
        rasterio.open(next(REAL_MODIS.glob("*_RR_B04.TIF"))) as red,
        rasterio.open(next(REAL_MODIS.glob("*_NIRR_B05.TIF"))) as nir,
    ):
        bands = {name: (file.read(1), 1e-4, 0.0, -1000) for name, file in (("red", red), ("nir", nir))}
    recomputed = PeakComposite(grid.shape)
    recomputed.add(np.where(clear, CLEAR, 0).astype("uint8"), bands)
    both = clear & (recomputed.layers()["clear_count"] > 0)
    assert both.sum() > 100_000
    assert np.median(np.abs(recomputed.layers()["ndvi"][both].astype(int) - ndvi[both])) <= 1
    assert (scene.origin, scene.day.isoformat()) == ("scale of the file", "2020-06-09")
